"""What the strategies draw: everything they promise, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck
from tinygrad_zh.check import strategies as some

QUICK = settings(max_examples=30, deadline=None)
EASY = settings(max_examples=2000, deadline=None, derandomize=True, database=None, phases=[Phase.generate])


def reached(strategy, condition):
    """Whether the strategy draws something like that; find raises where it does not."""
    return find(strategy, condition, settings=EASY) is not None


@pytest.mark.parametrize("condition", [
    lambda shape: shape == (),
    lambda shape: 0 in shape,
    lambda shape: 1 in shape,
    lambda shape: len(shape) == 3,
    lambda shape: len(set(shape)) == 3,
])
def test_shapes_of_all_kinds(condition):
    assert reached(some.shapes(), condition)


@QUICK
@given(some.shapes(min_dims=1, max_dims=2, max_side=4))
def test_shapes_within_bounds(shape):
    assert 1 <= len(shape) <= 2
    assert all(n <= 4 for n in shape)


@QUICK
@given(some.broadcastable_shapes(3))
def test_shapes_that_broadcast(shapes):
    assert len(shapes) == 3
    np.broadcast_shapes(*shapes)


@pytest.mark.parametrize("condition", [
    lambda pair: len(pair[0]) != len(pair[1]),
    lambda pair: 0 in pair[0],
    lambda pair: pair[0] == () and pair[1] != (),
    lambda pair: any(1 in shape for shape in pair) and np.prod(np.broadcast_shapes(*pair)) > 3,
])
def test_shapes_that_broadcast_of_all_kinds(condition):
    assert reached(some.broadcastable_shapes(), condition)


@pytest.mark.parametrize("condition", [
    lambda x: x.size > 3 and not x.any(),
    lambda x: x.size > 3 and 0 < np.count_nonzero(x) < x.size,
    lambda x: np.unique(x[x != 0]).size < np.count_nonzero(x),
    lambda x: x.size and np.abs(x).min() > 40,
    lambda x: x.size > 3 and x.any() and np.abs(x).max() < 1e-3,
])
def test_values_of_all_kinds(condition):
    assert reached(some.arrays(), condition)


@QUICK
@given(some.arrays((2, 3), some.between(1, 2)), some.arrays(st.just((4,)), some.away_from(0.0)), some.arrays())
def test_arrays_are_what_was_asked_for(a, b, c):
    assert a.shape == (2, 3)
    assert ((a >= 1) & (a <= 2)).all()
    assert b.shape == (4,)
    assert (np.abs(b) >= 0.05).all()
    assert a.dtype == b.dtype == c.dtype == np.float64
    assert isinstance(c, np.ndarray)


@QUICK
@given(some.seeds, some.shapes())
def test_distinct_and_ties_and_zeros(seed, shape):
    rng = np.random.default_rng(seed)
    x = some.distinct(rng, shape)
    assert np.unique(np.abs(x)).size == x.size
    assert set(some.ties(rng, shape).ravel()) <= {-2, -1, 0, 1, 2}
    x = some.with_zeros(rng, (4000,))
    assert 800 < np.sum(x == 0) < 1200


@QUICK
@given(some.upstreams((3, 2)))
def test_upstream_gradients_are_never_small(u):
    assert u.shape == (3, 2)
    assert ((np.abs(u) >= 0.5) & (np.abs(u) <= 1.5)).all()


def test_upstream_gradients_have_both_signs():
    assert reached(some.upstreams((4,)), lambda u: (u > 0).any() and (u < 0).any())


@QUICK
@given(some.indices(5, (7,)))
def test_indices_are_in_range(i):
    assert i.dtype.kind == "i"
    assert i.shape == (7,)
    assert ((i >= 0) & (i < 5)).all()


def test_indices_repeat_and_reach_both_ends():
    assert reached(some.indices(5, (3,)), lambda i: np.unique(i).size == 1)
    assert reached(some.indices(10**9, (3,)), lambda i: np.unique(i).size == 2)
    assert reached(some.indices(5), lambda i: 0 in i and 4 in i)
    assert reached(some.indices(5, (4,)), lambda i: np.unique(i).size == 4)
    with pytest.raises(ValueError, match="indices below 0"):
        some.indices(0)


@QUICK
@given(some.arrays().flatmap(lambda x: st.tuples(st.just(x), some.layouts(x))))
def test_a_layout_changes_no_value(pair):
    x, y = pair
    assert (x.shape, x.dtype, x.tobytes()) == (y.shape, y.dtype, y.tobytes())


@pytest.mark.parametrize("condition", [
    lambda y: y.flags.c_contiguous,
    lambda y: y.flags.f_contiguous and not y.flags.c_contiguous,
    lambda y: y.strides[0] < 0,
    lambda y: y.strides[-1] == 2 * y.itemsize,
    lambda y: y.flags.c_contiguous and y.base is not None and y.base.size == y.size + 3,
])
def test_layouts_of_all_kinds(condition):
    assert reached(some.layouts(np.arange(12.0).reshape(2, 3, 2)), condition)


def test_equal_rows_may_be_broadcast_and_others_not():
    assert reached(some.layouts(np.ones((2, 3))), lambda y: y.strides[0] == 0)
    with pytest.raises(NoSuchExample):
        reached(some.layouts(np.arange(6.0).reshape(2, 3)), lambda y: y.strides[0] == 0)


# ---- they find what they are for


class LastRowForSum(tz.Op):
    """A sum that does not undo its broadcast."""

    def forward(a, b):
        return a + b

    def backward(dy, a_shape, b_shape):
        return dy, dy if a_shape == b_shape else dy[..., :1]


class OverwritingTake(tz.Op):
    def forward(x, i):
        return x[i]

    def backward_x(dy, x_shape, i):
        dx = np.zeros(x_shape)
        dx[i] = dy
        return dx


def test_a_broadcast_that_is_not_undone_is_found():
    @EASY
    @given(some.broadcastable_arrays(2, some.real))
    def right(pair):
        assert gradcheck(LastRowForSum, *pair, special=False)

    with pytest.raises(AssertionError):
        right()


def test_an_index_that_comes_twice_is_found():
    @EASY
    @given(some.arrays((4,)), some.indices(4, (3,)))
    def right(x, i):
        assert gradcheck(OverwritingTake, x, i, special=False)

    with pytest.raises(AssertionError):
        right()


@settings(max_examples=15, deadline=None)
@given(some.broadcastable_arrays(2))
def test_a_right_op_passes(pair):
    assert gradcheck(F.mul, *pair, special=False)


def test_without_hypothesis_there_is_advice():
    script = ("import sys; sys.modules['hypothesis'] = None\n"
              "import tinygrad_zh.check\n"
              "try:\n    import tinygrad_zh.check.strategies\n"
              "except ImportError as error:\n    print(error)")
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout == 'the strategies need Hypothesis: pip install "tinygrad-zh[check]"\n'
