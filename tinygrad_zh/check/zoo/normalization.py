"""Normalisation and softmax: statistics taken for constants, ε in the wrong place, sums over the wrong axis. 归一化"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


def standardised(x: Any, axis: int = -1, eps: float = 0.0) -> Any:
    """(x − μ) / √(σ² + ε)."""
    return (x - F.mean(x, axis=axis, keepdims=True)) / F.sqrt(F.var(x, axis=axis, keepdims=True) + eps)


def group_norm(x: Any) -> Any:
    """Two groups of channels, each normalised."""
    n, channels = x.shape
    return F.reshape(standardised(F.reshape(x, (n, 2, -1))), (n, channels))


@planted(normal(3, 4), right=lambda x: standardised(x, eps=1e-5),
         cure="return rstd * (dy - dy.mean(axis=-1, keepdims=True) - y * (dy * y).mean(axis=-1, keepdims=True))",
         en="The mean's dependence on x was remembered, the deviation's was not.",
         zh="想到了均值依赖于 x，却没想到标准差也依赖于 x。")
class LayerNormWithoutDeviation(Op):
    """y = (x − μ) / √(σ² + ε)
    中文：层归一化
    """

    aux = ("rstd",)

    def forward(x):
        mean = x.mean(axis=-1, keepdims=True)
        rstd = (x.var(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return (x - mean) * rstd, rstd

    def backward(dy, rstd):
        return rstd * (dy - dy.mean(axis=-1, keepdims=True))


@planted(normal(3, 5), right=lambda x: (x - F.mean(x, axis=-1, keepdims=True))
         / (F.std(x, axis=-1, keepdims=True) + 1e-3),
         threads=("pyg-team/pytorch_geometric #2917", "chainer #4190"),
         cure="n = (x - x.mean(axis=-1, keepdims=True)) / std",
         en="ε stands outside the root in the forward; the backward is that of an ε inside. With a small ε the two "
            "are alike to three digits.",
         zh="前向把 ε 放在根号外，反向用的却是 ε 在根号内的公式。ε 很小时，两者前三位相同。")
class EpsilonOutsideTheRoot(Op):
    """y = (x − μ) / (σ + ε)
    中文：标准化
    """

    def forward(x):
        return (x - x.mean(axis=-1, keepdims=True)) / (x.std(axis=-1, keepdims=True) + 1e-3)

    def backward(dy, x, y):
        std = x.std(axis=-1, keepdims=True)
        n = y
        return (dy - dy.mean(axis=-1, keepdims=True) - n * (dy * y).mean(axis=-1, keepdims=True)) / (std + 1e-3)


@planted(normal(4, 3), right=lambda x: standardised(x, eps=1e-5),
         cure="spread = (dy * y).mean(axis=-1, keepdims=True)",
         en="The forward divides the variance by n, the backward by n − 1: two conventions in one op.",
         zh="方差在前向里除以 n，在反向里除以 n − 1：一个算子用了两套约定。")
class UnbiasedInBackward(Op):
    """y = (x − μ) / √(σ² + ε)
    中文：层归一化
    """

    aux = ("rstd",)

    def forward(x):
        mean = x.mean(axis=-1, keepdims=True)
        rstd = (x.var(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return (x - mean) * rstd, rstd

    def backward(dy, y, rstd):
        spread = (dy * y).sum(axis=-1, keepdims=True) / (y.shape[-1] - 1)
        return rstd * (dy - dy.mean(axis=-1, keepdims=True) - y * spread)


@planted(normal(3, 4), np.ones(4), showing=(normal(3, 4), np.array([2.0, -1.0, 0.5, 3.0])),
         right=lambda x, gamma: F.layer_norm(x, gamma),
         cure="g = dy * gamma",
         en="γ is left out of the gradient for x. It starts at 1, so every test on a fresh layer passes.",
         zh="对 x 的梯度漏了 γ。γ 初值为 1，所以在新建的层上，什么测试都能通过。")
class GammaIsOne(Op):
    """y = γ (x − μ) / √(σ² + ε)
    中文：带缩放的层归一化
    """

    aux = ("mean", "rstd")

    def forward(x, gamma):
        mean = x.mean(axis=-1, keepdims=True)
        rstd = (x.var(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return gamma * (x - mean) * rstd, mean, rstd

    def backward(dy, x, mean, rstd):
        n = (x - mean) * rstd
        g = dy
        return rstd * (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)), dy * n


@planted(normal(2, 6), right=group_norm,
         cure="shape = (len(x), 2, x.shape[1] // 2)",
         en="Forward over each group, backward over all channels: with one group it is right, which is layer norm.",
         zh="前向按组统计，反向却按全部通道：只有一组时才对，而那就是层归一化。")
class GroupsForgotten(Op):
    """y = (x − μ) / σ, over each of two groups of channels
    中文：组归一化
    """

    def forward(x):
        groups = x.reshape(len(x), 2, -1)
        n = (groups - groups.mean(axis=-1, keepdims=True)) / groups.std(axis=-1, keepdims=True)
        return n.reshape(x.shape)

    def backward(dy, x, y):
        shape = (len(x), 1, x.shape[1])
        g, n, std = dy.reshape(shape), y.reshape(shape), x.reshape(shape).std(axis=-1, keepdims=True)
        dx = (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / std
        return dx.reshape(x.shape)


@planted(normal(3, 4), right=lambda x: F.rms_norm(x),
         cure="return rstd * (dy - y * (dy * y).mean(axis=-1, keepdims=True))",
         en="The backward of layer norm, kept when the forward was replaced: RMS norm subtracts no mean.",
         zh="前向换成了 RMSNorm，反向还是层归一化的：RMSNorm 并不减均值。")
class MeanThatIsNotThere(Op):
    """y = x / √(mean x² + ε)
    中文：均方根归一化
    """

    aux = ("rstd",)

    def forward(x):
        rstd = ((x * x).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
        return x * rstd, rstd

    def backward(dy, y, rstd):
        return rstd * (dy - dy.mean(axis=-1, keepdims=True) - y * (dy * y).mean(axis=-1, keepdims=True))


@planted(normal(4), right=lambda v: 3 * v / F.norm(v),
         cure="return (dw - w * (dw * w).sum() / 9) * 3 / np.sqrt((v * v).sum())",
         en="Weight normalisation keeps the length fixed, so what the gradient has along w cannot change anything. "
            "It was not projected out.",
         zh="权重归一化固定了长度，所以梯度沿 w 的那部分改变不了任何东西。这里没有把它投影掉。")
class NotProjected(Op):
    """w = 3 v / ‖v‖
    中文：权重归一化
    """

    outputs = ("w",)

    def forward(v):
        return 3 * v / np.sqrt((v * v).sum())

    def backward(dw, v):
        return dw * 3 / np.sqrt((v * v).sum())


@planted(normal(3, 4), right=lambda x: F.softmax(x),
         cure="return y * (dy - (dy * y).sum(axis=-1, keepdims=True))",
         en="The sum lacks its axis. On the one row of the first test it is right; in a batch every row feels the "
            "others.",
         zh="求和漏了轴。第一个测试只有一行，没错；换成一批，每一行都受到别的行牵连。")
class SoftmaxOfTheBatch(Op):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ
    中文：归一化指数函数（批量）
    """

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return y * (dy - (dy * y).sum())


