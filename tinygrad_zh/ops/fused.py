"""Bias and activation in one op: a layer reads and writes its numbers once instead of twice."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, shape_of
from tinygrad_zh.ops.activation import Sigmoid


class BiasReLU(Op):
    """y = max(0, x + b)
    ∂L/∂x = ∂L/∂y where y > 0, else 0
    ∂L/∂b = ∂L/∂x
    中文：加偏置后线性整流
    """

    def forward(x, b):
        return np.maximum(x + b, 0)

    def backward(dy, y):
        dx = np.where(y > 0, dy, 0)
        return dx, dx


class BiasSigmoid(Op):
    """y = σ(x + b)
    ∂L/∂x = ∂L/∂y · y (1 − y)
    ∂L/∂b = ∂L/∂x
    中文：加偏置后取 S 型函数
    """

    def forward(x, b):
        return Sigmoid(x + b)

    def backward(dy, y):
        dx = dy * y * (1 - y)
        return dx, dx


class BiasTanh(Op):
    """y = tanh(x + b)
    ∂L/∂x = ∂L/∂y · (1 − y²)
    ∂L/∂b = ∂L/∂x
    中文：加偏置后取双曲正切
    """

    def forward(x, b):
        return np.tanh(x + b)

    def backward(dy, y):
        dx = dy * (1 - y * y)
        return dx, dx


class BiasGELU(Op):
    """y = ½ z (1 + tanh(√(2/π) (z + 0.044715 z³))), z = x + b
    ∂L/∂x = ∂L/∂y · (s + z s (1 − s) √(8/π) (1 + 0.134145 z²)), s = σ(√(8/π) (z + 0.044715 z³))
    ∂L/∂b = ∂L/∂x
    中文：加偏置后取高斯误差线性单元（tanh 近似式）

    Computed as z s, like GELU. Backward needs z and not y: y falls, then rises, so z cannot be read off it.
    """

    def forward(x, b):
        z = x + b
        return z * Sigmoid((8 / np.pi) ** 0.5 * (z + 0.044715 * (z * z * z)))

    def backward(dy, x, b):
        z = x + b
        s = Sigmoid((8 / np.pi) ** 0.5 * (z + 0.044715 * (z * z * z)))
        dx = dy * (s + z * (s * (1 - s)) * ((8 / np.pi) ** 0.5 * (1 + 0.134145 * (z * z))))
        return dx, dx


# ---- what users call


def bias_relu(x: Any, b: Any) -> Tensor:
    """y = max(0, x + b). x (…, n), b (n,); ValueError for other shapes. 中文：加偏置后线性整流。"""
    _check_bias("bias_relu", x, b)
    return BiasReLU(x, b)


def bias_sigmoid(x: Any, b: Any) -> Tensor:
    """y = σ(x + b). x (…, n), b (n,); ValueError for other shapes. 中文：加偏置后取 S 型函数。"""
    _check_bias("bias_sigmoid", x, b)
    return BiasSigmoid(x, b)


def bias_tanh(x: Any, b: Any) -> Tensor:
    """y = tanh(x + b). x (…, n), b (n,); ValueError for other shapes. 中文：加偏置后取双曲正切。"""
    _check_bias("bias_tanh", x, b)
    return BiasTanh(x, b)


def bias_gelu(x: Any, b: Any) -> Tensor:
    """y = z σ(√(8/π) (z + 0.044715 z³)), z = x + b. x (…, n), b (n,); ValueError for other shapes.

    The tanh form of GELU. 中文：加偏置后取高斯误差线性单元。
    """
    _check_bias("bias_gelu", x, b)
    return BiasGELU(x, b)


def _check_bias(name: str, x: Any, b: Any) -> None:
    shape, given = shape_of(x), shape_of(b)
    if not shape or given != shape[-1:]:
        raise ValueError(f"{name} adds one number to each column: x (…, n) and b (n,), not {shape} and {given}; "
                         "for other shapes write the sum and the activation as two ops")
