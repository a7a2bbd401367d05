"""The graph: what backward adds up, when it refuses, and that nothing stays behind."""

from __future__ import annotations

import gc
import sys
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
from tinygrad_zh.core.op import Call
from tinygrad_zh.core.tensor import Accumulator

F = tz.functional


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


class Fragile(tz.Op):
    """y = x, with a backward that fails"""

    def forward(x):
        return x + 0

    def backward(dy):
        raise FloatingPointError("as it was told to")


# ---- what is added up


def test_a_value_used_twice_gets_both_contributions() -> None:
    x = leaf(3.0)
    (x * x + x).backward()
    assert x.grad.item() == 7.0


def test_gradients_of_several_backward_passes_add_up_until_they_are_cleared() -> None:
    x = leaf(3.0)
    (x * x).backward()
    (x * 5).backward()
    assert x.grad.item() == 11.0
    x.zero_grad()
    assert x.grad is None
    (x * 5).backward()
    assert x.grad.item() == 5.0


@pytest.mark.parametrize("depth", [1, 2, 5, 40])
def test_diamonds_are_walked_once_in_the_right_order(depth: int) -> None:
    """y ← y · c + y: dy/dx = (c + 1)ᵈ. Wrong where a call goes before its gradient is whole."""
    x = leaf(2.0)
    y = x
    for _ in range(depth):
        y = y * 0.5 + y
    y.backward()
    assert x.grad.item() == 1.5**depth


def test_a_diamond_with_arms_of_unequal_length() -> None:
    x = leaf(1.5)
    middle = x * x
    long = middle
    for _ in range(7):
        long = long * 2
    (middle + long * middle).backward()  # x² + 128 x⁴
    assert x.grad.item() == 2 * 1.5 + 4 * 128 * 1.5**3


nodes_before = st.integers(0, 10**6)


@given(st.lists(st.tuples(nodes_before, nodes_before, st.booleans()), min_size=1, max_size=25))
def test_any_directed_graph_of_sums_and_differences(steps: list[tuple[int, int, bool]]) -> None:
    """Each node is a sum or difference of two before it. The slopes are integers, so equality is exact."""
    leaves = [leaf(1.0), leaf(1.0)]
    nodes = list(leaves)
    slopes = [np.array([1, 0]), np.array([0, 1])]
    for a, b, plus in steps:
        a, b = a % len(nodes), b % len(nodes)
        nodes.append(nodes[a] + nodes[b] if plus else nodes[a] - nodes[b])
        slopes.append(slopes[a] + slopes[b] if plus else slopes[a] - slopes[b])
    nodes[-1].backward()
    assert [0.0 if x.grad is None else x.grad.item() for x in leaves] == slopes[-1].tolist()


def test_the_same_op_called_twice_before_backward_keeps_both_calls_apart() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    first, second = F.mul(x, w), F.mul(w, w)
    first.sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([3.0, 5.0], [1.0, 2.0])
    second.sum().backward()
    assert (x.grad.tolist(), w.grad.tolist()) == ([3.0, 5.0], [7.0, 12.0])


def test_a_repeated_index_receives_every_contribution() -> None:
    x = leaf([1.0, 2.0, 3.0])
    x[[0, 0, 2]].backward(np.array([1.0, 10.0, 100.0]))
    assert x.grad.tolist() == [11.0, 0.0, 100.0]


def test_an_unused_input_keeps_no_gradient() -> None:
    used, unused = leaf(2.0), leaf(3.0)
    (used * 4).backward()
    assert (used.grad.item(), unused.grad) == (4.0, None)


def test_an_output_that_nothing_uses_counts_as_zero() -> None:
    x = leaf([1.0, 2.0, 3.0, 4.0])
    left, _ = F.split(x, 2)
    (left * left).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0, 0.0, 0.0]


