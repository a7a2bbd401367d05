"""fit with compiled steps: the same run, to the bit by the formulas, to rounding by Numba; and what "auto" chooses."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.i18n import in_language
from tinygrad_zh.train import (
    Callback,
    Checkpoint,
    ClippedNorm,
    GradientNorms,
    ScheduledSteps,
    choosing,
    compiling,
    metrics,
)
from tinygrad_zh.train.step import Compiled, Step


class Look(Callback):
    """Keeps the run."""

    def on_begin(self, run):
        self.run = run


def trained(compile, network=everything, data=None, raises=(), **keywords):
    """All that is left of a run: states, history, the next random numbers, and what was raised."""
    model = network()
    optimizer = keywords.pop("optimizer", tz.optim.Adam)(model.parameters(), lr=0.01)
    callbacks = [make(optimizer) for make in keywords.pop("callbacks", [])]
    keywords = {"epochs": 4, "validation": classes(30, seed=1), "metrics": [metrics.accuracy]} | keywords
    look, history, error = Look(), None, None
    try:
        history = quietly(model, data or classes(), optimizer=optimizer, callbacks=[*callbacks, look],
                          compile=compile, **keywords)
    except raises as caught:
        error = str(caught)
    left = [*contents(model, optimizer), history and dict(history), history and history.stopped, error,
            tz.default_generator().bytes(8)]
    return left, look.run


def schedule(optimizer):
    return ScheduledSteps(tz.optim.CosineAnnealingLR(optimizer, total=40))


RUNS = {
    "dropout, batch norm, a smaller last batch": {},
    "SGD": {"optimizer": tz.optim.SGD},
    "AdamW": {"optimizer": tz.optim.AdamW},
    "a schedule, clipping, norms": {"callbacks": [schedule, lambda o: ClippedNorm(0.5), lambda o: GradientNorms()]},
    "augmented": {"augment": lambda x, generator: x + generator.normal(size=x.shape).astype(x.dtype)},
    "in flat buffers": {"optimizer": lambda p, lr: tz.optim.flattened(tz.optim.Adam(p, lr))},
    "one batch an epoch": {"batch_size": 60, "epochs": 8},
}


@pytest.mark.parametrize("name", RUNS)
def test_the_replay_of_the_formulas_is_the_same_run_to_the_bit(name):
    written, _ = trained(False, **RUNS[name])
    replayed, run = trained("formulas", **RUNS[name])
    assert replayed == written
    assert isinstance(run.step, Compiled)
    assert run.step.forward.replays == run.step.forward.calls - 2 * len(run.step.forward.variants) > 0
    assert run.step.update.replays == run.step.update.calls - 2


@pytest.mark.parametrize("network", [mlp, everything])
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_whose_loss_is_not_finite_is_not_stepped_on(network, seed):
    x, y = classes(200, seed=seed)
    x[37] = 3e38  # finite, but not what is computed from it
    with np.errstate(all="ignore"):
        written, _ = trained(False, network, (x, y), FloatingPointError)
        replayed, _ = trained("formulas", network, (x, y), FloatingPointError)
    assert "is not finite" in written[4] or "the loss is" in written[4]
    assert replayed == written


def test_a_gradient_that_is_not_finite_is_not_stepped_on():
    x = np.repeat(np.linspace(1, 2, 160, dtype=np.float32)[:, None], 2, axis=1)
    x[150] = 0  # √0 is 0, and its slope is ∞

    def run(compile):
        tz.manual_seed(0)
        model = nn.Sequential(nn.Dense(2, 1, bias=False), nn.BatchNorm(1))
        model.layers.pop()
        model[0].W.assign([[1.0], [1.0]])
        optimizer = tz.optim.Adam(model.parameters())
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"parameter 0, \(2, 1\)") as raised:
            quietly(model, (x, x[:, :1]), loss=lambda p, y: (p * p).sqrt().mean(), optimizer=optimizer,
                    epochs=3, compile=compile)
        return contents(model, optimizer), str(raised.value)

    assert run("formulas") == run(False)


@pytest.mark.parametrize("breaks", [1, 3])
def test_a_resumed_run_equals_the_unbroken_one(tmp_path, breaks):
    def run(compile, epochs, seed=0, **keywords):
        model = everything(seed)
        optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
        history = quietly(model, classes(), optimizer=optimizer, epochs=epochs, compile=compile,
                          callbacks=[Checkpoint(tmp_path / "run")], **keywords)
        return contents(model, optimizer), dict(history), tz.default_generator().bytes(8)

    unbroken = run(False, 5)
    run("formulas", breaks)
    assert run("formulas", 5, seed=9, resume=tmp_path / "run") == unbroken


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_after_the_step_in_hand_and_a_second_undoes_it(times):
    class CtrlC(Callback):
        steps = 0

        def on_step(self, run):
            self.steps += 1
            for _ in range(times if self.steps == 7 else 0):
                signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        written, replayed = (trained(way, raises=KeyboardInterrupt, callbacks=[lambda o: CtrlC()])[0]
                             for way in (False, "formulas"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert replayed == written
    assert (written[3] == "interrupted") == (times == 1)


def test_what_a_callback_changes_in_a_layer_is_seen():
    class Less(Callback):
        def on_epoch(self, run):
            run.model[3].p = 0.2 / run.epoch

    written, replayed = (trained(way, callbacks=[lambda o: Less()])[0] for way in (False, "formulas"))
    assert replayed == written != trained(False)[0]


def test_a_number_of_the_loss_that_changes_is_seen():
    def run(compile):
        weight = 1.0

        class Anneal(Callback):
            def on_epoch(self, run):
                nonlocal weight
                weight *= 0.5

        return trained(compile, loss=lambda p, y: F.cross_entropy(p, y) * weight, callbacks=[lambda o: Anneal()])[0]

    assert run("formulas") == run(False) != trained(False)[0]


def test_what_the_loss_is_not_is_told_as_ever():
    for loss, error in [(lambda p, y: 1.0, TypeError), (lambda p, y: p, ValueError)]:
        messages = []
        for way in (False, "formulas"):
            with pytest.raises(error) as raised:
                quietly(mlp(), classes(), loss=loss, compile=way)
            messages.append(str(raised.value))
        assert messages[0] == messages[1]


@pytest.mark.slow  # it compiles
@pytest.mark.parametrize("network", [mlp, everything])
def test_compiled_steps_are_the_same_to_rounding(network):
    pytest.importorskip("numba")
    # Not Adam, which makes whole steps of the rounding errors that are a bias's gradient before batch norm.
    written, _ = trained(False, network, optimizer=tz.optim.Momentum)
    compiled, run = trained(True, network, optimizer=tz.optim.Momentum)
    assert run.step.forward.replays and run.step.update.replays
    for name, figures in written[2].items():
        np.testing.assert_allclose(compiled[2][name], figures, rtol=1e-5, err_msg=name)
    assert compiled[-1] == written[-1]  # as many random numbers were drawn


# ---- what is chosen


def chosen(run=None, **keywords):
    """What the second step of a run is, and what is said of it."""
    look = Look()
    model = keywords.pop("model", None) or mlp()
    keywords = {"epochs": 1, "compile": "auto"} | keywords
    with in_language("en"):
        history = quietly(model, classes(), callbacks=[look], **keywords)
    return look.run.step, history.compiled


def test_a_short_run_stays_as_it_is_written():
    step, told = chosen()
    assert type(step) is Step
    assert told == "as written: 4 steps are too few to pay for more"


def test_a_long_run_of_small_epochs_replays_the_formulas():
    step, told = chosen(epochs=600)
    assert step.forward.kernels == step.update.kernels == "formulas" and step.forward.replays > 1000
    assert told.startswith("replayed by the formulas")


def test_an_epoch_of_much_work_is_compiled_however_many_there_are(monkeypatch):
    monkeypatch.setattr(choosing, "FEW", 1)
    monkeypatch.setattr(choosing, "WORTH", 1e-6)
    monkeypatch.setattr(choosing, "find_spec", lambda name: object())
    monkeypatch.setattr(choosing, "Compiled", lambda *parts: made.append(parts[3]) or Step(*parts[:3]))
    made = []
    told = [chosen(epochs=epochs)[1] for epochs in (1, 3)]
    assert made == ["numba", "numba"] and told[0] == told[1] and told[0].startswith("compiled")
    monkeypatch.setattr(choosing, "find_spec", lambda name: None)
    chosen(epochs=600)
    assert made[2:] == ["formulas"]


class Own(nn.Dense):
    def forward(self, x):
        return super().forward(x)


class OwnSGD(tz.optim.SGD):
    pass


@pytest.mark.parametrize("keywords, name", [
    ({"model": nn.Sequential(nn.Dense(4, 8), Own(8, 3))}, "Own"),
    ({"loss": lambda p, y: F.cross_entropy(p, y)}, "<lambda>"),
    ({"optimizer": OwnSGD([tz.tensor(1.0, requires_grad=True)], 0.1)}, "OwnSGD"),
])
def test_code_of_others_runs_as_it_is_written_unless_asked(keywords, name, monkeypatch):
    monkeypatch.setattr(choosing, "FEW", 1)
    if "optimizer" in keywords:
        keywords = {"model": mlp()}
        keywords["optimizer"] = OwnSGD(keywords["model"].parameters(), 0.1)
    step, told = chosen(**keywords, epochs=100)
    assert type(step) is Step and name in told and "compile=True" in told


def test_a_run_that_is_recorded_has_every_line_on_the_tape():
    with tz.record() as tape:
        step, told = chosen(epochs=100)
    assert type(step) is Step and "tape" in told
    assert len(tape.of("assign")) == 1 + 100 * 4 * 4  # the learning rate, then four parameters a step


def test_within_a_block_auto_means_what_the_block_says():
    with compiling("formulas"):
        assert isinstance(chosen()[0], Compiled)
        assert type(chosen(compile=False)[0]) is Step
        with compiling(False):
            assert type(chosen(epochs=600)[0]) is Step
    assert type(chosen()[0]) is Step


@pytest.mark.parametrize("way", ["on", "cuda", None, 1, 0])
def test_what_is_no_way_is_named(way):
    with pytest.raises(ValueError, match='compile is "auto", True, False, "formulas" or "numba", not'):
        quietly(mlp(), classes(), compile=way)
    with pytest.raises(ValueError, match="compile is"), compiling(way):
        pass
