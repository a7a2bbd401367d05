"""Activations: the non-linear functions between layers. Without them all layers collapse into one (F21)."""

from __future__ import annotations

import numpy as np

from tinygrad_zh.core.op import Op


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
    ∂L/∂x = ∂L/∂y · (½ (1 + t) + ½ x (1 − t²) √(2/π) (1 + 0.134145 x²)), t the tanh
    中文：高斯误差线性单元（tanh 近似式）

    The tanh form, not Φ itself. Source: Hendrycks, Gimpel 2016.
    """

    def forward(x):
        t = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x)))
        return 0.5 * x * (1 + t)

    def backward(dy, x):
        t = np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x)))
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * ((2 / np.pi) ** 0.5 * (1 + 0.134145 * (x * x))))


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


class Softmax(Op):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ
    ∂L/∂x = y (∂L/∂y − Σ ∂L/∂y y)
    中文：归一化指数函数

    The largest x is subtracted first; the result is the same and nothing overflows. Bridle 1990.
    """

    def forward(x, *, axis=-1):
        e = np.exp(x - x.max(axis=axis, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=axis, keepdims=True)

    def backward(dy, y, *, axis):
        return y * (dy - (dy * y).sum(axis=axis, keepdims=True))


class LogSoftmax(Op):
    """yᵢ = xᵢ − ln Σⱼ eˣʲ
    ∂L/∂x = ∂L/∂y − eʸ Σ ∂L/∂y
    中文：归一化指数函数的对数
    """

    def forward(x, *, axis=-1):
        s = x - x.max(axis=axis, keepdims=True, initial=-np.inf)
        return s - np.log(np.exp(s).sum(axis=axis, keepdims=True))

    def backward(dy, y, *, axis):
        return dy - np.exp(y) * dy.sum(axis=axis, keepdims=True)
