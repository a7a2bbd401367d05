"""Zeros: products, powers, quotients, norms and angles where x is 0. 零点"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.check.zoo.twins import Arctan2
from tinygrad_zh.core.op import Op


def cumprod(x: Any) -> Any:
    """yᵢ = Π_{j≤i} xⱼ, one product a place."""
    return F.stack([F.prod(x[: i + 1]) for i in range(x.shape[0])])


def sinc(x: Any) -> Any:
    """sin x / x, near 0 by its series: there the quotient's slope would be the difference of two equal numbers."""
    near = np.abs(np.asarray(x)) < 0.3
    u = x * x
    series = 1 - u / 6 * (1 - u / 20 * (1 - u / 42 * (1 - u / 72 * (1 - u / 110))))
    return F.where(near, series, F.sin(x) / F.where(near, 1.0, x))


@planted(normal(4), showing=(np.array([0.0, 2.0, -1.0]),), right=F.prod,
         threads=("pytorch #773", "tensorflow #3862", "tinygrad #17404"),
         cure="return dy * np.array([np.delete(x, i).prod() for i in range(len(x))])",
         en="The product of the others is the product divided by x, except where x is 0: 0/0. Seven projects had it, "
            "some for ten years.",
         zh="其余元素之积等于总积除以 x，除非 x 为 0：那是 0/0。七个项目犯过这个错，有的存在了十年。")
class ProdByDivision(Op):
    """y = Π x
    中文：连乘
    """

    def forward(x):
        return np.prod(x)

    def backward(dy, x, y):
        return dy * y / x


@planted(normal(4), showing=(np.array([0.0, 3.0, 0.0, 2.0]),), right=F.prod,
         cure="return dy * np.array([np.delete(x, i).prod() for i in range(len(x))])",
         en="The zeros are taken care of: a zero gets the product of the others that are not 0. With a second zero "
            "that product is 0 too, and nobody thought of it.",
         zh="零确实处理了：为零的元素拿到其余非零元素之积。可若还有第二个零，其余元素之积也是 0，这一点谁也没想到。")
class TwoZerosTakenForOne(Op):
    """y = Π x
    中文：连乘（处理零）
    """

    def forward(x):
        return np.prod(x)

    def backward(dy, x, y):
        rest = np.where(x == 0, 1, x)
        return dy * np.where(x == 0, rest.prod(), y / rest)


@planted(normal(4), showing=(np.array([1.0, 0.0, 3.0]),), right=cumprod,
         threads=("tensorflow #3862", "pytensor #1911", "Theano #5197"),
         cure="return np.array([dy[i:] @ np.cumprod([1, *x[i + 1 :]]) * x[:i].prod() for i in range(len(x))])",
         en="The running product, divided by x: NaN from the first zero on. The tests drew from (0, 1), where there "
            "is no zero.",
         zh="用累积乘积除以 x：碰到零就得到 NaN。而当时的测试只从 (0, 1) 里取数，碰不到零。")
class CumprodByDivision(Op):
    """yᵢ = Π_{j≤i} xⱼ
    中文：累积乘积
    """

    def forward(x):
        return np.cumprod(x)

    def backward(dy, x, y):
        return np.cumsum((dy * y)[::-1])[::-1] / x


@planted(normal(5), showing=(np.array([2.0, 0.0, 3.0]),), right=cumprod,
         threads=("tensorflow #119430",),
         cure="return np.array([dy[i:] @ np.cumprod([1, *x[i + 1 :]]) * x[:i].prod() for i in range(len(x))])",
         en="The NaN of the division was swept away with nan_to_num. A quiet 0 took its place, and the gradient of a "
            "zero is not 0.",
         zh="除法产生的 NaN 被 nan_to_num 抹掉，换成一声不响的 0；而零元素的梯度并不是 0。")
class NaNSweptAway(Op):
    """yᵢ = Π_{j≤i} xⱼ
    中文：累积乘积（去除 NaN）
    """

    def forward(x):
        return np.cumprod(x)

    def backward(dy, x, y):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.nan_to_num(np.cumsum((dy * y)[::-1])[::-1] / x)


@planted(normal(3), showing=(np.zeros(3),), right=F.norm,
         threads=("pytorch #2421", "jax #3058"),
         cure="return dy * np.where(y > 0, x / np.where(y > 0, y, 1), 0)",
         en="x / ‖x‖ is 0/0 at the origin, where every penalty on a difference starts.",
         zh="在原点处，x / ‖x‖ 是 0/0；而凡是对差值的惩罚项，都从原点出发。")