@pytest.mark.parametrize("f", [F.exp, F.sigmoid, F.softmax, F.tanh, F.relu, lambda x: F.norm(x) * x])
def test_a_zero_upstream_gives_zeros(f: Callable[[tz.Tensor], tz.Tensor]) -> None:
    x = leaf([-800.0, 0.0, 3.0])
    f(x).backward(np.zeros(3))
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_backward_from_a_leaf_is_its_seed() -> None:
    x = leaf([1.0, 2.0])
    x.backward([3.0, 4.0])
    assert x.grad.tolist() == [3.0, 4.0]


# ---- when it refuses


def test_two_losses_that_share_an_intermediate() -> None:
    """Never a smaller gradient: the second pass would lack what the first released."""
    x = leaf([1.0, 2.0])
    shared = x * x
    first, second = shared.sum(), (shared * 3).sum()
    first.backward()
    before = x.grad
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        second.backward()
    assert x.grad is before
    assert before.tolist() == [2.0, 4.0]


def test_two_losses_that_share_an_intermediate_with_retain_graph() -> None:
    x = leaf([1.0, 2.0])
    shared = x * x
    shared.sum().backward(retain_graph=True)
    (shared * 3).sum().backward()
    assert x.grad.tolist() == [8.0, 16.0]


def test_backward_twice() -> None:
    x = leaf(3.0)
    loss = x * x
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()
    assert x.grad.item() == 6.0


def test_retain_graph_gives_the_same_again() -> None:
    x = leaf([0.3, -2.0])
    loss = F.sigmoid(x * x).sum()
    loss.backward(retain_graph=True)
    once = x.grad.numpy()
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy(), once + once)


def test_nothing_to_differentiate() -> None:
    x = leaf(1.0)
    with tz.no_grad():
        constant = x * 2
    for y in (constant, (x * 2).detach(), tz.tensor(1.0)):
        with pytest.raises(RuntimeError, match="nothing to differentiate"):
            y.backward()


@pytest.mark.parametrize(("seed", "error", "says"), [
    (None, ValueError, r"this tensor has shape \(2,\); reduce it"),
    ([1.0, 2.0, 3.0], ValueError, r"shape \(2,\), like the tensor, not \(3,\)"),
    (1.0, ValueError, r"shape \(2,\), like the tensor, not \(\)"),
    ([1j, 2j], TypeError, "real numbers, not complex128"),
])
def test_seeds_that_do_not_fit(seed: Any, error: type[Exception], says: str) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(error, match=says):
        (x * x).backward(seed)
    assert x.grad is None


def test_a_failing_backward_changes_no_leaf_and_the_next_step_works() -> None:
    """The leaf on the healthy side has its gradient already when the other side fails."""
    healthy, sick = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (healthy * 1).sum().backward()
    before = healthy.grad
    with pytest.raises(FloatingPointError, match="as it was told to"):
        (Fragile(sick) * 2 + healthy * healthy).sum().backward()
    assert healthy.grad is before
    assert sick.grad is None
    (healthy * sick).sum().backward()
    assert (healthy.grad.tolist(), sick.grad.tolist()) == ([4.0, 5.0], [1.0, 2.0])


# ---- size and memory


def test_a_hundred_thousand_ops_forward_backward_and_deletion() -> None:
    x = leaf(1.0)
    y = x
    limit = sys.getrecursionlimit()
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.item() == 1.0
    assert sys.getrecursionlimit() == limit
    watched = weakref.ref(y)
    del y
    assert watched() is None


def test_a_hundred_thousand_ops_dropped_without_backward() -> None:
    y = leaf(1.0)
    for _ in range(100_000):
        y = -y
    watched = weakref.ref(y)
    del y
    assert watched() is None


def train_step(w: tz.Tensor, b: tz.Tensor, x: np.ndarray, t: np.ndarray) -> None:
    F.cross_entropy(F.layer_norm(F.relu(x @ w + b), b, b), t).backward()
    for p in (w, b):
        p.assign(p.detach() - 0.1 * p.grad)
        p.zero_grad()


