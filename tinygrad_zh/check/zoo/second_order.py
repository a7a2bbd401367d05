"""Second order: the gradient is right, and its gradient is not. 二阶导数"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor


def values(x: Any) -> Any:
    """The bare array, cut off from the graph, as `.data` gives it."""
    return x.array if isinstance(x, Tensor) else x


class CubeSlope(Op):
    """s = u · 3 x²
    中文：立方的斜率
    """

    def forward(u, x):
        return u * 3 * x * x

    def backward(dy, u, x):
        return dy * 3 * x * x, dy * u * 3 * x


@planted(normal(4), order=2, right=lambda x: x * x * x,
         threads=("pytorch #186256",),
         cure="return dy * 3 * x * x, dy * u * 6 * x",
         en="The slope is an op of its own, with a backward of its own, and that one forgot the 2 of 6 x.",
         zh="斜率自成一个算子，有它自己的反向；那里把 6 x 写成了 3 x。")
class SecondOrderHalf(Op):
    """y = x³
    中文：立方
    """

    def forward(x):
        return x * x * x

    def backward(dy, x):
        return CubeSlope(dy, x)


@planted(normal(4), order=2, right=F.sin,
         cure="return dy * F.cos(x)",
         en="The slope is computed from the bare array: right, and a constant for whoever differentiates again.",
         zh="斜率由裸数组算出：数值没错，但再求一次导时它成了常数。")
class SecondOrderCut(Op):
    """y = sin x
    中文：正弦
    """

    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return dy * np.cos(values(x))


@planted(normal(2, 3), order=2, right=F.exp,
         cure="return dy * y",
         en="The kept output is detached on its way into the backward. For eˣ it is the whole second derivative.",
         zh="存下的输出在进入反向时被切断。对 eˣ 来说，整个二阶导数就靠它。")
class ExponentialCut(Op):
    """y = eˣ
    中文：指数
    """

    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        return dy * values(y)


@planted(normal(2, 3), normal(3, 2, seed=1), order=2, right=lambda a, b: a @ b,
         threads=("pytorch #197054",),
         cure="return dy @ b.mT",
         en="The other factor is taken by its .data. Both gradients are right; that each depends on the other "
            "factor, the mixed second derivative, is lost.",
         zh="取另一个因子时用了 .data。两个梯度都对；但它们各自依赖另一个因子，这层依赖（混合二阶导数）丢了。")
class MixedDerivativeLost(Op):
    """Y = A B
    中文：矩阵乘法
    """

    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ values(b).mT

    def backward_b(dy, a):
        return values(a).mT @ dy


@planted(normal(3, 4), order=2, right=lambda x: F.layer_norm(x),
         threads=("pytorch #186256", "pytorch #175754"),
         cure="rstd = (((x - x.mean(axis=-1, keepdims=True)) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5",
         en="1/σ comes from the forward kernel, which left no graph: a constant from the second order on. PyTorch "
            "had the like one order up, in layer norm and in batch norm.",
         zh="1/σ 直接取自前向内核，没有留下计算图，从二阶起就成了常数。PyTorch 的层归一化与批归一化在更高一阶上有同样"
            "的问题。")
class DeviationFrozen(Op):
    """y = (x − μ) / √(σ² + ε)
    中文：层归一化
    """

    def forward(x):
        mean = x.mean(axis=-1, keepdims=True)
        return (x - mean) * (((x - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5

    def backward(dy, x, y):
        rstd = (values(x).var(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return rstd * (dy - dy.mean(axis=-1, keepdims=True) - y * (dy * y).mean(axis=-1, keepdims=True))


class SigmoidSlope(Op):
    """s = u y (1 − y)
    中文：S 型函数的斜率
    """

    def forward(u, y):
        return u * y * (1 - y)

    def backward(dy, u, y):
        return dy * y * (1 - y), dy * u * (1 - y)


@planted(normal(5), order=2, right=F.sigmoid,
         cure="return dy * y * (1 - y), dy * u * (1 - 2 * y)",
         en="The product rule stopped after its first half: of y (1 − y) only the first factor was differentiated.",
         zh="乘法法则只做了一半：y (1 − y) 里只对第一个因子求了导。")
class HalfAProductRule(Op):
    """y = σ(x)
    中文：S 型函数
    """

    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy, y):
        return SigmoidSlope(dy, y)


class TanhSlope(Op):
    """s = u (1 − y²)
    中文：双曲正切的斜率
    """

    def forward(u, y):
        return u * (1 - y * y)

    def backward_y(dy, u, y):
        return -2 * dy * u * y

    def backward_u(dy, u):
        return dy * np.zeros_like(u)


@planted(normal(4), order=2, right=lambda x: F.tanh(F.tanh(x)), call=lambda op: lambda x: op(op(x)),
         cure="def backward_u(dy, y): return dy * (1 - y * y)",
         en="A slope is linear in the upstream, and that part of its gradient is missing. In one layer nothing "
            "shows; in two the upstream depends on x as well.",
         zh="斜率对上游梯度是线性的，它的这一部分梯度却没有了。只有一层时看不出；两层时，上游梯度也依赖于 x。")
class UpstreamIsNoConstant(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return TanhSlope(dy, y)


@planted(np.array([0.2, 0.7, 0.5]), np.array([0.3, 0.4, 0.9]), order=2,
         right=lambda p, t: (t * (F.log(t) - F.log(p))).sum(),
         threads=("pytorch #65466",),
         cure="return -dy * t / p",
         en="The target is a constant, as it nearly always is. In distillation it is the output of a teacher that "
            "learns too, and the mixed second derivative is 0.",
         zh="目标值被当成常数，通常也确实如此。可在蒸馏里它是另一个也在学习的网络的输出，这时混合二阶导数成了 0。")
class TargetHeldFixed(Op):
    """y = Σ t ln(t / p)
    中文：KL 散度
    """

    def forward(p, t):
        return (t * np.log(t / p)).sum()

    def backward_p(dy, p, t):
        return -dy * values(t) / p

    def backward_t(dy, p, t):
        return dy * (F.log(t) - F.log(values(p)) + 1)


class SoftmaxTimes(Op):
    """s = u eˣ / Σ eˣ
    中文：带权的归一化指数函数
    """

    def forward(u, x):
        e = np.exp(x - x.max())
        return u * e / e.sum()

    def backward(dy, u, x):
        e = np.exp(x - x.max())
        p = e / e.sum()
        return (dy * p).sum(), dy * u * p * (1 - p)


@planted(normal(4), order=2, right=F.logsumexp,
         cure="return (dy * p).sum(), u * p * (dy - (dy * p).sum())",
         en="Of the Hessian only the diagonal was written down.",
         zh="黑塞矩阵只写了对角线。")
class HessianDiagonal(Op):
    """y = ln Σ eˣ
    中文：对数求和指数
    """

    def forward(x):
        return x.max() + np.log(np.exp(x - x.max()).sum())

    def backward(dy, x):
        return SoftmaxTimes(dy, x)


class SquareSlope(Op):
    """s = u p xᵖ⁻¹, p = 3
    中文：幂的斜率
    """

    def forward(u, x):
        return u * 3 * x**2

    def backward(dy, u, x, y):
        return dy * 3 * x**2, dy * y * 2 / x


@planted(normal(3), order=2, showing=(np.array([0.0, 1.0, -2.0]),), right=lambda x: x * x * x,
         threads=("pytorch #95180",),
         cure="return dy * 3 * x**2, dy * u * 6 * x",
         en="The first derivative of the power is right at 0; the second is the first times (p − 1) / x, and is NaN "
            "there.",
         zh="幂的一阶导数在 0 处是对的；二阶导数写成一阶导数乘以 (p − 1) / x，在那里成了 NaN。")
class SecondSlopeAtZero(Op):
    """y = x³
    中文：立方
    """

    def forward(x):
        return x**3

    def backward(dy, x):
        return SquareSlope(dy, x)


class CosineTimes(Op):
    """s = u cos x
    中文：余弦乘以上游梯度
    """

    def forward(u, x):
        return u * np.cos(x)

    def backward(dy, u, x):
        return dy * np.cos(x), dy * u * np.sin(x)


@planted(normal(3, 2), order=2, right=F.sin,
         cure="return dy * np.cos(x), -dy * u * np.sin(x)",
         en="sin, cos, sin, cos: the minus that comes in at the second step was dropped.",
         zh="正弦、余弦、再正弦：第二步该出现的负号漏掉了。")
class SecondSignLost(Op):
    """y = sin x
    中文：正弦
    """

    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return CosineTimes(dy, x)