class NormAtZero(Op):
    """y = √(Σ x²)
    中文：二范数
    """

    def forward(x):
        return np.sqrt((x * x).sum())

    def backward(dy, x, y):
        return dy * x / y


@planted(normal(4, 2), right=lambda x: F.norm(F.expand_dims(x, 1) - F.expand_dims(x, 0), axis=-1),
         threads=("stan-dev/math #3031",),
         cure="unit = difference / np.where(y > 0, y, 1)[..., None]",
         en="Every point is at distance 0 from itself: the diagonal is 0/0, and each sum over a row meets it.",
         zh="每个点到自身的距离都是 0：对角线上是 0/0，而每一行求和都要经过它。")
class DistanceToItself(Op):
    """yᵢⱼ = ‖xᵢ − xⱼ‖
    中文：两两距离
    """

    def forward(x):
        return np.sqrt(((x[:, None] - x) ** 2).sum(axis=-1))

    def backward(dy, x, y):
        difference = x[:, None] - x
        unit = difference / y[..., None]
        return ((dy + dy.mT)[..., None] * unit).sum(axis=1)


@planted(normal(4), showing=(np.array([0.0, 1.0, -2.0, 0.0]),), right=F.log_sigmoid,
         threads=("jax #2140",),
         cure="return dy / (1 + np.exp(x))",
         en="The two branches x > 0 and x < 0 forgot x = 0, where the slope is ½. Logits start at 0.",
         zh="两个分支 x > 0 与 x < 0 漏掉了 x = 0，那里的斜率是 ½。而 logits 的初始值正是 0。")
class LogSigmoidAtZero(Op):
    """y = ln σ(x)
    中文：S 型函数的对数
    """

    def forward(x):
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(dy, x):
        return np.where(x == 0, 0, dy / (1 + np.exp(x)))


@planted(normal(3, 2), showing=(np.array([0.0, -1.5]),), right=F.abs,
         cure="return dy * np.sign(x)",
         en="x / |x| is the sign of x, but for x = 0.",
         zh="x / |x| 就是 x 的符号，只是 x = 0 时不成立。")
class SignByDivision(Op):
    """y = |x|
    中文：绝对值
    """

    def forward(x):
        return np.abs(x)

    def backward(dy, x, y):
        return dy * x / y


@planted(np.abs(normal(2, 3)) + 0.2, normal(2, 3, seed=1),
         showing=(np.array([0.0, 2.0]), np.array([2.0, 3.0])), right=F.pow,
         threads=("roystgnr/MetaPhysicL #49", "seantalts/stanli #150"),
         cure="return dy * p * x ** (p - 1)",
         en="To save a call of pow, xᵖ⁻¹ is computed as y / x: 0/0 at x = 0, where x² has the slope 0.",
         zh="为了少算一次幂，把 xᵖ⁻¹ 写成 y / x：x = 0 处成了 0/0，而 x² 在那里的斜率其实是 0。")
class PowerOverBase(Op):
    """y = xᵖ
    中文：幂
    """

    def forward(x, p):
        return x**p

    def backward_x(dy, x, p, y):
        return dy * p * y / x

    def backward_p(dy, x, y):
        return dy * y * np.log(np.where(x > 0, x, 1))


@planted(np.abs(normal(3)) + 0.2, normal(3, seed=1), showing=(np.array([0.0, 2.0]), np.array([1.0, 1.0])),
         right=F.pow, threads=("pytorch #27134", "tfjs #346"),
         cure="return dy * y * np.log(np.where(x > 0, x, 1))",
         en="0ᵖ is 0 for every p > 0, so its slope in p is 0. The formula xᵖ ln x makes it 0 · (−∞).",
         zh="对任何 p > 0，0ᵖ 都是 0，所以对 p 的斜率为 0。公式 xᵖ ln x 却算成了 0 · (−∞)。")
class LogOfTheBase(Op):
    """y = xᵖ
    中文：幂（对指数求导）
    """

    def forward(x, p):
        return x**p

    def backward_x(dy, x, p):
        return dy * p * x ** (p - 1)

    def backward_p(dy, x, y):
        return dy * y * np.log(x)


@planted(normal(3, 3), showing=(np.array([0.0, 0.5, -2.0]),), right=lambda x: F.pow(x, 0) + x,
         threads=("johnhenry/mallory #74",), call=lambda op: lambda x: op(x, p=0) + x,
         cure="return dy * p * x ** (p - 1) if p else np.zeros_like(x)",
         en="The constant term of a polynomial, x⁰: its slope is computed as 0 · x⁻¹, which is 0 · ∞ at x = 0.",
         zh="多项式的常数项 x⁰：斜率按 0 · x⁻¹ 计算，在 x = 0 处成了 0 · ∞。")