@pytest.fixture
def problem() -> tuple[tz.Tensor, tz.Tensor, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return leaf(rng.normal(size=(5, 3))), leaf(np.ones(3)), rng.normal(size=(4, 5)), np.array([0, 2, 1, 1])


@pytest.fixture
def gc_disabled() -> Any:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def ours() -> int:
    return sum(issubclass(type(o), (tz.Tensor, Call, Accumulator)) for o in gc.get_objects())


def test_nothing_is_left_for_the_garbage_collector(problem: Any, gc_disabled: None) -> None:
    train_step(*problem)
    gc.collect()
    before = ours()
    for _ in range(1000):
        train_step(*problem)
    assert ours() == before
    assert gc.collect() == 0


@pytest.mark.parametrize("act", [
    lambda x: tz.grad(tz.grad((x * x * x).sum(), x, create_graph=True)[0].sum(), x),
    lambda x: (x * x * x).sum() and None,
    lambda x: next(tz.backward_steps((x * x).sum())),
    lambda x: tz.hessian(lambda z: (z * z * z).sum(), x),
], ids=["second order", "dropped forward", "abandoned steps", "hessian"])
def test_no_reading_of_the_graph_makes_a_cycle(act: Callable[[tz.Tensor], Any], gc_disabled: None) -> None:
    x = leaf([1.0, 2.0])
    act(x)
    gc.collect()
    before = ours()
    for _ in range(10):
        act(x)
    assert ours() == before
    assert gc.collect() == 0


def test_errors_leave_no_cycle(gc_disabled: None) -> None:
    x = leaf([1.0, 2.0])

    def fail() -> None:
        for act in (lambda: x + np.ones(3), lambda: Fragile(x).sum().backward(), lambda: F.silu(x, x)):
            try:
                act()
            except (ValueError, FloatingPointError, TypeError):
                pass

    fail()
    gc.collect()
    before = ours()
    for _ in range(10):
        fail()
    assert ours() == before


def test_memory_is_flat_over_a_thousand_steps(problem: Any, gc_disabled: None) -> None:
    def peak(steps: int) -> int:
        tracemalloc.reset_peak()
        for _ in range(steps):
            train_step(*problem)
        return tracemalloc.get_traced_memory()[1]

    tracemalloc.start()
    try:
        peak(100)  # CPython keeps some freed tuples for reuse
        early = peak(10)
        late = peak(1000)
    finally:
        tracemalloc.stop()
    assert late - early < 20_000  # bytes; one object left behind by each step would be 50,000 and more


def test_a_dropped_forward_leaves_nothing_behind(gc_disabled: None) -> None:
    x = leaf(np.ones(3))
    y = F.exp(x)
    saved = weakref.ref(y.array)
    loss = (y * y).sum()
    del y
    assert saved() is not None  # the graph of the loss keeps it
    del loss
    assert saved() is None


def test_what_was_saved_goes_with_backward(gc_disabled: None) -> None:
    x = leaf(np.ones(3))
    y = F.exp(x)
    saved = weakref.ref(y.array)
    loss = (y * y).sum()
    del y
    loss.backward()
    assert saved() is None  # though the loss is still here


def test_a_shape_alone_keeps_no_array(gc_disabled: None) -> None:
    """Sum's backward names x_shape, not x."""
    y = leaf(np.ones(3)) * 2
    values = weakref.ref(y.array)
    total = y.sum()
    del y
    assert values() is None
    total.backward()


def test_a_constant_product_keeps_the_factor_alone(gc_disabled: None) -> None:
    """Only what the wanted partials name is kept: for w · c with a constant c, that is c and not w."""
    y = leaf(np.ones(3)) + 1
    values = weakref.ref(y.array)
    product = y * tz.tensor(np.ones(3))
    del y
    assert values() is None
    product.sum().backward()
