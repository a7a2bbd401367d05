"""The order in which callbacks are called, and what each of ours does."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, line, mlp, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import (
    Callback,
    Checkpoint,
    ClippedNorm,
    DeadUnits,
    EarlyStopping,
    GradientNorms,
    Scheduled,
    ScheduledSteps,
)


class Diary(Callback):
    def __init__(self, name, events):
        self.name, self.events = name, events

    def on_begin(self, run):
        self.events.append((self.name, "begin", run.epoch))

    def on_step(self, run):
        self.events.append((self.name, "step", run.epoch))

    def on_epoch(self, run):
        self.events.append((self.name, "epoch", run.epoch))

    def on_end(self, run):
        self.events.append((self.name, "end", run.epoch))


class Scripted(Callback):
    """Writes a figure of its own, a given number an epoch, and remembers the weights after each."""

    def __init__(self, values, name="figure"):
        self.values, self.name, self.after = values, name, []

    def on_epoch(self, run):
        run.history.setdefault(self.name, []).append(self.values[run.epoch - 1])
        self.after.append(contents(run.model))


# ---- when


def test_callbacks_are_called_in_their_order():
    events = []
    quietly(mlp(), classes(20), epochs=2, callbacks=[Diary("a", events), Diary("b", events)])
    steps = lambda epoch: [("a", "step", epoch), ("b", "step", epoch)] * 2  # noqa: E731
    assert events == [("a", "begin", 0), ("b", "begin", 0),
                      *steps(0), ("a", "epoch", 1), ("b", "epoch", 1),
                      *steps(1), ("a", "epoch", 2), ("b", "epoch", 2),
                      ("a", "end", 2), ("b", "end", 2)]


def test_on_step_comes_after_backward_and_before_the_update():
    x, y = line()
    model = nn.Dense(2, 1)
    seen = []

    class Look(Callback):
        def on_step(self, run):
            seen.append((run.model.W.numpy().copy(), run.model.W.grad.numpy().copy()))

    quietly(model, (x, y), loss=F.mse_loss, optimizer=tz.optim.SGD(model.parameters(), lr=0.5), callbacks=[Look()])
    [(w0, g0), (w1, g1)] = seen
    np.testing.assert_array_equal(w1, w0 - np.float32(0.5) * g0)
    np.testing.assert_array_equal(model.W.numpy(), w1 - np.float32(0.5) * g1)


def test_a_callback_can_change_the_gradients():
    class Freeze(Callback):
        def on_step(self, run):
            run.model.zero_grad()

    model = mlp()
    before = contents(model)
    quietly(model, classes(), callbacks=[Freeze()])
    assert contents(model) == before


def test_a_callback_can_stop_the_run():
    class Enough(Callback):
        def on_epoch(self, run):
            if run.epoch == 3:
                run.stop("enough")

    events = []
    history = quietly(mlp(), classes(), epochs=10, callbacks=[Enough(), Diary("a", events)])
    assert history.stopped == "enough"
    assert len(history["loss"]) == 3
    assert events[-2:] == [("a", "epoch", 3), ("a", "end", 3)]


# ---- early stopping


@pytest.mark.parametrize("values, keywords, last, best", [
    ([5, 4, 3, 3.5, 3.2, 0], {"patience": 2}, 5, 3),
    ([5, 4, 3, 3.5, 2.5, 2.6, 2.7, 0], {"patience": 2}, 7, 5),
    ([1, 2, 3, 2, 3, 9], {"patience": 2, "maximize": True}, 5, 3),
    ([5, 4.95, 4.9, 4.0, 0], {"patience": 2, "minimum_change": 0.2}, 3, 1),
    ([5, 5, 5, 5], {"patience": 1}, 2, 1),
    ([5, float("nan"), float("nan"), 0], {"patience": 2}, 3, 1),
])
def test_early_stopping_puts_the_best_weights_back(values, keywords, last, best):
    scripted, model = Scripted(values), mlp()
    history = quietly(model, classes(), epochs=len(values), callbacks=[scripted, EarlyStopping("figure", **keywords)])
    assert len(history["loss"]) == last
    assert history.stopped == f"figure has not improved since epoch {best}"
    assert contents(model) == scripted.after[best - 1]
    assert scripted.after[best - 1] != scripted.after[last - 1]


@pytest.mark.parametrize("name", ["accuracy", "validation_accuracy", "validation_r2"])
@pytest.mark.parametrize("keywords, best", [({}, 2), ({"maximize": False}, 1)])
def test_it_knows_of_our_metrics_that_greater_is_better(name, keywords, best):
    scripted, model = Scripted([0.5, 0.9, 0.6], name), mlp()
    quietly(model, classes(), epochs=3, callbacks=[scripted, EarlyStopping(name, **keywords)])
    assert contents(model) == scripted.after[best - 1]


def test_the_best_weights_are_put_back_though_nothing_stopped():
    scripted, model = Scripted([3, 1, 2]), mlp()
    history = quietly(model, classes(), epochs=3, callbacks=[scripted, EarlyStopping("figure", patience=5)])
    assert history.stopped is None
    assert contents(model) == scripted.after[1]


def test_the_last_weights_stay_if_one_asks_for_them():
    scripted, model = Scripted([3, 1, 2]), mlp()
    quietly(model, classes(), epochs=3, callbacks=[scripted, EarlyStopping("figure", restore_best=False)])
    assert contents(model) == scripted.after[2]


def test_it_watches_the_validation_loss_unless_told_otherwise():
    model = mlp()
    history = quietly(model, classes(20), validation=classes(200, seed=1), epochs=500, batch_size=4,
                      optimizer=tz.optim.SGD(model.parameters(), lr=1.0), callbacks=[EarlyStopping(patience=3)])
    losses = history["validation_loss"]
    assert history.stopped == f"validation_loss has not improved since epoch {int(np.argmin(losses)) + 1}"
    assert len(losses) == int(np.argmin(losses)) + 1 + 3


def test_a_figure_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"'validation_loss', which the history has not; it has loss \("):
        quietly(mlp(), classes(), callbacks=[EarlyStopping()])


def test_what_one_run_left_neither_ends_nor_overwrites_the_next():
    early = EarlyStopping("figure", patience=2)
    quietly(mlp(seed=1), classes(), epochs=2, callbacks=[Scripted([2, 1]), early])
    scripted, model = Scripted([9, 8, 7, 6, 5]), mlp(seed=2)
    history = quietly(model, classes(), epochs=5, callbacks=[scripted, early])
    assert history.stopped is None
    assert contents(model) == scripted.after[4]


# ---- figures about the network


def test_gradient_norms_are_those_computed_by_hand():
    x, y = line(24)
    model = nn.Dense(2, 1)
    model.W = tz.tensor([[0.5], [0.25]], dtype=np.float64, requires_grad=True)
    model.b = tz.tensor([0.0], dtype=np.float64, requires_grad=True)
    tz.manual_seed(4)
    history = quietly(model, (x, y), loss=F.mse_loss, epochs=2, batch_size=10, callbacks=[GradientNorms()])

    tz.manual_seed(4)
    w, b = np.array([[0.5], [0.25]]), 0.0
    expected = {"gradient_norm/W": [], "gradient_norm/b": []}
    for _ in range(2):
        order = tz.default_generator().permutation(24)
        norms = []
        for rows in (order[:10], order[10:20], order[20:]):
            error = x[rows] @ w + b - y[rows]
            g_w, g_b = 2 / len(rows) * x[rows].T @ error, 2 / len(rows) * error.sum()
            norms.append((np.sqrt((g_w**2).sum()), abs(g_b)))
            w, b = w - 0.1 * g_w, b - 0.1 * g_b
        for name, values in zip(expected, zip(*norms, strict=True), strict=True):
            expected[name].append(sum(values) / 3)
    for name, values in expected.items():
        assert history[name] == pytest.approx(values, rel=1e-12)


def test_a_parameter_that_takes_no_part_has_no_norm():
    model = mlp()
    model.unused = tz.tensor([1.0], requires_grad=True)
    history = quietly(model, classes(), epochs=2, callbacks=[GradientNorms()])
    norms = [name for name in history if name.startswith("gradient_norm/")]
    assert norms == [f"gradient_norm/{name}" for name in ("0.W", "0.b", "2.W", "2.b")]


def killed(model, layer, units):
    """Units of a layer that no input brings above 0."""
    b = model[layer].b.numpy().copy()
    b[units] = -1e3
    model[layer].b.assign(b)
    return model


def test_dead_units_are_counted_layer_by_layer():
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 5), nn.ReLU(), nn.Dense(5, 3))
    killed(model, 0, [1, 2, 6])
    killed(model, 2, [0, 1, 2, 3])
    x, y = classes(200)
    history = quietly(model, (x, y), epochs=2, optimizer=tz.optim.SGD(model.parameters(), lr=1e-3),
                      callbacks=[DeadUnits(x)])
    assert history["dead_units/0"] == [3 / 8, 3 / 8]
    assert history["dead_units/1"] == [4 / 5, 4 / 5]


def test_a_unit_that_is_0_for_some_samples_is_alive():
    model = mlp()
    history = quietly(model, classes(200), callbacks=[DeadUnits(classes(200)[0])])
    hidden = np.maximum(classes(200)[0] @ model[0].W.numpy() + model[0].b.numpy(), 0)
    assert (hidden == 0).any(axis=0).all()
    assert history["dead_units/0"] == [0.0]


def test_dead_units_leave_the_run_as_it_is():
    results = []
    for callbacks in ([], [DeadUnits(classes()[0]), GradientNorms()]):
        model = everything()
        quietly(model, classes(), epochs=3, callbacks=callbacks)
        results.append(contents(model))
        assert all(module.training for _, module in model.named_modules())
    assert results[0] == results[1]


# ---- schedules


def test_the_schedule_moves_once_an_epoch_and_its_rates_are_noted():
    model = mlp()
    optimizer = tz.optim.SGD(model.parameters(), lr=0.8)
    rates = []

    class Look(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.lr)

    history = quietly(model, classes(20), optimizer=optimizer, epochs=4,
                      callbacks=[Scheduled(tz.optim.StepLR(optimizer, size=2, gamma=0.5)), Look()])
    assert history["learning_rate"] == [0.8, 0.8, 0.4, 0.4]
    assert rates == [0.8] * 4 + [0.4] * 4
    assert optimizer.lr == 0.2


def test_a_schedule_of_steps_moves_before_every_update():
    model = mlp()
    optimizer = tz.optim.SGD(model.parameters(), lr=0.8)
    rates = []

    class Look(Callback):
        def on_step(self, run):
            rates.append(run.optimizer.lr)

    history = quietly(model, classes(20), optimizer=optimizer, epochs=2,
                      callbacks=[ScheduledSteps(tz.optim.ExponentialLR(optimizer, gamma=0.5)), Look()])
    assert rates == [0.4, 0.2, 0.1, 0.05]
    assert history["learning_rate"] == [0.2, 0.05]


def test_a_resumed_run_goes_on_in_the_middle_of_a_schedule_of_steps(tmp_path):
    def run(epochs, resume=None):
        model = mlp()
        optimizer = tz.optim.SGD(model.parameters(), lr=0.1)
        schedule = tz.optim.CosineAnnealingLR(optimizer, total=8)
        quietly(model, classes(20), optimizer=optimizer, epochs=epochs, resume=resume,
                callbacks=[ScheduledSteps(schedule), Checkpoint(tmp_path / "run.safetensors")])
        return contents(model), schedule.t

    whole = run(4)
    run(2)
    assert run(4, tmp_path / "run.safetensors") == whole


def test_the_norm_of_all_gradients_is_clipped_before_the_update():
    model = mlp()
    norms = []

    class Look(Callback):
        def on_step(self, run):
            gradients = [p.grad.numpy().ravel() for p in run.optimizer.parameters]
            norms.append(float(np.linalg.norm(np.concatenate(gradients))))

    quietly(model, classes(20), callbacks=[Look(), ClippedNorm(0.01), Look()])
    assert min(norms[::2]) > 0.02
    np.testing.assert_allclose(norms[1::2], 0.01, rtol=1e-5)
