"""Where backwards go wrong that are right elsewhere: zeros, ties, large and small values, repeated indices. 特殊点

A point that only one of several inputs moves to is called "zeros(x)", one for all of them "zeros".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tinygrad_zh.check.differences import Array

Change = Callable[[Array], Array]


def zeros(x: Array) -> Array:
    return np.zeros_like(x)


def one_zero(x: Array) -> Array:
    """The middle element is 0."""
    return _with_zeros(x, np.zeros(x.ndim, int)[None])


def more_zeros(x: Array) -> Array:
    """The middle element and its neighbour along every axis are 0: two along each."""
    return _with_zeros(x, np.concatenate([np.zeros((1, x.ndim), int), np.eye(x.ndim, dtype=int)]))


def _with_zeros(x: Array, offsets: Array) -> Array:
    y = x.copy()
    if y.size:
        for place in (np.array(x.shape) // 2 + offsets) % x.shape:
            y[tuple(place)] = 0
    return y


def large(x: Array) -> Array:
    return np.asarray(40 * x)  # a 0-d array times a number is a scalar, which cannot be moved


def huge(x: Array) -> Array:
    """Where eˣ overflows, if x > 0."""
    return np.asarray(1000 * x)


def opposite(x: Array) -> Array:
    """And if x < 0."""
    return np.asarray(-1000 * x)


def small(x: Array) -> Array:
    return np.asarray(1e-4 * x)


CHANGES: dict[str, Change] = {
    "one_zero": one_zero, "more_zeros": more_zeros, "large": large, "huge": huge, "opposite": opposite, "small": small}

FAR = ("huge", "opposite")
"""Points where rounding may be all that is left of a slope: a claim that is a number is believed there."""


def tied(arrays: Sequence[Array]) -> list[Array]:
    """At most three values instead of many, taken from among them, so that there are ties within inputs and between
    them, at the maximum and elsewhere."""
    values = np.sort(np.concatenate([x.ravel() for x in arrays]))
    if not values.size:
        return list(arrays)
    count = min(3, 1 + values.size // 3)
    levels = values[(2 * np.arange(count) + 1) * values.size // (2 * count)]
    return [levels[np.abs(x[..., None] - levels).argmin(axis=-1)] for x in arrays]


class Point(NamedTuple):
    """A name, "zeros" or "zeros(x)", and the inputs there."""

    name: str
    inputs: list[Array]


def points(inputs: Sequence[Array], names: Sequence[str]) -> Iterator[tuple[Point, list[Point]]]:
    """Special points, each with those to try instead if f has no value there: one input moved at a time."""
    several = len(inputs) > 1
    if several:
        for point in _alone("zeros", zeros, inputs, names):
            yield point, []
    for name, change in {"zeros": zeros, **CHANGES}.items():
        alone = _alone(name, change, inputs, names) if several and name != "zeros" else []
        yield Point(name, [change(x) for x in inputs]), alone
    yield Point("ties", tied(inputs)), _alone("ties", lambda x: tied([x])[0], inputs, names) if several else []


def _alone(name: str, change: Change, inputs: Sequence[Array], names: Sequence[str]) -> list[Point]:
    return [Point(f"{name}({names[i]})", [*inputs[:i], change(x), *inputs[i + 1:]]) for i, x in enumerate(inputs)]


def repeated(constants: Sequence[Array | None], inputs: Sequence[Array]) -> list[Array | None] | None:
    """Integer constants with all entries equal to their first, as indices are in a batch that repeats; None where none
    changes. What is a permutation of an axis may have to be one, and stays."""
    lengths = {n for x in inputs for n in x.shape}
    changed = False
    result = list(constants)
    for i, x in enumerate(constants):
        if x is None or x.dtype.kind not in "iu" or x.size < 2:
            continue
        if x.size in lengths and np.array_equal(np.sort(x, axis=None), np.arange(x.size)):
            continue
        result[i] = np.full_like(x, x.flat[0])
        changed |= bool((x != x.flat[0]).any())
    return result if changed else None
