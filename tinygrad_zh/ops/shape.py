"""Ops that move elements and compute nothing. Each is linear, and its backward is its adjoint, another op here."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, shape_of


class Reshape(Op):
    """y = x, in another shape
    ∂L/∂x = ∂L/∂y, in x's shape
    中文：变形
    """

    def forward(x, *, shape):
        return x.reshape(shape)

    def backward(dy, x_shape):
        return dy.reshape(x_shape)


class Transpose(Op):
    """y = x, its axes in another order
    ∂L/∂x = ∂L/∂y, its axes put back
    中文：转置
    """

    def forward(x, *, axes, back):
        return x.transpose(axes)

    def backward(dy, *, back):
        return dy.transpose(back)


class BroadcastTo(Op):
    """y = x, repeated to a larger shape
    ∂L/∂x = Σ ∂L/∂y, over what was repeated (the engine's own step)
    中文：广播
    """

    def forward(x, *, shape):
        return np.broadcast_to(x, shape)

    def backward(dy):
        return dy


class Concat(Op):
    """y = [x₁ x₂ …]
    ∂L/∂xᵢ = the i-th part of ∂L/∂y
    中文：拼接
    """

    def forward(*xs, axis, ends):
        return np.concatenate(xs, axis=axis)

    def backward(dy, *, axis, ends):
        return Split(dy, axis=axis, ends=ends)


class Split(Op):
    """[y₁ y₂ …] = x
    ∂L/∂x = [∂L/∂y₁ ∂L/∂y₂ …]
    中文：切分
    """

    outputs = ("ys",)
    many = True

    def forward(x, *, axis, ends):
        return tuple(np.split(x, ends, axis=axis))

    def backward(dys, *, axis, ends):
        return Concat(*dys, axis=axis, ends=ends)


class Pad(Op):
    """y = x with a constant around it
    ∂L/∂x = the inner part of ∂L/∂y
    中文：填充
    """

    def forward(x, *, widths, value, inner):
        return np.pad(x, widths, constant_values=value)

    def backward(dy, *, inner):
        return dy[inner]


class Flip(Op):
    """y = x, in reverse order along some axes
    ∂L/∂x = ∂L/∂y, reversed back
    中文：翻转
    """

    def forward(x, *, axis):
        return np.flip(x, axis)

    def backward(dy, *, axis):
        return np.flip(dy, axis)


class Roll(Op):
    """y = x, shifted around along some axes
    ∂L/∂x = ∂L/∂y, shifted back
    中文：循环移位
    """

    def forward(x, *, shift, axis, back):
        return np.roll(x, shift, axis)

    def backward(dy, *, axis, back):
        return np.roll(dy, back, axis)


# ---- what users call


def reshape(x: Any, *shape: Any) -> Tensor:
    """y = x in another shape of as many elements; one length may be −1. 中文：变形。

    Raises ValueError where the number of elements differs.
    """
    wanted = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
    wanted = tuple(int(n) for n in wanted)
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        size = math.prod(shape_of(x))
        if not rest or size % rest:
            raise ValueError(f"cannot reshape {size} elements of shape {shape_of(x)} into {wanted}")
        wanted = tuple(size // rest if n == -1 else n for n in wanted)
    return Reshape(x, shape=wanted)


def flatten(x: Any) -> Tensor:
    """y = x in one axis. 中文：展平成一维。"""
    return reshape(x, -1) if math.prod(shape_of(x)) else reshape(x, 0)


def transpose(x: Any, *axes: Any) -> Tensor:
    """y = x with its axes in another order; reversed if none is given. 中文：转置。

    Raises ValueError unless every axis is named once.
    """
    ndim = len(shape_of(x))
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], (int, np.integer)) else axes
    order = tuple(range(ndim))[::-1] if not axes or order is None else normalize_axis_tuple(order, ndim, "axes")
    if len(order) != ndim:
        raise ValueError(f"transpose: {ndim} axes need an order of {ndim}, not {order}")
    return Transpose(x, axes=order, back=tuple(order.index(i) for i in range(ndim)))


def swapaxes(x: Any, a: int, b: int) -> Tensor:
    """y = x with two axes exchanged. 中文：交换两个轴。"""
    ndim = len(shape_of(x))
    order = list(range(ndim))
    a, b = normalize_axis_index(a, ndim), normalize_axis_index(b, ndim)
    order[a], order[b] = b, a
    return Transpose(x, axes=tuple(order), back=tuple(order))


def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Tensor:
    """y = x with new axes of length 1 at the places named. 中文：增加长度为 1 的轴。"""
    shape = list(shape_of(x))
    places = normalize_axis_tuple(axis, len(shape) + (len(axis) if isinstance(axis, tuple) else 1))
    for place in sorted(places):
        shape.insert(place, 1)
    return Reshape(x, shape=tuple(shape))


def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """y = x without its axes of length 1, or without those named. 中文：去掉长度为 1 的轴。

    Raises ValueError for a named axis of another length.
    """
    shape = shape_of(x)
    axes = tuple(i for i, n in enumerate(shape) if n == 1) if axis is None else normalize_axis_tuple(axis, len(shape))
    if any(shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: axes {axes} of shape {shape} are not all of length 1")
    return Reshape(x, shape=tuple(n for i, n in enumerate(shape) if i not in axes))


def broadcast_to(x: Any, shape: tuple[int, ...]) -> Tensor:
    """y = x repeated to a larger shape. 中文：广播到指定形状。Raises ValueError where the shapes do not fit."""
    return BroadcastTo(x, shape=tuple(shape))


def concat(tensors: Any, axis: int = 0) -> Tensor:
    """y = [x₁ x₂ …] along an axis that exists. 中文：拼接。

    Raises ValueError for an empty list or shapes that differ elsewhere.
    """
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError("concat needs at least one tensor")
    axis = normalize_axis_index(axis, len(shape_of(tensors[0])))
    lengths = [shape_of(x)[axis] if len(shape_of(x)) > axis else 0 for x in tensors]
    return Concat(*tensors, axis=axis, ends=tuple(np.cumsum(lengths)[:-1].tolist()))


def stack(tensors: Any, axis: int = 0) -> Tensor:
    """y = the tensors, all of one shape, along a new axis. 中文：堆叠。"""
    tensors = tuple(tensors)
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    if len({shape_of(x) for x in tensors}) > 1:
        raise ValueError(f"stack needs tensors of one shape, not {', '.join(str(shape_of(x)) for x in tensors)}")
    return concat([expand_dims(x, axis) for x in tensors], axis)


def split(x: Any, parts: int | list[int] | tuple[int, ...], axis: int = 0) -> tuple[Tensor, ...]:
    """[y₁ y₂ …] = x, as numpy.split: a number of equal parts, or the places where to cut. 中文：切分。

    Raises ValueError where x does not divide into equal parts.
    """
    axis = normalize_axis_index(axis, len(shape_of(x)))
    length = shape_of(x)[axis]
    if isinstance(parts, (int, np.integer)):
        if parts < 1 or length % parts:
            raise ValueError(f"split: {length} along axis {axis} does not divide into {parts} equal parts")
        parts = list(range(length // parts, length, length // parts)) if length else [0] * (int(parts) - 1)
    ends = [min(end + length if end < 0 else end, length) for end in parts]
    if ends != sorted(ends) or (ends and ends[0] < 0):
        raise ValueError(f"split: the places {list(parts)} must rise from 0 to {length}")
    return tuple(Split(x, axis=axis, ends=tuple(int(end) for end in ends)))


def pad(x: Any, widths: Any, value: float = 0.0) -> Tensor:
    """y = x with `value` around it; widths as in numpy.pad: n, (before, after), or a pair an axis. 中文：填充。"""
    shape = shape_of(x)
    pairs = tuple((int(a), int(b)) for a, b in np.broadcast_to(np.asarray(widths, np.int64), (len(shape), 2)))
    if any(a < 0 or b < 0 for a, b in pairs):
        raise ValueError(f"pad: widths are ≥ 0, not {widths}; to cut, index")
    inner = tuple(slice(a, a + n) for (a, _), n in zip(pairs, shape, strict=True))
    return Pad(x, widths=pairs or 0, value=value, inner=inner)


def flip(x: Any, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """y = x in reverse order along the axes, or along all. 中文：翻转。"""
    ndim = len(shape_of(x))
    return Flip(x, axis=tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim))


def roll(x: Any, shift: int | tuple[int, ...], axis: int | tuple[int, ...] | None = None) -> Tensor:
    """y = x shifted around along an axis; without one, x is shifted as if flat. 中文：循环移位。"""
    if axis is None:
        return reshape(roll(flatten(x), shift, 0), shape_of(x))
    axes = normalize_axis_tuple(axis, len(shape_of(x)))
    shifts = tuple(int(s) for s in np.broadcast_to(shift, len(axes)))
    return Roll(x, shift=shifts, axis=axes, back=tuple(-s for s in shifts))
