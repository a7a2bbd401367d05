"""Arrays to try an op on: shapes from Hypothesis, values from a seed, the same values in every layout.

Shapes shrink, values come from a generator: an array drawn element by element would cost more than the op.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray

Array = NDArray[np.float64]
Shape = tuple[int, ...]
Values = Callable[[np.random.Generator, Shape], Array]

seeds = st.integers(0, 2**32 - 1)


# ---- shapes


def shapes(min_dims: int = 0, max_dims: int = 3, max_side: int = 3) -> SearchStrategy[Shape]:
    """Mostly arrays with elements; 0-d and empty ones among them. Sides differ, so a wrong axis shows."""
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=1, max_side=max_side) | (
        hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=0, max_side=max_side)
    )


def broadcastable(count: int) -> SearchStrategy[tuple[Shape, ...]]:
    """Shapes that broadcast with each other, of different ranks, with sides of 1 and 0 among them."""

    def draw(min_side: int) -> SearchStrategy[tuple[Shape, ...]]:
        return hnp.mutually_broadcastable_shapes(
            num_shapes=count, min_dims=0, max_dims=3, min_side=min_side, max_side=3
        ).map(lambda drawn: drawn.input_shapes)

    return draw(1) | draw(1) | draw(0)


# ---- values


def real(rng: np.random.Generator, shape: Shape) -> Array:
    """Both signs, near 0 and far from it."""
    return rng.normal(size=shape) * rng.choice([0.1, 1.0, 1.0, 4.0])


def away_from(*kinks: float, by: float = 0.05) -> Values:
    """Real values at a distance from every kink, where a difference quotient means something."""

    def values(rng: np.random.Generator, shape: Shape) -> Array:
        x = real(rng, shape)
        for kink in kinks:
            outside = kink + np.where(x < kink, -by, by) * rng.uniform(1, 2, shape)
            x = np.where(np.abs(x - kink) < by, outside, x)
        return x

    return values


def between(low: float, high: float) -> Values:
    return lambda rng, shape: rng.uniform(low, high, shape)


def distinct(rng: np.random.Generator, shape: Shape) -> Array:
    """No two alike, in no order and of both signs; no two of the same size either."""
    size = int(np.prod(shape))
    sizes = 0.2 * (1 + rng.permutation(size)) + rng.uniform(0, 0.1, size)
    return (sizes * rng.choice([-1, 1], size)).reshape(shape)


def upstream(rng: np.random.Generator, shape: Shape) -> Array:
    """A gradient from above, of both signs: under a constant one softmax's backward may return zeros."""
    return np.asarray(rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape))


def coarse(x: NDArray) -> NDArray:
    """Rounded to 1/1024: sums and products of a few such numbers are exact, in whatever order."""
    return np.asarray(np.round(x * 1024) / 1024) if x.dtype.kind == "f" else x


# ---- layouts: equal values, other strides


def strided(x: NDArray) -> NDArray:
    """Every second element of a larger array."""
    room = np.full([2 * n for n in x.shape], 77, x.dtype)
    view = room[(*(slice(None, None, 2),) * x.ndim, ...)]
    view[...] = x
    return view


def reversed_(x: NDArray) -> NDArray:
    """Stored backwards, read with negative strides."""
    backwards = (slice(None, None, -1),) * x.ndim
    return np.ascontiguousarray(x[backwards])[backwards] if x.ndim else x


def swapped(x: NDArray) -> NDArray:
    """Stored with its first and last axes exchanged."""
    return np.swapaxes(np.swapaxes(x, 0, -1).copy(), 0, -1) if x.ndim else x


def offset(x: NDArray) -> NDArray:
    """Contiguous, but not from the start of its memory."""
    room = np.full(x.size + 3, 77, x.dtype)
    room[3:] = x.reshape(-1)
    return room[3:].reshape(x.shape)


LAYOUTS: dict[str, Callable[[NDArray], NDArray]] = {
    "Fortran": lambda x: x.copy(order="F"),
    "swapped": swapped,
    "strided": strided,
    "reversed": reversed_,
    "offset": offset,
}


def first_repeated(x: NDArray) -> NDArray:
    """The first element along the first axis, repeated by a stride of 0."""
    return np.broadcast_to(x[:1], x.shape) if x.ndim else x
