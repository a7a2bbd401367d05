"""Wrong signs: of the whole, of one input, of the negative half, of the direction of a turn. 符号错误"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.check.zoo.twins import Arctan2, Determinant, Inverse
from tinygrad_zh.core.op import Op


@planted(normal(2, 3), right=lambda x: -F.exp(x),
         cure="return dy * y",
         en="Backward used the output, which has the minus in it already, and put another one in front.",
         zh="反向用到了输出 y，而 y 里已经带着负号，又多写了一个。")
class WrongSign(Op):
    """y = −eˣ
    中文：负的指数函数
    """

    def forward(x):
        return -np.exp(x)

    def backward(dy, y):
        return -dy * y


@planted(normal(1000), right=F.cos,
         cure="return -dy * np.sin(x)",
         en="The minus of cos′ is missing, in a thousand elements. A checker whose tolerance grew with the size of "
            "the array let that pass.",
         zh="cos 的导数少了负号，而且一千个元素全错。有的检查器容差随数组变大，竟然放行了。",
         threads=("jax #3130",))
class WrongSignOfMany(Op):
    """y = cos x
    中文：余弦
    """

    def forward(x):
        return np.cos(x)

    def backward(dy, x):
        return dy * np.sin(x)


@planted(normal(7), right=lambda x: 0.5 * (F.exp(x) + F.exp(-x)),
         cure="return dy * np.sinh(x)",
         en="cosh is even, so its author made everything in sight even. The derivative of an even function is odd.",
         zh="cosh 是偶函数，作者便把导数也写成了偶的。偶函数的导数其实是奇函数。")
class SignLost(Op):
    """y = cosh x
    中文：双曲余弦
    """

    def forward(x):
        return np.cosh(x)

    def backward(dy, x):
        return dy * np.sinh(np.abs(x))


@planted(normal(3, 4), right=lambda x: F.sum(F.abs(x)),
         cure="return dy * np.sign(x)",
         en="The gradient of the L1 norm never negative: descent pushes every weight down, the negative ones away "
            "from zero.",
         zh="L1 范数的梯度永远为正：梯度下降把每个权重都往小里推，负的权重反而离零越来越远。",
         threads=("Epita-SCIA-OCVX #1",))
class LengthsArePositive(Op):
    """y = Σ |x|
    中文：一范数
    """

    def forward(x):
        return np.abs(x).sum()

    def backward(dy, x):
        return dy * np.abs(np.sign(x))


@planted(normal(5), normal(5, seed=1), right=Arctan2,
         cure="return -dangle * y / (x * x + y * y)",
         en="The angle falls as x grows, for positive y; the minus that says so was lost. The partial by y is right.",
         zh="y 为正时，x 越大角度越小，偏导应带负号，却丢了；对 y 的偏导没有错。",
         threads=("Enzyme-JAX #2066",))
class AngleWithoutMinus(Op):
    """θ = atan2(y, x)
    中文：二元反正切
    """

    outputs = ("angle",)

    def forward(y, x):
        return np.arctan2(y, x)

    def backward_y(dangle, y, x):
        return dangle * x / (x * x + y * y)

    def backward_x(dangle, y, x):
        return dangle * y / (x * x + y * y)


@planted(normal(2, 3), normal(2, 3, seed=1), np.array([[0.2], [0.7]]), right=lambda a, b, w: a + w * (b - a),
         cure="return dy * (b - a)",
         en="A blend of two pictures moves from a to b as w grows. Its derivative was written down as a − b, in the "
            "order of the arguments.",
         zh="两幅图混合，w 越大越接近 b；导数却按参数的先后写成了 a − b。")
class BlendBackwards(Op):
    """y = a + w (b − a)
    中文：线性插值
    """

    def forward(a, b, w):
        return a + w * (b - a)

    def backward_a(dy, w):
        return dy * (1 - w)

    def backward_b(dy, w):
        return dy * w

    def backward_w(dy, a, b):
        return dy * (a - b)


@planted(np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 0.0], [0.5, 0.2, 1.5]]), right=Inverse,
         cure="return -y.mT @ dy @ y.mT",
         en="The transposes are in their places and the minus of (1/x)′ = −1/x² is not: for matrices it is just as "
            "much there as for numbers.",
         zh="转置都放对了，唯独漏了负号。(1/x)′ = −1/x² 的负号，矩阵求逆同样有。")
class InverseWithoutMinus(Op):
    """Y = X⁻¹
    中文：逆矩阵
    """

    def forward(x):
        return np.linalg.inv(x)

    def backward(dy, y):
        return y.mT @ dy @ y.mT


@planted(normal(4, 2), np.array([0.0, 0.5, 1.0, 1.5]),
         right=lambda x, t: F.stack([F.cos(t) * x[:, 0] - F.sin(t) * x[:, 1],
                                     F.sin(t) * x[:, 0] + F.cos(t) * x[:, 1]], axis=1),
         cure="return turned(dy, -t)",
         en="A rotary embedding turns each pair by an angle that depends on its place. The gradient has to be turned "
            "back; here it is turned on. At the first place, where the angle is 0, both are the same.",
         zh="旋转位置编码把每对分量按位置转过一个角度，梯度应当转回来，这里却又往前转了一次。首个位置角度为 0，看不出"
            "差别。")
class TurnedOn(Op):
    """y = R(θ) x
    中文：旋转位置编码
    """

    def forward(x, t):
        return turned(x, t)

    def backward_x(dy, t):
        return turned(dy, t)

    def backward_t(dy, y):
        return dy[:, 1] * y[:, 0] - dy[:, 0] * y[:, 1]


def turned(x, t):
    return np.stack([np.cos(t) * x[:, 0] - np.sin(t) * x[:, 1], np.sin(t) * x[:, 0] + np.cos(t) * x[:, 1]], axis=1)


NEXT, AFTER = np.array([1, 2, 0]), np.array([2, 0, 1])


@planted(normal(3), normal(3, seed=1), right=lambda a, b: a[NEXT] * b[AFTER] - a[AFTER] * b[NEXT],
         cure="return np.cross(b, dy)",
         en="The cross product changes its sign with the order of its factors, and the gradients were written as if "
            "the order did not matter.",
         zh="叉积交换因子就要变号，而梯度写得好像次序无关紧要。")
class CrossedTheOtherWay(Op):
    """y = a × b
    中文：叉积
    """

    def forward(a, b):
        return np.cross(a, b)

    def backward_a(dy, b):
        return np.cross(dy, b)

    def backward_b(dy, a):
        return np.cross(dy, a)


@planted(normal(4), normal(4, seed=1), right=lambda p, t: F.huber_loss(p, t, delta=0.5),
         cure="return -dy * np.clip(p - t, -0.5, 0.5) / p.size",
         en="A loss is differentiated for its prediction, and the line is copied for its target. Where two networks "
            "learn from each other, the second one runs away.",
         zh="损失对预测求了导，再把这一行抄给目标。两个网络互为目标时，第二个只会越跑越远。")
class TargetFollows(Op):
    """L = the mean of ½ e² where |e| ≤ ½, else ½ (|e| − ¼), e = ŷ − y
    中文：胡伯损失
    """

    def forward(p, t):
        e = np.abs(p - t)
        return np.where(e <= 0.5, 0.5 * e * e, 0.5 * (e - 0.25)).mean()

    def backward_p(dy, p, t):
        return dy * np.clip(p - t, -0.5, 0.5) / p.size

    def backward_t(dy, p, t):
        return dy * np.clip(p - t, -0.5, 0.5) / p.size


@planted(normal(2), np.array([[2.0, 0.5], [0.5, 1.0]]),
         right=lambda x, c: -0.5 * (x @ Inverse(c) @ x + F.log(Determinant(c))) - math.log(2 * math.pi),
         cure="return dy * 0.5 * (np.outer(a, a) - np.linalg.inv(c).mT)",
         en="The log density of a Gaussian, by its covariance, with the sign the wrong way round. A typing slip in "
            "the tests had kept them from running, and the release went out.",
         zh="高斯对数密度对协方差的导数正负颠倒。测试脚本里一处笔误让这些测试从未运行，错误便随版本发布了出去。",
         threads=("autograd #412",))
class CovarianceUpsideDown(Op):
    """y = −½ (xᵀ C⁻¹ x + ln det C) − ln 2π, x of two dimensions
    中文：二元高斯的对数密度
    """

    def forward(x, c):
        return -0.5 * (x @ np.linalg.solve(c, x) + np.log(np.linalg.det(c))) - math.log(2 * math.pi)

    def backward_x(dy, x, c):
        return -dy * 0.5 * (np.linalg.solve(c, x) + np.linalg.solve(c.mT, x))

    def backward_c(dy, x, c):
        a = np.linalg.solve(c, x)
        return dy * 0.5 * (np.linalg.inv(c).mT - np.outer(a, a))
