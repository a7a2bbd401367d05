"""The bugs whose gradient is often the right number: what shows them, without the checker.

Each scenario runs a function as a program would, and returns what can be observed. A kind's bugs differ from their
right twins in one of the kind's scenarios at least.
"""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.check.zoo import BUGS
from tinygrad_zh.core.backward import backward_steps
from tinygrad_zh.core.random import philox
from tinygrad_zh.core.tensor import leaf


def is_floating(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def leaves(inputs, change=np.copy):
    return [leaf(change(x), True) if is_floating(x) else x for x in inputs]


def of(xs):
    return [x for x in xs if isinstance(x, tz.Tensor)]


def others(inputs):
    """Other numbers of the same shapes, that begin alike."""
    return [np.concatenate([x.ravel()[:1], x.ravel()[1:] * 0.5 + 0.25]).reshape(x.shape).astype(x.dtype)
            if is_floating(x) else x for x in inputs]


def upstream(y, seed=1):
    return tz.tensor(philox(seed).normal(size=y.shape).astype(y.dtype))


def gradients(y, xs, seed, **how):
    if not y.requires_grad:
        return [np.zeros(x.shape) for x in of(xs)]
    found = tz.grad(y, of(xs), seed, allow_unused=True, **how)
    return [np.zeros(x.shape) if g is None else g.numpy() for g, x in zip(found, of(xs), strict=True)]


# ---- scenarios: (function, inputs) ↦ what is observed


def once(function, inputs):
    xs = leaves(inputs)
    y = function(*xs)
    return [y.numpy().copy(), *gradients(y, xs, upstream(y))]


def twice(function, inputs):
    """Backward twice; what the first gave is held."""
    xs = leaves(inputs)
    y = function(*xs)
    return gradients(y, xs, upstream(y), retain_graph=True) + gradients(y, xs, upstream(y))


def two_upstreams(function, inputs):
    """The second row of a Jacobian."""
    xs = leaves(inputs)
    y = function(*xs)
    gradients(y, xs, upstream(y), retain_graph=True)
    return gradients(y, xs, upstream(y, seed=2))


def a_forward_between(function, inputs):
    """The same function on other numbers, before the first call's backward."""
    xs = leaves(inputs)
    y = function(*xs)
    function(*leaves(others(inputs)))
    return [y.numpy().copy(), *gradients(y, xs, upstream(y))]


def another_after(function, inputs):
    """A gradient that is held while the same function is differentiated elsewhere; and that one's value."""
    xs, zs = leaves(inputs), leaves(others(inputs))
    y = function(*xs)
    held = gradients(y, xs, upstream(y))
    z = function(*zs)
    gradients(z, zs, upstream(z))
    return [*held, z.numpy()]


def a_smaller_batch_after(function, inputs):
    once(function, inputs)
    return once(function, [x[:-1] for x in inputs])


def what_is_left(function, inputs):
    """Input, output and upstream, after backward."""
    xs = leaves(inputs)
    y = function(*xs)
    seed = upstream(y)
    gradients(y, xs, seed)
    return [x.numpy() for x in of(xs)] + [y.numpy(), seed.numpy()]


def columns(x):
    return np.asfortranarray(x)


def an_upstream_by_columns(function, inputs):
    xs = leaves(inputs)
    y = function(*xs)
    return gradients(y, xs, leaf(columns(upstream(y).numpy())))


def inputs_by_columns(function, inputs):
    xs = leaves(inputs, columns)
    y = function(*xs)
    return gradients(y, xs, upstream(y))


def precisions(function, inputs):
    """The type of the output and of what each rule gives, for float32 and for float64."""
    seen = []
    for dtype in (np.float32, np.float64):
        y = function(*leaves(inputs, lambda x, dtype=dtype: x.astype(dtype)))
        steps = backward_steps(y, upstream(y))
        seen.append(np.array(sorted({y.dtype.itemsize, *(step.raw.dtype.itemsize for step in steps)})))
    return seen


def nothing_from_above(function, inputs):
    xs = leaves(inputs)
    y = function(*xs)
    return gradients(y, xs, np.zeros(y.shape))


def second(function, inputs):
    xs = leaves(inputs)
    y = function(*xs)
    first = [g for g in tz.grad(y, of(xs), upstream(y), create_graph=True) if g.requires_grad]
    if not first:
        return [np.zeros(x.shape) for x in of(xs)]
    found = tz.grad(first, of(xs), [upstream(g, seed=3) for g in first], allow_unused=True)
    return [np.zeros(x.shape) if g is None else g.numpy() for g, x in zip(found, of(xs), strict=True)]


SCENARIOS = {
    "aliasing": (once, twice, a_forward_between, another_after),
    "in_place": (once, twice, what_is_left),
    "state": (once, twice, two_upstreams, a_forward_between, another_after, a_smaller_batch_after),
    "dtype": (once, precisions),
    "layout": (once, an_upstream_by_columns, inputs_by_columns),
    "second_order": (second,),
    "contract": (once, nothing_from_above),
}


def observed(scenario, function, inputs):
    with np.errstate(all="ignore"):
        return [np.array(x) for x in scenario(function, inputs)]


def same(found, right):
    return len(found) == len(right) and all(
        f.shape == r.shape and np.allclose(f, r, rtol=1e-8, atol=1e-12) for f, r in zip(found, right, strict=True))


def differs(scenario, bug):
    right = observed(scenario, bug.right, bug.showing)
    try:
        return not same(observed(scenario, bug.function, bug.showing), right)
    except (ValueError, IndexError, RuntimeError):
        return True


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.kind in SCENARIOS], ids=str)
def test_it_misbehaves_in_some_scenario(bug, monkeypatch):
    for name in ("n", "kept", "gradient"):
        if hasattr(bug.op, name):
            monkeypatch.setattr(bug.op, name, getattr(bug.op, name))
    assert any(differs(scenario, bug) for scenario in SCENARIOS[bug.kind])


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.order == 2], ids=str)
def test_a_bug_of_second_order_is_none_of_the_first(bug):
    assert not differs(once, bug)


def test_some_bugs_of_each_kind_are_right_in_the_plain_case():
    """Otherwise the scenarios would be for nothing."""
    for kind in SCENARIOS:
        assert any(not differs(once, bug) for bug in BUGS if bug.kind == kind), kind


def test_bugs_of_second_order_stand_in_their_file():
    assert {bug.kind for bug in BUGS if bug.order == 2} == {"second_order"}
