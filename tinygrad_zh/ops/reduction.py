"""Reductions over one axis, several, or all. `kept` is the result's shape with the reduced axes left in as 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, shape_of
from tinygrad_zh.ops.arithmetic import Abs
from tinygrad_zh.ops.shape import reshape, transpose

Axis = int | tuple[int, ...] | None


class Sum(Op):
    """y = Σ x
    ∂L/∂x = ∂L/∂y, at every x that was summed
    中文：求和
    """

    def forward(x, *, axis=None, keepdims=False, kept=()):
        return x.sum(axis=axis, keepdims=keepdims)

    def backward(dy, x_shape, *, kept):
        return np.broadcast_to(dy.reshape(kept), x_shape)


class Mean(Op):
    """y = Σ x / n
    ∂L/∂x = ∂L/∂y / n
    中文：均值
    """

    def forward(x, *, axis=None, keepdims=False, kept=(), n):
        return x.mean(axis=axis, keepdims=keepdims)

    def backward(dy, x_shape, *, kept, n):
        return np.broadcast_to(dy.reshape(kept) / n, x_shape)


class Var(Op):
    """y = Σ (x − μ)² / n
    ∂L/∂x = ∂L/∂y · 2 (x − μ) / n
    中文：方差（n 为样本数减 ddof）
    """

    aux = ("mean",)

    def forward(x, *, axis=None, keepdims=False, kept=(), n):
        mean = x.mean(axis=axis, keepdims=True)
        return ((x - mean) ** 2).sum(axis=axis, keepdims=keepdims) / n, mean

    def backward(dy, x, mean, *, kept, n):
        return dy.reshape(kept) * (2 / n) * (x - mean)


class Std(Op):
    """y = √(Σ (x − μ)² / n)
    ∂L/∂x = ∂L/∂y · (x − μ) / (n y), 0 where y = 0
    中文：标准差
    """

    aux = ("mean",)

    def forward(x, *, axis=None, keepdims=False, kept=(), n):
        mean = x.mean(axis=axis, keepdims=True)
        return np.sqrt(((x - mean) ** 2).sum(axis=axis, keepdims=keepdims) / n), mean

    def backward(dy, x, y, mean, *, kept, n):
        spread = y.reshape(kept)
        return dy.reshape(kept) * np.where(spread > 0, (x - mean) / (n * np.where(spread > 0, spread, 1)), 0)


class Max(Op):
    """y = max x
    ∂L/∂x = ∂L/∂y at the maximum, shared equally where several are equal, 0 elsewhere
    中文：最大值（并列时平分梯度）
    """

    def forward(x, *, axis=None, keepdims=False, kept=()):
        return x.max(axis=axis, keepdims=keepdims)

    def backward(dy, x, y, *, axis, kept):
        top = x == y.reshape(kept)
        return dy.reshape(kept) * (top / top.sum(axis=axis, keepdims=True)).astype(dy.dtype)


class Min(Op):
    """y = min x
    ∂L/∂x = ∂L/∂y at the minimum, shared equally where several are equal, 0 elsewhere
    中文：最小值（并列时平分梯度）
    """

    def forward(x, *, axis=None, keepdims=False, kept=()):
        return x.min(axis=axis, keepdims=keepdims)

    def backward(dy, x, y, *, axis, kept):
        bottom = x == y.reshape(kept)
        return dy.reshape(kept) * (bottom / bottom.sum(axis=axis, keepdims=True)).astype(dy.dtype)


class Prod(Op):
    """y = Π x, along the last axis
    ∂L/∂xᵢ = ∂L/∂y · Π_{j≠i} xⱼ
    中文：连乘（对零安全）
    """

    def forward(x):
        return x.prod(axis=-1)

    def backward(dy, x):
        return dy[..., None] * ProdOfOthers(x)


class ProdOfOthers(Op):
    """yᵢ = Π_{j≠i} xⱼ, along the last axis, without dividing: right where some x are 0
    ∂L/∂xₖ = Σ_{i≠k} ∂L/∂yᵢ · Π_{j≠i,k} xⱼ
    中文：其余元素之积
    """

    def forward(x):
        one = np.ones_like(x[..., :1])
        before = np.cumprod(np.concatenate([one, x[..., :-1]], axis=-1), axis=-1)
        after = np.cumprod(np.concatenate([one, x[..., :0:-1]], axis=-1), axis=-1)
        return before * after[..., ::-1]

    def backward(dy, x):
        self_ = np.identity(x.shape[-1], dtype=bool, like=x)
        others = np.where(self_, 1.0, x[..., None, :])  # row i leaves xᵢ out
        return np.where(self_, 0.0, dy[..., None] * ProdOfOthers(others)).sum(axis=-2)


class LogSumExp(Op):
    """y = ln Σ eˣ
    ∂L/∂x = ∂L/∂y · eˣ⁻ʸ
    中文：对数求和指数（不溢出）
    """

    def forward(x, *, axis=None, kept=(), shape=()):
        top = x.max(axis=axis, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        return (top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))).reshape(shape)

    def backward(dy, x, y, *, kept):
        return dy.reshape(kept) * np.exp(x - np.where(y == -np.inf, 0, y).reshape(kept))


class Norm(Op):
    """y = √(Σ x²)
    ∂L/∂x = ∂L/∂y · x / y, 0 where y = 0
    中文：二范数
    """

    def forward(x, *, axis=None, keepdims=False, kept=()):
        return np.sqrt((x * x).sum(axis=axis, keepdims=keepdims))

    def backward(dy, x, y, *, kept):
        length = y.reshape(kept)
        return dy.reshape(kept) * np.where(length > 0, x / np.where(length > 0, length, 1), 0)


class ArgMax(Op):
    """y = the index of the largest x, the first where several are equal
    中文：最大值的下标（无梯度）
    """

    def forward(x, *, axis=None, keepdims=False):
        return np.argmax(x, axis=axis, keepdims=keepdims)


class ArgMin(Op):
    """y = the index of the smallest x, the first where several are equal
    中文：最小值的下标（无梯度）
    """

    def forward(x, *, axis=None, keepdims=False):
        return np.argmin(x, axis=axis, keepdims=keepdims)


# ---- what users call


def _plan(x: Any, axis: Axis, keepdims: bool) -> tuple[dict[str, Any], int]:
    """The literals of a reduction, and how many elements each result is made of."""
    if not isinstance(axis, (int, np.integer, tuple, list, type(None))):
        raise TypeError(f"an axis is an integer or a tuple of integers, not {axis!r}")
    shape = shape_of(x)
    if axis is None:
        return {"axis": None, "keepdims": bool(keepdims), "kept": (1,) * len(shape)}, math.prod(shape)
    axes = normalize_axis_tuple(axis, len(shape), "axis")
    kept = tuple([1 if i in axes else n for i, n in enumerate(shape)])
    return {"axis": axes, "keepdims": bool(keepdims), "kept": kept}, math.prod([shape[i] for i in axes])


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = Σ x over one axis, a tuple of axes, or all of them. 中文：求和。

    The sum over an axis of length 0 is 0. Half precision is summed in float32 by NumPy's rules of pairs.
    Raises numpy.exceptions.AxisError (an IndexError and ValueError) for an axis that is not there or given twice.

    >>> import tinygrad_zh as tz
    >>> tz.functional.sum(tz.tensor([[1.0, 2.0], [3.0, 4.0]]), axis=0).tolist()
    [4.0, 6.0]
    """
    return Sum(x, **_plan(x, axis, keepdims)[0])


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = Σ x / n. The mean of nothing is nan. 中文：均值。"""
    plan, n = _plan(x, axis, keepdims)
    return Mean(x, **plan, n=n or 1)


def _divisor(name: str, n: int, ddof: float) -> float:
    if n - ddof <= 0:
        raise ValueError(f"{name}: {n} values with ddof={ddof} leave nothing to divide by; "
                         f"it needs more than {ddof} values")
    return n - ddof


def var(x: Any, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Tensor:
    """y = Σ (x − μ)² / (n − ddof), NumPy's variance: ddof is 0 unless given. 中文：方差。

    Raises ValueError where n ≤ ddof.
    """
    plan, n = _plan(x, axis, keepdims)
    return Var(x, **plan, n=_divisor("var", n, ddof))


def std(x: Any, axis: Axis = None, keepdims: bool = False, ddof: float = 0) -> Tensor:
    """y = √var(x). Its slope is 0 where all values are equal. 中文：标准差。"""
    plan, n = _plan(x, axis, keepdims)
    return Std(x, **plan, n=_divisor("std", n, ddof))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = max x; equal maxima share the gradient. nan if any x is nan. 中文：最大值。

    Raises ValueError over an axis of length 0.
    """
    return Max(x, **_plan(x, axis, keepdims)[0])


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = min x; equal minima share the gradient. nan if any x is nan. 中文：最小值。"""
    return Min(x, **_plan(x, axis, keepdims)[0])


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = ln Σ eˣ, without overflow. 中文：对数求和指数。

    Where all x are −∞ the result is −∞ and the gradient 0.
    """
    plan, _ = _plan(x, axis, keepdims)
    axes = range(len(plan["kept"])) if axis is None else plan["axis"]
    shape = plan["kept"] if keepdims else tuple(n for i, n in enumerate(plan["kept"]) if i not in axes)
    return LogSumExp(x, axis=plan["axis"], kept=plan["kept"], shape=shape)


