"""Steps that cannot be replayed: they run as they are, with the same results, and explain() says why and where."""

from __future__ import annotations

import random

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.compiling.twins import batches
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.i18n import in_language

HERE = __file__


def explanation(step, *batch, count=6):
    """What explain() says of a step, called so often."""
    compiled = tz.compile(step, kernels="formulas")
    for _ in range(count):
        compiled(*batch)
    assert compiled.replays == 0 and compiled.calls == count
    with in_language("zh"):
        assert compiled.explain()
    with in_language("en"):
        return compiled.explain()


def line_of(step, offset=1):
    return f"{HERE}:{step.__code__.co_firstlineno + offset}"


X = np.ones((2, 3), np.float32)


def test_noise_from_numpy():
    rng = np.random.default_rng(0)

    def step(x):
        return (x + rng.normal(size=(2, 3)).astype(np.float32)).sum()

    said = explanation(step, X)
    assert f"float32 (2, 3) at {line_of(step)} was another value" in said and "Make it an argument" in said


def test_a_number_that_python_counts():
    count = 0

    def step(x):
        nonlocal count
        count += 1
        return (x * count).sum()

    assert "The step gives count another value" in explanation(step, X)
    assert count == 6


def test_a_number_in_a_list():
    count = [0]

    def step(x):
        count[0] += 1
        return (x * count[0]).sum()

    assert "The step gives count[0] another value" in explanation(step, X)


def test_an_attribute_that_the_step_changes():
    class Counting(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return x * 2

    model = Counting()
    assert "The step gives model.calls another value" in explanation(lambda x: model(x), X)


def test_a_state_that_is_replaced():
    """A hidden state that goes on from batch to batch, as a new tensor each time."""
    class Recurrent(nn.Module):
        def __init__(self):
            self.h = tz.tensor(np.zeros(3, np.float32))

        def forward(self, x):
            h = F.tanh(x + self.h)
            self.h = h.detach()
            return h

    model = Recurrent()
    assert "gives model.h another value" in explanation(lambda x: model(x), X[:1])


def test_a_schedule_that_steps_inside():
    """Its first steps leave the rate as it is, so nothing that is computed gives it away."""
    w = tz.tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    schedule = optim.StepLR(optimizer, 5)

    def step(x):
        optimizer.zero_grad()
        (x * w).sum().backward()
        optimizer.step()
        schedule.step()

    assert "gives schedule.t another value" in explanation(step, X)
    assert optimizer.lr == pytest.approx(0.01)


def test_a_value_that_python_reads():
    w = tz.tensor(1.0)

    def step(x):
        w.assign(w + 1)
        return (x * w).sum().item()

    said = explanation(step, X)
    assert f"Python reads a value at {line_of(step, 2)}" in said and "Return the tensor instead" in said


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_global_generators(draw):
    """Even where two calls happen to go the same way."""
    assert "draws random numbers without an op" in explanation(lambda x: x * 2 if draw() < 2 else x, X)


def test_a_hook_on_a_leaf():
    w = tz.tensor(1.0, requires_grad=True)
    seen = []
    w.register_hook(seen.append)

    def step(x):
        w.grad = None
        (x * w).sum().backward()

    assert "gradient hook list.append is Python" in explanation(step, X)
    assert len(seen) == 6


def test_a_hook_that_replaces_a_gradient():
    w = tz.tensor(1.0, requires_grad=True)

    def step(x):
        w.grad = None
        y = x * w
        y.register_hook(lambda g: g * 2)
        y.sum().backward()
        return w.grad

    assert "gradient hook" in explanation(step, X)


def test_gradients_of_gradients():
    w = tz.tensor(1.0, requires_grad=True)

    def step(x):
        (g,) = tz.grad((x * w**3).sum(), w, create_graph=True)
        return tz.grad(g, w)

    assert "create_graph=True" in explanation(step, X)


def test_an_argument_that_requires_a_gradient():
    x = tz.tensor(X, requires_grad=True)

    def step(x):
        x.zero_grad()
        (x * x).sum().backward()

    assert "An argument requires a gradient" in explanation(step, x)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * X)