class ConstantTerm(Op):
    """y = xᵖ
    中文：幂（常数指数）
    """

    def forward(x, *, p):
        return x**p

    def backward(dy, x, *, p):
        return dy * p * np.power(x, p - 1.0)


@planted(normal(4), showing=(np.array([0.0, 1.0]),),
         right=sinc,
         threads=("jax #1722",),
         cure="return dy * np.where(x == 0, 0, (x * np.cos(x) - np.sin(x)) / np.where(x == 0, 1, x) ** 2)",
         en="The forward is guarded at 0, the backward is not.",
         zh="前向在 0 处做了保护，反向却没有。")
class SincAtZero(Op):
    """y = sin x / x, 1 at 0
    中文：辛格函数
    """

    def forward(x):
        return np.where(x == 0, 1, np.sin(x) / np.where(x == 0, 1, x))

    def backward(dy, x):
        return dy * (x * np.cos(x) - np.sin(x)) / x**2


@planted(normal(3), normal(3, seed=1), showing=(np.array([0.0, 0.5]), np.array([2.0, -1.0])), right=F.div,
         cure="return dy / b",
         en="1 / b is taken from the result, y / a, to save a division. Where the numerator is 0, so is y.",
         zh="为了省一次除法，从结果 y / a 取得 1 / b。分子为 0 时，y 也是 0。")
class QuotientFromTheResult(Op):
    """y = a / b
    中文：除法
    """

    def forward(a, b):
        return a / b

    def backward_a(dy, a, y):
        return dy * y / a

    def backward_b(dy, b, y):
        return -dy * y / b


@planted(np.abs(normal(3, 2)) + 0.5, right=F.sqrt,
         cure="return dy / (2 * y)",
         en="An ε keeps the backward from dividing by 0, and the forward has none: the gradient belongs to another "
            "function, a little to the left.",
         zh="反向里加了 ε 以免除以 0，前向却没有：于是梯度属于另一个函数，与原来的差一小段平移。")
class EpsilonInBackwardOnly(Op):
    """y = √x
    中文：平方根
    """

    def forward(x):
        return np.sqrt(x)

    def backward(dy, x):
        return dy / (2 * np.sqrt(x + 1e-6))


@planted(normal(2, 3), right=lambda x: F.where(x > 0, F.sqrt(F.where(x > 0, x, 1.0)), 0.0),
         threads=("jax #1722",),
         cure="return np.where(x > 0, dy / (2 * np.sqrt(np.where(x > 0, x, 1))), 0)",
         en="The mask comes before the division: where it is 0, so is the root, and 0/0 is NaN. What is masked must "
            "be harmless first.",
         zh="先乘掩码、后做除法：被掩掉的地方根号也是 0，0/0 得 NaN。要被掩掉的值，得先换成无害的数。")
class RootBehindAMask(Op):
    """y = √x where x > 0, else 0
    中文：带掩码的平方根
    """

    def forward(x):
        return np.sqrt(np.maximum(x, 0))

    def backward(dy, x):
        return np.where(x > 0, dy, 0) / (2 * np.sqrt(np.maximum(x, 0)))


@planted(normal(3), normal(3, seed=1), showing=(np.array([1.0, 0.5]), np.array([0.0, 2.0])), right=Arctan2,
         cure="return dangle * x / (x * x + y * y), -dangle * y / (x * x + y * y)",
         en="Differentiated as arctan(y/x), though the forward is atan2: on the vertical axis y/x is infinite, and "
            "the slope, −y/(x² + y²), becomes NaN.",
         zh="前向是 atan2，求导时却当作 arctan(y/x)：在纵轴上 y/x 为无穷大，本来有限的斜率成了 NaN。")
class AngleOnTheAxis(Op):
    """θ = atan2(y, x)
    中文：角度
    """

    outputs = ("angle",)

    def forward(y, x):
        return np.arctan2(y, x)

    def backward(dangle, y, x):
        slope = dangle / (1 + (y / x) ** 2)
        return slope / x, -slope * y / x**2


@planted(normal(3), showing=(np.array([0.0, 1.0, -1.0]),), right=F.abs,
         cure="return dy * np.sign(x)",
         en="At a kink any slope between the two one-sided ones is a choice. 2 is outside of [−1, 1] and is a "
            "mistake.",
         zh="折点处，取左右斜率之间的任何值都算一种约定。2 落在 [−1, 1] 之外，就是错误。")
class OutsideTheKink(Op):
    """y = |x|
    中文：绝对值
    """

    def forward(x):
        return np.abs(x)

    def backward(dy, x):
        return np.where(x == 0, 2 * dy, dy * np.sign(x))
