"""Right ops that the engine has no use for: what bugs of the zoo are compared with. 正确的对照"""

from __future__ import annotations

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.ops.reduction import ProdOfOthers


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
    ∂L/∂X = ∂L/∂y · C, the cofactors of X; y X⁻ᵀ where X is not singular
    中文：行列式

    With X = U diag(s) Vᵀ the cofactors are det U det V · U diag(Π_{j≠i} sⱼ) Vᵀ, without a division.
    """

    def forward(x):
        return np.linalg.det(x)

    def backward(dy, x):
        u, s, vh = np.linalg.svd(x)
        return dy * np.linalg.det(u) * np.linalg.det(vh) * (u * ProdOfOthers(s)) @ vh


class Cholesky(Op):
    """L Lᵀ = ½ (X + Xᵀ), L lower triangular
    ∂L/∂X = ½ (S + Sᵀ), S = L⁻ᵀ Φ(Lᵀ · ∂L/∂L) L⁻¹, Φ the lower triangle with its diagonal halved
    中文：Cholesky 分解

    Source: Murray 2016, "Differentiation of the Cholesky decomposition".
    """

    def forward(x):
        return np.linalg.cholesky(0.5 * (x + x.mT))

    def backward(dy, y):
        phi = np.tril(y.mT @ dy)
        phi = phi - 0.5 * np.diag(np.diag(phi))
        s = np.linalg.inv(y).mT @ phi @ np.linalg.inv(y)
        return 0.5 * (s + s.mT)
