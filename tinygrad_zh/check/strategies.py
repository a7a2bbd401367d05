"""Hypothesis strategies for arrays that find bugs: shapes, values, layouts, indices. 假设检验策略（Hypothesis）

Shapes without axes and without elements, shapes that broadcast, zeros, ties, large and small numbers, memory in any
order, indices twice: most wrong backwards need one of these to show. All of them, on an op of one's own:

>>> import numpy as np, tinygrad_zh as tz
>>> from hypothesis import given, settings
>>> from tinygrad_zh.check import gradcheck, strategies as some
>>> class Cube(tz.Op):
...     def forward(x): return x ** 3
...     def backward(dy, x): return dy * 3 * x ** 2
>>> @settings(max_examples=20, deadline=None, database=None)
... @given(some.arrays().flatmap(some.layouts), some.seeds)
... def test_cube(x, seed):
...     assert gradcheck(Cube, x, seed=seed)
>>> test_cube()

Shapes are drawn by Hypothesis and shrink; values come from a seed, since an array drawn element by element costs more
than the op. Values are functions (generator, shape) ↦ array, so that your own fit in. Needs Hypothesis:
`pip install "tinygrad-zh[check]"`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from hypothesis import strategies as st
    from hypothesis.extra import numpy as hnp
    from hypothesis.strategies import SearchStrategy
except ImportError:
    raise ImportError('the strategies need Hypothesis: pip install "tinygrad-zh[check]"') from None

__all__ = [
    "LAYOUTS",
    "arrays",
    "away_from",
    "between",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "distinct",
    "first_repeated",
    "indices",
    "layouts",
    "mixed",
    "real",
    "seeds",
    "shapes",
    "ties",
    "upstream",
    "upstreams",
    "with_zeros",
]

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Values = Callable[[np.random.Generator, Shape], Array]

seeds = st.integers(0, 2**32 - 1)
"""Of a generator. 中文：随机种子。"""


# ---- shapes


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3) -> SearchStrategy[Shape]:
    """Mostly shapes of arrays with elements; 0-d and empty ones among them. Sides differ, so a wrong axis shows.
    中文：形状。"""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=1, max_side=max_side) | (
        hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=0, max_side=max_side)
    )


def broadcastable_shapes(count: int = 2) -> SearchStrategy[tuple[Shape, ...]]:
    """Shapes that broadcast with each other, of different ranks, with sides of 1 and 0 among them.
    中文：可以广播的形状。"""

    def draw(min_side: int) -> SearchStrategy[tuple[Shape, ...]]:
        return hnp.mutually_broadcastable_shapes(
            num_shapes=count, min_dims=0, max_dims=3, min_side=min_side, max_side=3
        ).map(lambda drawn: drawn.input_shapes)

    return draw(1) | draw(1) | draw(0)


# ---- values


def real(rng: np.random.Generator, shape: Shape) -> Array:
    """Both signs, near 0 and far from it."""
    return np.asarray(rng.normal(size=shape) * rng.choice([0.1, 1.0, 1.0, 4.0]))


def between(low: float, high: float) -> Values:
    """Uniform in an interval: for functions that are not defined everywhere."""
    return lambda rng, shape: np.asarray(rng.uniform(low, high, shape))


def away_from(*kinks: float, by: float = 0.05) -> Values:
    """Real values at a distance from every kink, where a difference quotient means something."""

    def values(rng: np.random.Generator, shape: Shape) -> Array:
        x = real(rng, shape)
        for kink in kinks:
            outside = kink + np.where(x < kink, -by, by) * rng.uniform(1, 2, shape)
            x = np.where(np.abs(x - kink) < by, outside, x)
        return np.asarray(x)

    return values


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """No two alike, in no order and of both signs; no two of the same size either."""
    size = int(np.prod(shape))
    sizes = 0.2 * (1 + rng.permutation(size)) + rng.uniform(0, 0.1, size)
    return np.asarray((sizes * rng.choice([-1, 1], size)).reshape(shape))


def ties(rng: np.random.Generator, shape: Shape) -> Array:
    """Few different values, 0 among them, so that there are ties."""
    return np.asarray(rng.integers(-2, 3, shape).astype(np.float64))


def with_zeros(rng: np.random.Generator, shape: Shape) -> Array:
    """Every fourth is 0."""
    return np.asarray(real(rng, shape) * (rng.random(shape) < 0.75))


def mixed(rng: np.random.Generator, shape: Shape) -> Array:
    """One of: real, with zeros, ties, all zero, large (× 40), small (× 10⁻⁴). 中文：特殊值。"""
    kinds: list[Values] = [real, real, with_zeros, ties, lambda rng, shape: np.zeros(shape),
                           lambda rng, shape: 40 * real(rng, shape), lambda rng, shape: 1e-4 * real(rng, shape)]
    return np.asarray(kinds[rng.integers(len(kinds))](rng, shape))


def upstream(rng: np.random.Generator, shape: Shape) -> Array:
    """A gradient from above, of both signs: under a constant one softmax's backward may return zeros."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape))


