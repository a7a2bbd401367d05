"""What an array holds at an index, as an expression of numbers. 数组在某个下标处的值

    y = x.T + b        y[i, j] = x[j, i] + b[j]        Apply("add", Element(x, strides 1 and 4), Element(b, 0 and 1))

Every array lies in memory in C order, so an index into it is an offset: a start and a stride for each axis of the
result. Transposing, reshaping, slicing, reversing, adding axes and broadcasting change these numbers and copy nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeGuard

import numpy as np
from numpy.lib.stride_tricks import as_strided

Shape = tuple[int, ...]


class NotLowerable(Exception):
    """Something that the compiler does not know; the formulas run instead."""


class NotAView(Exception):
    """A reshape that cannot be had without copying."""


@dataclass(frozen=True)
class Gather:
    """One more term of an offset: stride · index, where index is an expression; negative ones count from the end."""

    stride: int
    length: int
    index: Expression


@dataclass(frozen=True)
class Place:
    """Where in memory: offset + Σ stride · i over the axes, in numbers, not bytes."""

    offset: int
    strides: Shape
    gathers: tuple[Gather, ...] = ()


@dataclass(frozen=True)
class _Typed:
    shape: Shape
    dtype: np.dtype[Any]

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Number(_Typed):
    """The same number everywhere."""

    value: Any


@dataclass(frozen=True)
class Element(_Typed):
    """A number of a named array."""

    name: str
    place: Place


@dataclass(frozen=True)
class Counter(_Typed):
    """The offset itself, as a number: np.arange."""

    place: Place


@dataclass(frozen=True)
class Apply(_Typed):
    """A NumPy function of numbers, by its name; "cast" changes the dtype, "where" has three operands.

    Operands have the result's shape. Those of one function have one dtype, but for the condition of "where".
    """

    function: str
    operands: tuple[Expression, ...]


Expression = Number | Element | Counter | Apply


def c_strides(shape: Shape) -> Shape:
    """The strides of an array in C order.

    >>> c_strides((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def whole(name: str, shape: Shape, dtype: np.dtype[Any]) -> Element:
    """The array of a name, as it is."""
    return Element(shape, dtype, name, Place(0, c_strides(shape)))


def is_whole(x: Expression) -> TypeGuard[Element]:
    """Whether the numbers of a named array are read from the first one on, in the order of memory."""
    if not isinstance(x, Element) or x.place.offset or x.place.gathers:
        return False
    return squeezed(x.shape, x.place.strides) == squeezed(x.shape, c_strides(x.shape))


def elements(x: Expression) -> Iterator[Element]:
    """Every element of named arrays that an expression reads."""
    if isinstance(x, Apply):
        for operand in x.operands:
            yield from elements(operand)
    elif not isinstance(x, Number):
        if isinstance(x, Element):
            yield x
        for gather in x.place.gathers:
            yield from elements(gather.index)


_DEAR = frozenset({"exp", "tanh", "log", "log1p", "sin", "cos", "power"})


def is_dear(x: Expression) -> bool:
    """Whether a value is better kept than computed again."""
    if not isinstance(x, Apply):
        return False
    if x.function == "power" and small_power(x) is not None:
        return is_dear(x.operands[0])
    return x.function in _DEAR or any(map(is_dear, x.operands))


def small_power(x: Apply) -> float | None:
    """The exponent of a power that multiplications and a square root do: whole or half, and not large."""
    exponent = x.operands[1]
    if isinstance(exponent, Number) and abs(exponent.value) <= 8 and float(2 * exponent.value).is_integer():
        return float(exponent.value)
    return None


# ---- views

Change = Callable[[Shape, Shape], tuple[Shape, int, Shape]]
"""(shape, strides) of an array → shape, offset and strides of a view of it; raises NotAView."""


def by(view: Callable[[Any], Any]) -> Change:
    """What a NumPy function that gives a view does to shape and strides: NumPy says it, of an array never read."""

    def change(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        before = as_strided(np.zeros(1, np.uint8), shape, strides)
        after = view(before)
        if not after.size:
            return after.shape, 0, after.strides
        return after.shape, _address(after) - _address(before), after.strides

    return change


def _address(array: Any) -> int:
    return int(array.__array_interface__["data"][0])


def to_shape(new: Shape) -> Change:
    """The view that a reshape is, if it is one."""

    def change(shape: Shape, strides: Shape) -> tuple[Shape, int, Shape]:
        if not math.prod(shape):
            return new, 0, c_strides(new)
        shape, strides = merged(shape, strides)
        parts = refined(cuts(shape), cuts(new))
        if parts is None:
            raise NotAView
        spread = spread_over(parts, shape, strides)
        result = []
        for group in _groups(parts, new):
            lengths, steps = [parts[i] for i in group], [spread[i] for i in group]
            if any(s != t * n for (s, t), n in zip(pairwise(steps), lengths[1:], strict=True)):
                raise NotAView
            result.append(steps[-1] if steps else 0)
        return new, 0, tuple(result)

    return change


def seen(x: Expression, change: Change) -> Expression:
    """A view of an expression: the same view of all that it reads."""
    if isinstance(x, Number):
        return replace(x, shape=change(x.shape, c_strides(x.shape))[0])
    if isinstance(x, Apply):
        operands = tuple([seen(operand, change) for operand in x.operands])
        return replace(x, shape=operands[0].shape, operands=operands)
    shape, offset, strides = change(x.shape, x.place.strides)
    gathers = tuple([replace(g, index=seen(g.index, change)) for g in x.place.gathers])
    return replace(x, shape=shape, place=Place(x.place.offset + offset, strides, gathers))


def broadcast(x: Expression, shape: Shape) -> Expression:
    return x if x.shape == shape else seen(x, by(lambda a: np.broadcast_to(a, shape)))


# ---- index spaces: the same numbers, cut into axes in different ways


def squeezed(shape: Shape, strides: Shape) -> tuple[Shape, Shape]:
    """Without the axes of length 1."""
    kept = [i for i, n in enumerate(shape) if n != 1]
    return tuple(shape[i] for i in kept), tuple(strides[i] for i in kept)


def merged(shape: Shape, strides: Shape) -> tuple[Shape, Shape]:
    """With neighbouring axes as one that are stepped through as if they were one.

    >>> merged((2, 3, 4), (12, 4, 1))
    ((24,), (1,))
    """
    axes: list[tuple[int, int]] = []
    for n, s in zip(*squeezed(shape, strides), strict=True):
        if axes and axes[-1][1] == n * s:
            axes[-1] = axes[-1][0] * n, s
        else:
            axes.append((n, s))
    return tuple(n for n, _ in axes), tuple(s for _, s in axes)


def cuts(shape: Shape) -> frozenset[int]:
    """After how many numbers, counted from the last, an axis begins; with the number of all.

    >>> sorted(cuts((2, 3, 4)))
    [1, 4, 12, 24]
    """
    return frozenset(math.prod(shape[i:]) for i in range(len(shape) + 1))


def refined(*several: frozenset[int]) -> Shape | None:
    """The axes of the coarsest space of which all given ones are made by joining axes; None if there is none.

    >>> refined(cuts((6, 4)), cuts((2, 12)))
    (2, 3, 4)
    """
    all_cuts = sorted(frozenset().union(*several), reverse=True)
    if any(a % b for a, b in pairwise(all_cuts)):
        return None
    return tuple(a // b for a, b in pairwise(all_cuts))


def spread_over(parts: Shape, shape: Shape, strides: Shape) -> Shape:
    """The strides for axes that are parts of a shape's: (100,) with stride 1, in parts (20, 5), has (5, 1)."""
    shape, strides = squeezed(shape, strides)
    result = [0] * len(parts)
    for group, stride in zip(_groups(parts, shape), strides, strict=True):
        for i in reversed(group):
            result[i] = stride
            stride *= parts[i]
    return tuple(result)


def _groups(parts: Shape, shape: Shape) -> list[list[int]]:
    """Which of the parts make each axis of a shape."""
    groups, i = [], 0
    for n in shape:
        group, product = [], 1
        while product < n:
            group.append(i)
            product *= parts[i]
            i += 1
        groups.append(group)
    return groups
