"""fit(augment=…): each training batch's inputs are changed, nothing else, and a run stays one that can be repeated."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, line, mlp, plainly, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.data import Minibatches, digits, shifted, to_unit, train_test_split
from tinygrad_zh.train import Checkpoint, metrics

STEPS = 4  # an epoch of classes(), in batches of 16


def jittered(x, generator):
    """Float64, whatever x is."""
    return x + 0.1 * generator.normal(size=x.shape)


def after(steps):
    model = mlp()
    plainly(model, classes(), tz.optim.SGD(model.parameters(), lr=0.1), steps)
    return contents(model)


# ---- what is changed


def test_the_network_is_trained_on_changed_inputs_and_validated_on_those_that_were_given():
    x, y = line(20, dtype=np.float32)
    seen = {True: [], False: []}

    class Watched(nn.Dense):
        def forward(self, x):
            seen[self.training].append(x.numpy())
            return super().forward(x)

    tz.manual_seed(0)
    quietly(Watched(2, 1), (x, y), validation=(x, y), loss=F.mse_loss, epochs=2, batch_size=7,
            augment=lambda x, generator: x + 1)
    assert [len(batch) for batch in seen[True]] == [7, 7, 6] * 2
    for epoch in (seen[True][:3], seen[True][3:]):
        rows = np.concatenate(epoch)
        np.testing.assert_array_equal(rows[rows[:, 0].argsort()], (x + 1)[x[:, 0].argsort()])
    assert len(seen[False]) == 2 and all(np.array_equal(batch, x) for batch in seen[False])


def test_inputs_stay_with_their_targets_and_figures_are_of_what_was_trained_on():
    x = np.arange(8.0)[:, None]
    model = nn.Dense(1, 1, bias=False)
    model.W.assign(np.ones((1, 1), model.W.dtype))
    history = quietly(model, (x, 2 * x), validation=(x, 2 * x), loss=F.mse_loss, batch_size=2, metrics=[metrics.mse],
                      optimizer=tz.optim.SGD(model.parameters(), lr=1e-30), augment=lambda x, generator: 2 * x)
    assert history["loss"] == history["mse"] == [0.0]
    assert history["validation_loss"] == [np.mean(x**2)]


def test_it_is_one_step_after_the_other_of_the_plain_loop():
    """The order of an epoch is drawn first, then each batch's changes."""
    x, y = classes()
    model, plain = mlp(), mlp()
    quietly(model, (x, y), epochs=2, augment=jittered, generator=np.random.Generator(np.random.Philox(5)))
    generator = np.random.Generator(np.random.Philox(5))
    optimizer = tz.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(2):
        for (rows,) in Minibatches(np.arange(len(x)), batch_size=16, generator=generator):
            inputs = tz.tensor(jittered(x[rows], generator).astype(np.float32))
            loss = F.cross_entropy(plain(inputs), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert contents(model) == contents(plain)


def test_no_change_changes_nothing():
    changed = mlp()
    quietly(changed, classes(), epochs=3, augment=lambda x, generator: x)
    same = mlp()
    quietly(same, classes(), epochs=3)
    assert contents(changed) == contents(same)


@pytest.mark.parametrize("returned", [lambda x: x.astype(np.float64), lambda x: x.tolist(), tz.tensor],
                         ids=["float64", "lists", "a tensor"])
def test_what_comes_back_is_computed_in_the_models_dtype(returned):
    dtypes = []

    def loss(p, t):
        dtypes.append(p.dtype)
        return F.cross_entropy(p, t)

    model = mlp()
    quietly(model, classes(), loss=loss, augment=lambda x, generator: returned(x))
    assert dtypes == [np.float32] * STEPS
    assert contents(model) == after(STEPS)


def test_a_function_may_write_into_its_batch_and_give_the_same_array_again_and_again():
    x, y = classes(64)
    before, buffer = x.copy(), np.empty((16, 4), np.float32)

    def augment(batch, generator):
        batch *= 2
        buffer[:] = batch
        return buffer

    in_place = mlp()
    quietly(in_place, (x, y), epochs=2, augment=augment)
    np.testing.assert_array_equal(x, before)
    plain = mlp()
    quietly(plain, (x, y), epochs=2, augment=lambda x, generator: 2 * x)
    assert contents(in_place) == contents(plain)


# ---- the same run again


@pytest.mark.parametrize("seed", [None, 3], ids=["the context's generator", "one of its own"])
def test_resumed_equals_unbroken(tmp_path, seed):
    path = tmp_path / "run"

    def run(epochs, network_seed=0, **keywords):
        model = everything(network_seed)
        generator = None if seed is None else np.random.Generator(np.random.Philox(seed + network_seed))
        history = quietly(model, classes(), epochs=epochs, augment=jittered, generator=generator,
                          callbacks=[Checkpoint(path)], **keywords)
        return contents(model), dict(history), (generator or tz.default_generator()).bytes(8)

    unbroken = run(5)
    run(2)
    assert run(5, network_seed=9, resume=path) == unbroken


# ---- Ctrl-C and errors, in the middle of it


def failing(at, fail):
    """Fails when it is called for the at-th time."""
    calls = []

    def augment(x, generator):
        calls.append(x)
        if len(calls) == at:
            fail()
        return x

    return augment


@pytest.fixture
def ctrl_c():
    """Python's own handler for the time of a test: whoever runs the tests may have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("step", [1, 3, STEPS])
def test_ctrl_c_meanwhile_lets_the_step_be_finished(step, ctrl_c):
    model = mlp()
    history = quietly(model, classes(), epochs=9, augment=failing(step, ctrl_c))
    assert history.stopped == "interrupted"
    assert contents(model) == after(step)


def test_a_second_ctrl_c_leaves_the_model_as_after_the_step_before(ctrl_c):
    model = mlp()
    with pytest.raises(KeyboardInterrupt):
        quietly(model, classes(), epochs=9, augment=failing(3, lambda: (ctrl_c(), ctrl_c())))
    assert contents(model) == after(2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_leaves_the_model_as_after_the_step_before():
    model = mlp()
    with pytest.raises(ZeroDivisionError):
        quietly(model, classes(), augment=failing(3, lambda: 1 / 0))
    assert contents(model) == after(2)


# ---- what it is for


def test_shifted_digits_teach_more_than_the_same_ones_again():
    every = digits()
    x, x_out, y, y_out = train_test_split(to_unit(every.pixels), every.labels, test_size=4500, seed=0,
                                           stratify=every.labels)
    accuracies = []
    for augment in (None, lambda x, generator: shifted(x, 1, generator)):
        tz.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Dense(784, 64), nn.ReLU(), nn.Dense(64, 10))
        history = quietly(model, (x, y), validation=(x_out, y_out), metrics=[metrics.accuracy], epochs=40,
                          batch_size=32, optimizer=tz.optim.Adam(model.parameters()), augment=augment)
        accuracies.append(history["validation_accuracy"][-1])
    plain, augmented = accuracies
    assert augmented > plain + 0.01