def test_an_argument_that_is_assigned_to():
    assert "assigns to an argument" in explanation(lambda x: x.assign(x + 1).sum(), tz.tensor(X))


def test_an_object_that_is_returned():
    assert "an object of type ndarray" in explanation(lambda x: np.zeros(3), X)


def test_a_number_that_is_returned_and_changes():
    numbers = iter(range(10))
    assert "returns a Python number that changes" in explanation(lambda x: next(numbers), X)


def test_a_different_way_in_each_call():
    numbers = iter(range(1, 10))

    def step(x):
        for _ in range(next(numbers)):
            x = x * 2
        return x

    assert f"did something else than in the call before, from {line_of(step, 2)} on" in explanation(step, X)


def test_an_array_that_numpy_cuts_out():
    """Two calls with the same batch do not show that it depends on the batch."""
    class Cut(tz.Op):
        def forward(x, part):
            return x * part

    w = tz.tensor(X)
    for cut in (lambda x: Cut(x, x.array[:1]), lambda x: Cut(x, (x * 2).array[:1]), lambda x: Cut(x, w.array[:1]) + w):
        assert "NumPy cut an array out" in explanation(cut, X)


def test_lists_are_no_arguments():
    with pytest.raises(TypeError, match=r"argument 1 is a list; .*np.array"):
        tz.compile(lambda x, y: x)(X, [1, 2])


@pytest.mark.parametrize("wrong", [None.__class__, 3])
def test_what_is_compiled_is_a_function(wrong):
    if wrong == 3:
        with pytest.raises(TypeError, match="compile takes a function, the training step, not int"):
            tz.compile(3)


def test_kernels_that_there_are_not():
    with pytest.raises(ValueError, match='kernels is "numba" or "formulas", not \'cuda-c\''):
        tz.compile(lambda x: x, kernels="cuda-c")


def test_what_it_says_of_a_step_that_is_replayed():
    model = nn.Dense(3, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def train_step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        if loss < 100:
            loss.backward()
            optimizer.step()
        return loss

    step = tz.compile(train_step, kernels="formulas")
    with in_language("en"):
        assert "the first two calls are recorded" in step.explain()
    for x, y in batches((4, 3), classes=2):
        step(x, y)
    with in_language("en"):
        said = step.explain()
    name = "test_what_it_says_of_a_step_that_is_replayed.<locals>.train_step"
    assert said.splitlines()[0] == f"{name}: 5 calls, 3 of them replayed; Python ran 2 times."
    assert "Program 1, for (float32 (4, 3), int64 (4,)): 3 replays" in said
    assert "the formulas run one after the other" in said and "the range of 1 arrays" in said
    assert f"holds while the value that Python reads at {line_of(train_step, 3)} stays what it was" in said
    with in_language("zh"):
        said = step.explain()
    assert said.splitlines()[0] == f"{name}：调用 5 次，其中重放 3 次，Python 实际运行 2 次。"
    assert "程序 1，参数（float32 (4, 3), int64 (4,)）：重放 3 次" in said


@pytest.mark.parametrize(("labels", "compiled"), [
    (lambda y, shift: y.reshape((-1,)), True), (lambda y, shift: y.reshape((-1,)) + shift, False)])
def test_labels_that_the_step_looks_at_otherwise(labels, compiled):
    """A view is checked as they are; what is computed is not known when they are checked."""
    pytest.importorskip("numba")
    model, shift = nn.Dense(3, 2), tz.tensor(np.array(0))
    step = tz.compile(lambda x, y: F.cross_entropy(model(x), labels(y, shift)))
    y = np.array([[0, 1], [1, 0]])
    for _ in range(4):
        step(np.ones((4, 3), np.float32), y)
    assert step.replays == 2 and hasattr(step.variants[0].made.program, "compiled") == compiled
    with in_language("en"):
        assert ("The step computes labels or tokens itself" in step.explain()) != compiled
    with pytest.raises(IndexError, match="class label 2 is out of range"):
        step(np.ones((4, 3), np.float32), y + 1)