def _from_seed(values: Values, *several: Shape) -> SearchStrategy[tuple[Array, ...]]:
    def drawn(seed: int) -> tuple[Array, ...]:
        rng = np.random.default_rng(seed)
        return tuple(values(rng, shape) for shape in several)

    return seeds.map(drawn)


def arrays(shape: Shape | SearchStrategy[Shape] | None = None, values: Values = mixed) -> SearchStrategy[Array]:
    """Arrays of float64: of one shape, or of shapes from a strategy, `shapes()` unless given. 中文：数组。

    >>> from tinygrad_zh.check import strategies as some
    >>> some.arrays((2, 3), some.between(0, 1)).example().shape  # doctest: +SKIP
    (2, 3)
    """
    of = st.just(shape) if isinstance(shape, tuple) else shapes() if shape is None else shape
    return of.flatmap(lambda drawn: _from_seed(values, drawn)).map(lambda drawn: drawn[0])


def broadcastable_arrays(count: int = 2, values: Values = mixed) -> SearchStrategy[tuple[Array, ...]]:
    """Arrays whose shapes broadcast with each other. 中文：可以广播的数组。"""
    return broadcastable_shapes(count).flatmap(lambda drawn: _from_seed(values, *drawn))


def upstreams(shape: Shape) -> SearchStrategy[Array]:
    """Upstream gradients for an output of this shape. 中文：上游梯度。"""
    return arrays(shape, upstream)


def indices(length: int, shape: Shape | SearchStrategy[Shape] | None = None) -> SearchStrategy[Array]:
    """Integers from 0 below `length`, of few different values, so that some come twice: x[[0, 0]] takes x₀ twice, and
    its gradient is a sum. 中文：有重复的下标。"""
    if length < 1:
        raise ValueError(f"indices below {length}: there are none; an axis to index has at least one element")

    def values(rng: np.random.Generator, shape: Shape) -> Array:
        few = rng.integers(0, length, 2)
        return np.asarray(np.where(rng.random(shape) < 0.7, rng.choice(few, shape), rng.integers(0, length, shape)))

    return arrays(shape, values)


# ---- layouts: equal values, other strides


def strided(x: Array) -> Array:
    """Every second element of a larger array."""
    everywhere: tuple[Any, ...] = (*[slice(None, None, 2)] * x.ndim, ...)
    view = np.full([2 * n for n in x.shape], 77, x.dtype)[everywhere]
    view[...] = x
    return view


def reversed_(x: Array) -> Array:
    """Stored backwards, read with negative strides."""
    backwards = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[backwards])[backwards] if x.ndim else x


def swapped(x: Array) -> Array:
    """Stored with its first and last axes exchanged."""
    return np.swapaxes(np.swapaxes(x, 0, -1).copy(), 0, -1) if x.ndim else x


def offset(x: Array) -> Array:
    """Contiguous, but not from the start of its memory."""
    room = np.full(x.size + 3, 77, x.dtype)
    room[3:] = x.reshape(-1)
    return room[3:].reshape(x.shape)


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "Fortran": lambda x: x.copy(order="F"),
    "swapped": swapped,
    "strided": strided,
    "reversed": reversed_,
    "offset": offset,
}
"""x ↦ an array of the same values that lies otherwise in memory. 中文：内存布局。"""


def first_repeated(x: Array) -> Array:
    """The first element along the first axis, repeated by a stride of 0: other values, unless all are alike."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else x


def layouts(x: Array) -> SearchStrategy[Array]:
    """The values of x in C's order or in another layout; broadcast, where all along the first axis are alike.
    中文：同样的数值，不同的内存布局。"""
    each = [np.ascontiguousarray(x).reshape(x.shape), *(change(x) for change in LAYOUTS.values())]
    return st.sampled_from([*each, first_repeated(x)] if np.array_equal(first_repeated(x), x) else each)
