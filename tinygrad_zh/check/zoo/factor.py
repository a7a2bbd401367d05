"""Wrong factors: ½, 2, n, a constant left out, one part in a million; and a term too many. 系数错误"""

from __future__ import annotations

import math

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.check.zoo.twins import Cholesky
from tinygrad_zh.core.op import Op


@planted(normal(3, 4), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="The exponent was brought down and forgotten. In a loss of its own, a factor is absorbed by the learning "
            "rate, and nobody notices.",
         zh="求导时指数 2 没有写下来。若整个损失只差一个系数，学习率会把它吸收掉，谁也看不出来。")
class HalfTheSlope(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * x


@planted(normal(5), right=F.sin,
         cure="return dy * np.cos(x)",
         en="One part in a million too much. A checker with a relative tolerance of 10⁻³ passes a thousand times as "
            "much; the size of this error is how sharp a checker is.",
         zh="只大了百万分之一。相对容差取 10⁻³ 的检查器连千倍于此的误差都会放行；能否看见它，衡量检查器有多灵敏。")
class OneInAMillion(Op):
    """y = sin x
    中文：正弦
    """

    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return dy * np.cos(x) * (1 + 1e-6)


@planted(normal(4, 3), right=lambda x: F.sum(x, axis=0),
         cure="return np.broadcast_to(dy, x_shape)",
         en="The backward of a mean, copied to a sum. It only makes training slower.",
         zh="把求均值的反向抄给了求和。训练照样进行，只是变慢。")
class MeanForSum(Op):
    """y = Σ x, over the rows
    中文：按列求和
    """

    def forward(x):
        return x.sum(axis=0)

    def backward(dy, x_shape):
        return np.broadcast_to(dy / x_shape[0], x_shape)


@planted(normal(5), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="A regularising term was added inside the gradient, where no loss knows of it. Line searches and checkers "
            "then disagree with descent.",
         zh="正则项直接加进了梯度里，损失对此一无所知，线搜索和梯度检查自然与下降方向对不上。")
class RegularisedOnTheWay(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x + 0.01


@planted(normal(4, 5), right=lambda x: F.var(x, axis=0, ddof=1),
         cure="return dy * 2 * (x - x.mean(axis=0)) / (len(x) - 1)",
         en="Forward was changed to the unbiased variance, backward still divides by n. With batches of 256 the two "
            "differ by 0.4 %.",
         zh="前向改成了无偏方差，除以 n − 1；反向仍然除以 n。批大小为 256 时两者只差 0.4%，很难察觉。")
class BesselForgotten(Op):
    """y = Σ (x − μ)² / (n − 1), over the rows
    中文：无偏方差
    """

    def forward(x):
        return x.var(axis=0, ddof=1)

    def backward(dy, x):
        return dy * 2 * (x - x.mean(axis=0)) / len(x)


@planted(normal(2, 6), normal(3, seed=1),
         right=lambda x, w: x[:, np.arange(4)[:, None] + np.arange(3)] @ w,
         cure="return np.einsum('bo,bok->k', dy, windows(x))",
         en="The gradient of the kernel was divided by the number of samples and of places: the author took it for a "
            "mean. It trained, with a learning rate of the size that makes up for it.",
         zh="卷积核的梯度被除以样本数与位置数：作者以为它应当是均值。把学习率调大之后，训练看起来完全正常。",
         threads=("cTensor #3",))
class ConvolutionAveraged(Op):
    """yₒ = Σₖ xₒ₊ₖ wₖ
    中文：一维卷积（不翻转）
    """

    def forward(x, w):
        return windows(x) @ w

    def backward_x(dy, w):
        return sum(np.pad(dy * w[k], ((0, 0), (k, 2 - k))) for k in range(3))

    def backward_w(dy, x):
        return np.einsum("bo,bok->k", dy, windows(x)) / dy.size


def windows(x):
    """Every three neighbours: (b, n) → (b, n − 2, 3)."""
    return np.lib.stride_tricks.sliding_window_view(x, 3, axis=1)


SCALE, ALPHA = 1.0507009873554805, 1.6732632423543772


@planted(normal(8), right=lambda x: F.where(x > 0, SCALE * x, SCALE * ALPHA * (F.exp(F.where(x > 0, 0.0, x)) - 1)),
         cure="return dy * np.where(x > 0, SCALE, y + SCALE * ALPHA)",
         en="For x ≤ 0 the derivative is the output plus a constant, a saving that everybody likes. The output has "
            "the scale in it already; here it is multiplied in once more, and the constant lacks it.",
         zh="x ≤ 0 时，导数等于输出加一个常数，这样写可以少算一次指数。输出本身已含缩放系数，这里却又乘了一遍。",
         threads=("RubixML #427",))
class ScaledTwice(Op):
    """y = s x where x > 0, else s α (eˣ − 1)
    中文：SELU
    """

    def forward(x):
        return np.where(x > 0, SCALE * x, SCALE * ALPHA * np.expm1(np.minimum(x, 0)))

    def backward(dy, x, y):
        return dy * np.where(x > 0, SCALE, (y + ALPHA) * SCALE)


ROOT = math.sqrt(2 / math.pi)


@planted(normal(6), right=lambda x: 0.5 * x * (1 + F.tanh(ROOT * (x + 0.044715 * x * x * x))),
         cure="inner = ROOT * (1 + 3 * 0.044715 * x * x)",
         en="The cube inside the tanh was differentiated to x², without its factor 3. The error is largest where |x| "
            "is about 2, and a plot of the derivative looks right.",
         zh="tanh 里的立方求导后写成了 x²，漏了系数 3。误差在 |x| 约为 2 处最大，画成曲线看上去却没有问题。")
class CubeWithoutThree(Op):
    """y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
    中文：GELU（tanh 近似）
    """

    def forward(x):
        return 0.5 * x * (1 + np.tanh(ROOT * (x + 0.044715 * x * x * x)))

    def backward(dy, x):
        t = np.tanh(ROOT * (x + 0.044715 * x * x * x))
        inner = ROOT * (1 + 0.044715 * x * x)
        return dy * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner)


@planted(normal(5), right=lambda x: F.stack([(x[0] + x[1]) / 2, (x[2] + x[3]) / 2, x[4]]),
         cure="return np.repeat(dy / np.array([2, 2, 1], dy.dtype), 2)[:5]",
         en="The last window hangs over the edge and has one element; forward divides by one, backward by two. Only "
            "the last row and column of every image are wrong.",
         zh="最后一个窗口伸出了边界，里面只有一个元素；前向除以 1，反向却除以 2。每幅图只有最后一行、最后一列出错。",
         threads=("burn #5604", "pytorch #198119"))
class OverhangingWindow(Op):
    """y = the means of neighbouring pairs, the last one alone
    中文：平均池化（向上取整）
    """

    def forward(x):
        return np.stack([(x[0] + x[1]) / 2, (x[2] + x[3]) / 2, x[4]])

    def backward(dy):
        return np.repeat(dy / 2, 2)[:5]


@planted(np.array([0.5, 2.0, 3.0, 10.0]), right=lambda x: F.log(x) / math.log(2),
         cure="return dy / (x * math.log(2))",
         en="The derivative of ln, under a log₂. An information gain in bits was trained in nats.",
         zh="给 log₂ 写了 ln 的导数：以比特为单位的信息量，按奈特的梯度来训练。")
class BinaryLogarithm(Op):
    """y = log₂ x
    中文：以 2 为底的对数
    """

    def forward(x):
        return np.log2(x)

    def backward(dy, x):
        return dy / x


@planted(normal(3, 5), right=lambda x: F.softmax(x / 4.0),
         cure="return y * (dy - (dy * y).sum(axis=-1, keepdims=True)) / 4",
         en="The softmax of distillation has a temperature. Its backward is the ordinary softmax's: the soft targets "
            "pull four times as hard as they should.",
         zh="蒸馏用的 softmax 带有温度 4，反向却照搬普通 softmax：软标签的拉力成了应有的四倍。")
class TemperatureForgotten(Op):
    """y = softmax(x / 4)
    中文：带温度的 softmax
    """

    def forward(x):
        e = np.exp((x - x.max(axis=-1, keepdims=True)) / 4)
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


MASK = np.array([[True, True, True, False, False], [True, True, True, True, True]])


@planted(normal(2, 5, 3), MASK,
         right=lambda x, m: F.sum(x * m[:, :, None], axis=1) / F.sum(m.astype(x.dtype), axis=1)[:, None],
         cure="return dy[:, None] * m[:, :, None] / m.sum(axis=1, dtype=dy.dtype)[:, None, None]",
         en="A mean over the words of a sentence: forward divides by how many there are, backward by the padded "
            "length. Short sentences teach too little.",
         zh="对句中的词取平均：前向除以真实词数，反向除以填充后的长度。短句的梯度因此偏小。")
class PaddingCounted(Op):
    """y = Σ m x / Σ m, over the words
    中文：带掩码的平均池化
    """

    def forward(x, m):
        return (x * m[:, :, None]).sum(axis=1) / m.sum(axis=1, dtype=x.dtype)[:, None]

    def backward_x(dy, m):
        return dy[:, None] * m[:, :, None] / m.shape[1]


@planted(np.array([[4.0, 1.0], [1.0, 3.0]]), right=Cholesky,
         cure="return 0.5 * (s + s.mT)",
         en="A Cholesky factor sees only the symmetric half of its matrix, so the gradient is symmetrised. The ½ of "
            "that step went missing. PyTorch's own derivative was off by such a factor in one triangle.",
         zh="Cholesky 分解只取决于矩阵的对称部分，所以梯度要对称化，而对称化的 ½ 丢了。PyTorch 自己的导数也曾在一个三"
            "角里差这样一个系数。",
         threads=("pytorch #18825", "autograd #56"))
class SymmetrisedTwice(Op):
    """L Lᵀ = ½ (X + Xᵀ), L lower triangular
    中文：Cholesky 分解
    """

    def forward(x):
        return np.linalg.cholesky(0.5 * (x + x.mT))

    def backward(dy, y):
        phi = np.tril(y.mT @ dy)
        phi = phi - 0.5 * np.diag(np.diag(phi))
        s = np.linalg.inv(y).mT @ phi @ np.linalg.inv(y)
        return s + s.mT
