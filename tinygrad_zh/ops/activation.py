"""Activations: the non-linear functions between layers. Without them all layers collapse into one (F21)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, beside


class ReLU(Op):
    """y = max(0, x)
    ∂L/∂x = ∂L/∂y where x > 0, else 0
    中文：线性整流函数（0 处取 0；x < 0 时梯度为零，即“神经元死亡”）

    Document 001 §2.5.2 (F12).
    """

    def forward(x):
        return np.maximum(x, 0)

    def backward(dy, y):
        return np.where(y > 0, dy, 0)


class LeakyReLU(Op):
    """y = x where x > 0, else s x
    ∂L/∂x = ∂L/∂y where x > 0, else s ∂L/∂y
    中文：带泄漏的线性整流函数

    Source: Maas, Hannun, Ng 2013.
    """

    def forward(x, *, slope=0.01):
        return np.where(x > 0, x, slope * x)

    def backward(dy, x, *, slope):
        return np.where(x > 0, dy, slope * dy)


class Sigmoid(Op):
    """σ(x) = 1 / (1 + e⁻ˣ)
    ∂L/∂x = ∂L/∂y · y (1 − y)
    中文：S 型函数

    Written with e^−|x| so that it never overflows. Document 001 §2.5.2 (F13), 002 §4.2 (F15).
    """

    def forward(x):
        e = np.exp(-np.abs(x))
        return np.where(x >= 0, 1, e) / (1 + e)

    def backward(dy, y):
        return dy * y * (1 - y)


class LogSigmoid(Op):
    """y = ln σ(x) = −ln(1 + e⁻ˣ)
    ∂L/∂x = ∂L/∂y · σ(−x)
    中文：S 型函数的对数
    """

    def forward(x):
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(dy, x):
        return dy * Sigmoid(-x)


class Tanh(Op):
    """y = tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)
    ∂L/∂x = ∂L/∂y · (1 − y²)
    中文：双曲正切

    Document 001 §2.5.2 (F14).
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return dy * (1 - y * y)


class GELU(Op):
    """y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    ∂L/∂x = ∂L/∂y · (s + x s (1 − s) √(8/π) (1 + 0.134145 x²)), s = σ(√(8/π) (x + 0.044715 x³))
    中文：高斯误差线性单元（tanh 近似式）

    The tanh form, not Φ itself. Computed as x s, because ½ (1 + tanh u) = σ(2u), and left of −6 nothing is left of
    the digits of 1 + tanh u. Source: Hendrycks, Gimpel 2016.
    """

    def forward(x):
        return x * Sigmoid((8 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x)))

    def backward(dy, x):
        s = Sigmoid((8 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x)))
        return dy * (s + x * (s * (1 - s)) * ((8 / np.pi) ** 0.5 * (1 + 0.134145 * (x * x))))


class SiLU(Op):
    """y = x σ(x)
    ∂L/∂x = ∂L/∂y · σ(x) (1 + x (1 − σ(x)))
    中文：S 型加权线性单元（swish）

    Source: Elfwing, Uchibe, Doya 2017.
    """

    def forward(x):
        return x * Sigmoid(x)

    def backward(dy, x):
        s = Sigmoid(x)
        return dy * (s * (1 + x * (1 - s)))


class Softplus(Op):
    """y = ln(1 + eˣ)
    ∂L/∂x = ∂L/∂y · σ(x)
    中文：平滑的线性整流函数
    """

    def forward(x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def backward(dy, x):
        return dy * Sigmoid(x)


def largest(x, axis):
    """max x along an axis, which stays as 1. Of nothing it is 0: nothing is subtracted from it."""
    return x.max(axis=axis, keepdims=True) if x.size else x.sum(axis=axis, keepdims=True)


class Softmax(Op):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ
    ∂L/∂x = y (∂L/∂y − Σ ∂L/∂y y)
    中文：归一化指数函数

    The largest x is subtracted first; the result is the same and nothing overflows. Bridle 1990.
    """

    def forward(x, *, axis=-1):
        e = np.exp(x - largest(x, axis))
        return e / e.sum(axis=axis, keepdims=True)

    def backward(dy, y, *, axis):
        return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


class MaskedSoftmax(Op):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ over the j that the mask allows, 0 elsewhere
    ∂L/∂x = y (∂L/∂y − Σ ∂L/∂y y)
    中文：带掩码的归一化指数函数

    Where nothing is allowed, y and its gradient are zero. What is masked out may be anything, nan too.
    """

    def forward(x, mask, *, axis=-1):
        s = np.where(mask, x, -np.inf)
        top = largest(s, axis)
        e = np.exp(s - np.where(top == -np.inf, 0, top))
        z = e.sum(axis=axis, keepdims=True)
        return e / np.where(z == 0, 1, z)

    def backward_x(dy, y, *, axis):
        return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


class LogSoftmax(Op):
    """yᵢ = xᵢ − ln Σⱼ eˣʲ
    ∂L/∂x = ∂L/∂y − eʸ Σ ∂L/∂y
    中文：归一化指数函数的对数
    """

    def forward(x, *, axis=-1):
        s = x - largest(x, axis)
        return s - np.log(np.exp(s).sum(axis=axis, keepdims=True))

    def backward(dy, y, *, axis):
        return dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)


# ---- what users call


def masked_softmax(x: Any, mask: Any, axis: int = -1) -> Tensor:
    """yᵢ = eˣⁱ / Σⱼ eˣʲ over the j where the mask is true, 0 elsewhere. 中文：带掩码的归一化指数函数。

    mask: booleans that broadcast to x's shape. Where all along the axis is masked, y is zero and so is its gradient.
    Raises TypeError for a mask that is not boolean, ValueError for one of another shape.

    >>> masked_softmax(np.array([0.0, 0.0, np.nan]), [True, True, False])
    array([0.5, 0.5, 0. ])
    """
    mask = check_mask("masked_softmax", beside(mask, x), np.shape(x))
    return MaskedSoftmax(x, mask, axis=normalize_axis_index(axis, np.ndim(x)))


def check_mask(name: str, mask: Any, shape: tuple[int, ...], tip: str = "") -> Any:
    """The mask, if it is of booleans and broadcasts to a shape without enlarging it."""
    if mask.dtype != np.bool_:
        raise TypeError(f"{name}: a mask is boolean, true for what counts, not {mask.dtype}")
    pairs = zip(mask.shape[::-1], shape[::-1], strict=False)
    if len(mask.shape) > len(shape) or not all(length in (1, wanted) for length, wanted in pairs):
        raise ValueError(f"{name}: a mask of shape {mask.shape} does not broadcast to {shape}{tip}")
    return mask
