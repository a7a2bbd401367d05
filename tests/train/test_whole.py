"""A step is taken whole or not at all: whatever is raised, the run's tensors are those of the step before."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, plainly, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import Callback
from tinygrad_zh.train.whole import whole

STEPS = 6  # taken before the failure; four make an epoch


class Failure(Exception):
    pass


class At:
    """Raises, or does something else, at the seventh call."""

    def __init__(self, action=None):
        self.calls, self.action = 0, action

    def __call__(self):
        self.calls += 1
        if self.calls == STEPS + 1:
            if self.action is not None:
                return self.action()
            raise Failure
        return None


def run(**keywords):
    """A run of three epochs that fails in its seventh step, and what it leaves."""
    model = keywords.pop("model", None) or everything()
    optimizer = keywords.pop("optimizer", tz.optim.Adam)(model.parameters(), lr=0.01)
    with pytest.raises(keywords.pop("error", Failure)) as raised:
        quietly(model, classes(), optimizer=optimizer, epochs=3, **keywords)
    return contents(model, optimizer), raised.value


def as_expected():
    model = everything()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    plainly(model, classes(), optimizer, STEPS)
    return contents(model, optimizer)


def test_in_the_loss():
    at = At()
    left, _ = run(loss=lambda p, t: at() or F.cross_entropy(p, t))
    assert left == as_expected()


def test_in_the_model_after_batch_norm_has_moved_its_statistics():
    class Fail(nn.Module):
        at = At()

        def forward(self, x):
            self.at()
            return x

    model = everything()
    model.layers.insert(2, Fail())
    model.layers.insert(3, nn.Flatten())  # names 2 to 5 become 4 to 7
    left, _ = run(model=model)
    shifted = [sorted(values for _, values in state.items()) for state in left]
    assert shifted == [sorted(values for _, values in state.items()) for state in as_expected()]


def test_in_the_backward():
    class Identity(tz.Op):
        at = At()

        def forward(x):
            return x + 0

        def backward(dy):
            Identity.at()
            return dy

    left, _ = run(loss=lambda p, t: F.cross_entropy(Identity(p), t), error=RuntimeError)
    assert left == as_expected()


def test_in_a_callback_after_the_backward():
    class Fail(Callback):
        at = At()

        def on_step(self, run):
            self.at()

    left, _ = run(callbacks=[Fail()])
    assert left == as_expected()


def test_in_the_optimizer():
    class Fail(tz.optim.Adam):
        at = At()

        def step(self):
            super().step()
            self.at()

    left, _ = run(optimizer=Fail)
    assert left == as_expected()


def test_after_an_epoch_the_epoch_is_whole():
    class Fail(Callback):
        def on_epoch(self, run):
            raise Failure

    left, _ = run(callbacks=[Fail()])
    model = everything()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    plainly(model, classes(), optimizer, 4)
    assert left == contents(model, optimizer)


@pytest.mark.parametrize("factor", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_names_epoch_batch_and_samples_and_is_not_stepped_on(factor):
    seen = []

    def loss(p, t):
        value = F.cross_entropy(p, t)
        seen.append(t)
        return value * factor if len(seen) == STEPS + 1 else value

    left, error = run(loss=loss, error=FloatingPointError)
    assert left == as_expected()
    text = str(error)
    assert f"the loss is {factor * 1.0} in epoch 2, batch 3 (samples " in text
    named = [int(word) for word in text.split("(samples ")[1].split(", …)")[0].split(", ")]
    assert len(named) == 8
    assert classes()[1][named].tolist() == seen[-1][:8].tolist()


def test_the_samples_of_a_small_batch_are_all_named():
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 1 \(samples (\d, ){4}\d\); this step was not taken"):
        quietly(everything(), classes(5), loss=lambda p, t: F.cross_entropy(p, t) * np.inf)


def test_statistics_of_an_overflowing_batch_do_not_stay():
    x, y = classes()
    x[:] = 3e38  # finite, but not its mean in float32
    model = everything()
    before = contents(model)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError):
        quietly(model, (x, y))
    assert contents(model) == before
    assert np.isfinite(model[1].running_mean.numpy()).all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_whole_puts_leaves_back_for_every_kind_of_exit(error):
    a, b = tz.tensor([1.0, 2.0], requires_grad=True), tz.tensor(3.0)
    old = a.array, b.array
    with pytest.raises(error), whole([a, b]):
        a.assign([5.0, 6.0])
        b.assign(7.0)
        raise error
    assert a.array is old[0] and b.array is old[1]
    with whole([a, b]):
        a.assign([5.0, 6.0])
    assert a.tolist() == [5.0, 6.0]
