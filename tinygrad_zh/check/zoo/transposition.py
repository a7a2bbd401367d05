"""Right numbers in the wrong places: transposed, swapped, flipped or rolled. 转置与次序错误"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.check.zoo.twins import Arctan2, Determinant, Inverse
from tinygrad_zh.core.op import Op


@planted(normal(5), right=F.flip,
         cure="return dy[::-1]",
         en="Forward turns the sequence round, backward does not. A gradient of all ones looks the same both ways.",
         zh="前向把序列倒过来，反向没有。上游梯度若是全 1，正着倒着都一样。")
class FlipForgotten(Op):
    """yᵢ = xₙ₋₁₋ᵢ
    中文：翻转
    """

    def forward(x):
        return x[::-1]

    def backward(dy):
        return dy


@planted(normal(7), right=lambda x: F.roll(x, 2),
         cure="return np.roll(dy, -2)",
         en="To undo a shift, shift back. Here it is shifted on.",
         zh="撤销移位应当往回移，这里却又往前移了一次。")
class RollTheSameWay(Op):
    """yᵢ = xᵢ₋₂, round and round
    中文：循环移位
    """

    def forward(x):
        return np.roll(x, 2)

    def backward(dy):
        return np.roll(dy, 2)


@planted(normal(4), normal(4, seed=1), right=Arctan2,
         cure="return dangle * x / (x * x + y * y), -dangle * y / (x * x + y * y)",
         en="atan2 takes y first. The two partials were returned in alphabetical order.",
         zh="atan2 的第一个参数是 y。两个偏导却按字母顺序返回，正好颠倒。",
         threads=("keops #155",))
class PartialsSwapped(Op):
    """θ = atan2(y, x)
    中文：二元反正切
    """

    outputs = ("angle",)

    def forward(y, x):
        return np.arctan2(y, x)

    def backward(dangle, y, x):
        return -dangle * y / (x * x + y * y), dangle * x / (x * x + y * y)


@planted(normal(3, 3), normal(3, 3, seed=1), right=lambda a, x: a @ x @ a.mT,
         cure="return a.mT @ dy @ a",
         en="A product from both sides, as in the propagation of a covariance. The gradient was sent through it the "
            "same way as the matrix; it goes through the transposes.",
         zh="左右各乘一个矩阵，例如协方差的传播。梯度照原样又乘了一遍，其实应当乘各自的转置。")
class SandwichTheSameWay(Op):
    """Y = A X Aᵀ
    中文：合同变换
    """

    def forward(a, x):
        return a @ x @ a.mT

    def backward_a(dy, a, x):
        return dy @ a @ x.mT + dy.mT @ a @ x

    def backward_x(dy, a):
        return a @ dy @ a.mT


@planted(np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 0.2, 1.5]]), right=Inverse,
         cure="return -y.mT @ dy @ y.mT",
         en="d(X⁻¹) = −X⁻¹ dX X⁻¹ is the differential. The gradient is its adjoint, with transposes; for symmetric "
            "matrices, and covariances are, both agree.",
         zh="d(X⁻¹) = −X⁻¹ dX X⁻¹ 是微分，梯度是它的伴随，要加转置。协方差矩阵是对称的，两者恰好相同。")
class DifferentialForGradient(Op):
    """Y = X⁻¹
    中文：逆矩阵
    """

    def forward(x):
        return np.linalg.inv(x)

    def backward(dy, y):
        return -y @ dy @ y


@planted(normal(3, 3), right=Determinant,
         cure="return dy * y * np.linalg.inv(x).mT",
         en="Jacobi's formula with the inverse, where the inverse transposed belongs. Right on every symmetric "
            "matrix.",
         zh="雅可比公式里应当是逆的转置，写成了逆。凡是对称矩阵，都看不出错。")
class AdjugateNotTransposed(Op):
    """y = det X
    中文：行列式
    """

    def forward(x):
        return np.linalg.det(x)

    def backward(dy, x, y):
        return dy * y * np.linalg.inv(x)


@planted(normal(3, 3, 3), right=lambda x: F.transpose(x, 2, 0, 1),
         cure="return dy.transpose(1, 2, 0)",
         en="The axes were permuted by the same order on the way back. Two axes exchanged undo themselves; three in a "
            "circle do not. ROOT shipped a transpose with the order inverted.",
         zh="反向又按同一个次序重排了一遍轴。只交换两个轴，再做一次就还原；三个轴轮换，却要用逆排列。ROOT 发布过的转"
            "置算子就把次序弄反了。",
         threads=("root #10348",))
class PermutedAgain(Op):
    """y = x, its axes in the order 2, 0, 1
    中文：转置
    """

    def forward(x):
        return x.transpose(2, 0, 1)

    def backward(dy):
        return dy.transpose(2, 0, 1)


@planted(normal(6), normal(3, seed=1), right=lambda x, w: x[np.arange(4)[:, None] + np.arange(3)] @ w,
         cure="return np.correlate(np.pad(dy, 2), w[::-1])",
         en="The gradient of a convolution by its input is a convolution with the kernel turned round; everybody asks "
            "why. It was not turned round here, and with symmetric kernels (blur, edges of both sides) it is right.",
         zh="卷积对输入的梯度，是与翻转后的核再做卷积，人人都会问为什么要翻转。这里没有翻转；核若对称，例如模糊核，恰"
            "好也对。")
class KernelNotTurnedRound(Op):
    """yᵢ = Σₖ xᵢ₊ₖ wₖ
    中文：一维卷积
    """

    def forward(x, w):
        return np.correlate(x, w)

    def backward_x(dy, w):
        return np.correlate(np.pad(dy, 2), w)

    def backward_w(dy, x):
        return np.correlate(x, dy)


@planted(normal(3), normal(3, 3, seed=1), normal(3, seed=2), right=lambda x, w, z: x @ w @ z,
         cure="return dy * (w @ z), dy * np.outer(x, z), dy * (x @ w)",
         en="A bilinear score of two words. W was met from the wrong side, twice; had W been 3 by 4, it could not "
            "have run.",
         zh="两个词的双线性打分。W 从错误的一侧乘了两次；若 W 不是方阵，根本运行不了。")
class BilinearFromTheWrongSide(Op):
    """y = xᵀ W z
    中文：双线性打分
    """

    def forward(x, w, z):
        return x @ w @ z

    def backward(dy, x, w, z):
        return dy * (z @ w), dy * np.outer(x, z), dy * (w @ x)


@planted(normal(4, 3), right=lambda x: x.mT @ x,
         cure="return x @ (dy + dy.mT)",
         en="A Gram matrix is symmetric, so its gradient was taken to be symmetric too. What comes from above need "
            "not be, and a loss that looks at one corner alone proves it.",
         zh="Gram 矩阵是对称的，于是想当然地认为上游梯度也对称。其实未必：损失只看矩阵的一角，就不对称了。")
class GramTakenForSymmetric(Op):
    """Y = Xᵀ X
    中文：Gram 矩阵
    """

    def forward(x):
        return x.mT @ x

    def backward(dy, x):
        return 2 * x @ dy
