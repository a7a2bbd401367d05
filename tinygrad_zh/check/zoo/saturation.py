"""Large numbers: overflow, underflow, and slopes cut off where a function is flat. 饱和"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op

T = np.array([1.0, 0.0, 1.0, 0.0])
"""Labels of a binary classification."""


def clipped_cross_entropy(p: Any, t: Any) -> Any:
    q = F.clip(p, 1e-3, 1 - 1e-3)
    return -(t * F.log(q) + (1 - t) * F.log(1 - q))


@planted(normal(3, 2), showing=(np.array([-800.0, 1.0]),), right=F.sigmoid,
         cure="return dy * y * (1 - y)",
         en="The forward is written so that nothing overflows; the backward is the textbook's, and e⁸⁰⁰ / (1 + "
            "e⁸⁰⁰)² is ∞/∞.",
         zh="前向写得不会溢出，反向却照抄课本：e⁸⁰⁰ / (1 + e⁸⁰⁰)² 成了 ∞/∞。")
class SigmoidOverflows(Op):
    """y = σ(x)
    中文：S 型函数
    """

    def forward(x):
        return np.where(x > 0, 1, np.exp(np.minimum(x, 0))) / (1 + np.exp(-np.abs(x)))

    def backward(dy, x):
        return dy * np.exp(-x) / (1 + np.exp(-x)) ** 2


@planted(normal(5), showing=(np.array([800.0, -1.0]),), right=F.softplus,
         threads=("burn #5373",),
         cure="return dy / (1 + np.exp(-x))",
         en="eˣ / (1 + eˣ) is ∞/∞ from x = 710 on, in float32 from 89. A confidently wrong prediction is where a "
            "margin loss needs its gradient most.",
         zh="eˣ / (1 + eˣ) 在 x 超过 710（float32 则是 89）后成了 ∞/∞。而“自信却错误”的预测，恰恰最需要梯度。")
class SoftplusOverflows(Op):
    """y = ln(1 + eˣ)
    中文：平滑的线性整流函数
    """

    def forward(x):
        return np.logaddexp(0, x)

    def backward(dy, x):
        return dy * np.exp(x) / (1 + np.exp(x))


@planted(normal(2, 3), showing=(np.array([[1000.0, 0.0, -1000.0]]),), right=F.log_softmax,
         threads=("FluxML/NNlib.jl #68",),
         cure="return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)",
         en="By the chain rule through ln, the upstream is divided by the softmax, then put through softmax's own "
            "rule. A probability that underflowed to 0 makes it 0 · (1/0).",
         zh="按 ln 的链式法则，先把上游梯度除以 softmax，再走 softmax 的反向。概率一旦下溢为 0，就成了 0 · (1/0)。")
class LogSoftmaxBySoftmax(Op):
    """yᵢ = xᵢ − ln Σⱼ eˣʲ
    中文：归一化指数函数的对数
    """

    def forward(x):
        s = x - x.max(axis=-1, keepdims=True)
        return s - np.log(np.exp(s).sum(axis=-1, keepdims=True))

    def backward(dy, y):
        p = np.exp(y)
        upstream = dy / p
        return p * (upstream - (upstream * p).sum(axis=-1, keepdims=True))


@planted(normal(3, 4), np.array([0, 3, 1]), showing=(np.array([[1000.0, 0.0, 3.0]]), np.array([1])),
         right=lambda x, t: F.cross_entropy(x, t, reduction="sum"),
         cure="p = np.exp(x - x.max(axis=-1, keepdims=True))",
         en="The loss subtracts the largest logit before the exponential, the gradient forgets to.",
         zh="算损失时先减去了最大的 logit 再取指数，算梯度时却忘了。")
class CrossEntropyOverflows(Op):
    """L = Σ (ln Σⱼ eˣʲ − x_t)
    中文：交叉熵损失
    """

    def forward(x, t):
        s = x - x.max(axis=-1, keepdims=True)
        return (np.log(np.exp(s).sum(axis=-1)) - s[np.arange(len(t)), t]).sum()

    def backward_x(dy, x, t):
        p = np.exp(x)
        p = p / p.sum(axis=-1, keepdims=True)
        p[np.arange(len(t)), t] -= 1
        return dy * p


@planted(normal(4), showing=(np.array([7.0, -9.0, 1.0]),), right=lambda x: F.sigmoid(F.clip(x, -6.0, 6.0)),
         cure="return np.where(np.abs(x) < 6, dy * y * (1 - y), 0)",
         en="The input is clipped so that the exponential cannot overflow. Beyond the bounds the function is flat, "
            "but y (1 − y) goes on pushing.",
         zh="为防指数溢出，先把输入截断。界限之外函数是平的，而 y (1 − y) 还在推着它走。")
class PushedBeyondTheClip(Op):
    """y = σ(clip(x, −6, 6))
    中文：截断后的 S 型函数
    """

    def forward(x):
        return 1 / (1 + np.exp(-np.clip(x, -6, 6)))

    def backward(dy, y):
        return dy * y * (1 - y)


@planted(np.array([0.8, 0.3, 0.6, 0.1]), T, showing=(np.array([1.0, 0.0, 0.6]), np.array([1.0, 0.0, 1.0])),
         right=clipped_cross_entropy, threads=("deeplearning4j #3247",),
         cure="q = np.clip(p, 1e-3, 1 - 1e-3); return np.where(q == p, dy * (q - t) / (q * (1 - q)), 0)",
         en="The loss clips the probability, the gradient divides by p (1 − p) as it came: 0/0 for a prediction of "
            "exactly 0 or 1.",
         zh="损失里截断了概率，梯度里却拿原来的 p (1 − p) 去除：预测恰为 0 或 1 时，成了 0/0。")
class CrossEntropyUnclippedBelow(Op):
    """L = −t ln q − (1 − t) ln(1 − q), q = clip(p, ε, 1 − ε)
    中文：二元交叉熵
    """

    def forward(p, t):
        q = np.clip(p, 1e-3, 1 - 1e-3)
        return -(t * np.log(q) + (1 - t) * np.log(1 - q))

    def backward_p(dy, p, t):
        return dy * (p - t) / (p * (1 - p))

    def backward_t(dy, p):
        q = np.clip(p, 1e-3, 1 - 1e-3)
        return dy * (np.log(1 - q) - np.log(q))


@planted(np.array([0.7, 0.4, 0.5, 0.2]), T, showing=(np.array([0.0002, 0.4]), np.array([1.0, 0.0])),
         right=clipped_cross_entropy, threads=("ayrna/skordinal #122",),
         cure="return np.where(q == p, dy * (q - t) / (q * (1 - q)), 0)",
         en="Where the floor is in force the loss no longer depends on p, but its gradient goes on dividing by the "
            "floor: a slope of 1000 on a plain.",
         zh="下限起作用时，损失已与 p 无关，梯度却仍在除以这个下限：平地上出现了 1000 的斜率。")
class FloorThatPushes(Op):
    """L = −t ln q − (1 − t) ln(1 − q), q = clip(p, ε, 1 − ε)
    中文：二元交叉熵（截断）
    """

    def forward(p, t):
        q = np.clip(p, 1e-3, 1 - 1e-3)
        return -(t * np.log(q) + (1 - t) * np.log(1 - q))

    def backward_p(dy, p, t):
        q = np.clip(p, 1e-3, 1 - 1e-3)
        return dy * (q - t) / (q * (1 - q))

    def backward_t(dy, p):
        q = np.clip(p, 1e-3, 1 - 1e-3)
        return dy * (np.log(1 - q) - np.log(q))


@planted(normal(3), normal(3, seed=1), showing=(np.array([800.0, 1.0]), np.array([799.0, 2.0])),
         right=lambda a, b: F.logsumexp(F.stack([a, b]), axis=0),
         cure="return dy / (1 + np.exp(b - a))",
         en="The share of a is computed from the exponentials that the forward took care to avoid.",
         zh="a 所占的份额，偏偏用前向小心避开的那两个指数来算。")
class LogAddExpOverflows(Op):
    """y = ln(eᵃ + eᵇ)
    中文：对数域加法
    """

    def forward(a, b):
        return np.logaddexp(a, b)

    def backward_a(dy, a, b):
        return dy * np.exp(a) / (np.exp(a) + np.exp(b))

    def backward_b(dy, a, b):
        return dy / (1 + np.exp(a - b))


@planted(normal(4), showing=(np.array([3.5, -4.0]),), right=F.tanh,
         cure="return dy * (1 - y * y)",
         en="Somebody took the tails for flat, from 3 on. The slope there is still 0.0099.",
         zh="有人认为 |x| 超过 3 就算平了。可那里的斜率还有 0.0099。")
class FlatTooSoon(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, x, y):
        return np.where(np.abs(x) > 3, 0, dy * (1 - y * y))


@planted(normal(2, 3), showing=(np.array([9.0, -20.0]),), right=F.sigmoid,
         cure="return dy * y * (1 - y)",
         en="A floor under the slope, so that no unit ever dies. The network trains; it does not descend its loss.",
         zh="给斜率垫一个下限，好让神经元永不“死亡”。网络照样能训练，只是下降的不再是它的损失。")
class NeverDead(Op):
    """y = σ(x)
    中文：S 型函数
    """

    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy, y):
        return dy * np.maximum(y * (1 - y), 1e-3)


@planted(normal(3, 2), showing=(np.array([3.0, 5.0]),), right=F.softplus,
         cure="return dy / (1 + np.exp(-x))",
         en="For large x the function is nearly x, so its slope is set to 1. Nearly: at 2.5 it is 0.92.",
         zh="x 很大时函数近似等于 x，于是把斜率定为 1。只是“近似”：在 2.5 处是 0.92。")
class LinearTooSoon(Op):
    """y = ln(1 + eˣ)
    中文：平滑的线性整流函数
    """

    def forward(x):
        return np.logaddexp(0, x)

    def backward(dy, x):
        return np.where(x > 2.5, dy, dy / (1 + np.exp(-x)))


@planted(normal(5), showing=(np.array([7.0, -9.0, 1.0]),),
         right=lambda x: F.huber_loss(x, np.zeros(x.shape), reduction="none", delta=4.0),
         cure="return dy * np.clip(x, -4, 4)",
         en="Beyond δ the slope is ±δ; here it is ±1, right for the δ = 1 of all the examples.",
         zh="超出 δ 之后斜率应是 ±δ，这里写成 ±1：只在各种示例都用的 δ = 1 时才对。")
class SlopeOneBeyondDelta(Op):
    """y = ½ x² where |x| ≤ δ, else δ (|x| − ½ δ), δ = 4
    中文：胡伯损失
    """

    def forward(x):
        return np.where(np.abs(x) <= 4, 0.5 * x * x, 4 * (np.abs(x) - 2))

    def backward(dy, x):
        return dy * np.where(np.abs(x) <= 4, x, np.sign(x))


@planted(normal(2, 4), showing=(np.array([8.0, -1.0]),), right=lambda x: x * x * x,
         cure="return dy * 3 * x * x",
         en="Gradient clipping was put into the op, where it belongs to the optimiser: the rule is no longer a "
            "derivative.",
         zh="梯度裁剪写进了算子，而那是优化器的事：这条规则不再是导数。")
class ClippedInTheOp(Op):
    """y = x³
    中文：立方
    """

    def forward(x):
        return x**3

    def backward(dy, x):
        return np.clip(dy * 3 * x * x, -100, 100)
