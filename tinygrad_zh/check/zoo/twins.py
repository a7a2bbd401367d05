"""Right ops that the engine has no use for: what bugs of the zoo are compared with. 正确的对照"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_zh.core.op import Op


class Arctan2(Op):
    """θ = atan2(y, x)
    ∂L/∂y = ∂L/∂θ · x / (x² + y²), 0 at the origin
    ∂L/∂x = −∂L/∂θ · y / (x² + y²), 0 at the origin
    中文：二元反正切
    """

    outputs = ("angle",)

    def forward(y, x):
        return np.arctan2(y, x)

    def backward_y(dangle, y, x):
        square = x * x + y * y
        return dangle * x / np.where(square > 0, square, 1)

    def backward_x(dangle, y, x):
        square = x * x + y * y
        return -dangle * y / np.where(square > 0, square, 1)


class Inverse(Op):
    """Y = X⁻¹
    ∂L/∂X = −Yᵀ · ∂L/∂Y · Yᵀ
    中文：逆矩阵
    """

    def forward(x):
        return np.linalg.inv(x)

    def backward(dy, y):
        return -y.mT @ dy @ y.mT


class Determinant(Op):
    """y = det X
    ∂L/∂X = ∂L/∂y · y X⁻ᵀ
    中文：行列式
    """

    def forward(x):
        return np.linalg.det(x)

    def backward(dy, x, y):
        return dy * y * np.linalg.inv(x).mT


class NormalCDF(Op):
    """y = Φ(x) = ½ (1 + erf(x / √2))
    ∂L/∂x = ∂L/∂y · e^(−x²/2) / √(2π)
    中文：标准正态分布函数
    """

    def forward(x):
        return 0.5 + 0.5 * np.vectorize(math.erf, otypes=[x.dtype])(x / 2**0.5)

    def backward(dy, x):
        return dy * np.exp(-0.5 * x * x) / (2 * math.pi) ** 0.5