def prod(x: Any, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = Π x, with gradients that are right where one x or several are 0. 中文：连乘。"""
    plan, n = _plan(x, axis, keepdims)
    axes = tuple(range(len(plan["kept"]))) if axis is None else plan["axis"]
    rest = tuple(i for i in range(len(plan["kept"])) if i not in axes)
    shape = tuple(plan["kept"][i] for i in rest)
    y = Prod(reshape(transpose(x, rest + axes), (*shape, n)))
    return reshape(y, plan["kept"]) if keepdims else y


def norm(x: Any, ord: float = 2, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """y = √(Σ x²); ord=1 gives Σ |x|, ord=inf max |x|. Over all axes, it is the norm of the flattened x. 中文：范数。

    The slope at x = 0 is 0. Raises ValueError for any other ord.
    """
    if ord == 2:
        return Norm(x, **_plan(x, axis, keepdims)[0])
    if ord == 1:
        return sum(Abs(x), axis, keepdims)
    if ord == np.inf:
        return max(Abs(x), axis, keepdims)
    raise ValueError(f"norm: ord is 1, 2 or inf, not {ord!r}")


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """y = the index of the largest x (of the flattened x without an axis). A constant. 中文：最大值的下标。"""
    return ArgMax(x, axis=axis, keepdims=keepdims)


def argmin(x: Any, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """y = the index of the smallest x (of the flattened x without an axis). A constant. 中文：最小值的下标。"""
    return ArgMin(x, axis=axis, keepdims=keepdims)