@planted(normal(2, 5), right=lambda x: F.log_softmax(x),
         cure="return dy - np.exp(y) * dy.sum(axis=-1, keepdims=True)",
         en="dy − softmax, as it looks behind a cross-entropy, where the upstream of a row adds up to 1 (or −1). "
            "Behind label smoothing with weights it does not.",
         zh="写成 dy − softmax，这是接交叉熵时的样子：每行上游梯度之和为 1。接别的损失时，就不是 1 了。")
class UpstreamAddsUpToOne(Op):
    """yᵢ = xᵢ − ln Σⱼ eˣʲ
    中文：归一化指数函数的对数
    """

    def forward(x):
        s = x - x.max(axis=-1, keepdims=True)
        return s - np.log(np.exp(s).sum(axis=-1, keepdims=True))

    def backward(dy, y):
        return dy - np.exp(y)


@planted(normal(3, 4), np.array([[True, True, False, True], [False, False, False, False], [True, False, True, True]]),
         right=lambda x, mask: F.masked_softmax(x, mask),
         threads=("pytorch #41508", "pytorch #131060"),
         cure="z = e.sum(axis=-1, keepdims=True); z = np.where(z == 0, 1, z)",
         en="A row in which everything is masked, padding that looks back at padding, divides by 0 in the backward; "
            "the NaN spreads through the weights that all rows share.",
         zh="整行都被遮住（填充位只能看到填充位）时，反向除以 0；NaN 再经所有行共用的权重扩散到整批数据。")
class FullyMaskedRow(Op):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ over the j that the mask allows, 0 elsewhere
    中文：带掩码的归一化指数函数
    """

    aux = ("e",)

    def forward(x, mask):
        e = np.where(mask, np.exp(x - x.max(axis=-1, keepdims=True)), 0)
        z = e.sum(axis=-1, keepdims=True)
        return e / np.where(z == 0, 1, z), e

    def backward_x(dy, e):
        z = e.sum(axis=-1, keepdims=True)
        return e / z * (dy - (dy * e).sum(axis=-1, keepdims=True) / z)
