"""The wrong side of a case distinction: masks inverted, or made from the wrong array. 分支错误"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(8), right=lambda x: F.leaky_relu(x, slope=0.1),
         cure="return np.where(x > 0, dy, 0.1 * dy)",
         en="The slope was changed in forward and not in backward. Two numbers for one thing.",
         zh="前向改了斜率，反向没有改：同一个量写了两遍，迟早不一致。")
class LeakForgotten(Op):
    """y = x where x > 0, else x / 10
    中文：带泄漏的 ReLU
    """

    def forward(x):
        return np.where(x > 0, x, 0.1 * x)

    def backward(dy, x):
        return np.where(x > 0, dy, 0.01 * dy)


@planted(normal(6), right=lambda x: F.where(x > 0, x, -2.0 * x),
         cure="return np.where(x > 0, dy, -2 * dy)",
         en="To save memory, the sign of the input was read off the output. With a negative slope the output is "
            "positive on both sides.",
         zh="为了省内存，用输出的符号代替输入的符号来判断。斜率为负时，两边的输出都是正的，全判成了同一支。",
         threads=("pytorch #31938", "mxnet #3277"))
class SideOfTheOutput(Op):
    """y = x where x > 0, else −2 x
    中文：斜率为负的带泄漏 ReLU
    """

    def forward(x):
        return np.where(x > 0, x, -2 * x)

    def backward(dy, y):
        return np.where(y > 0, dy, -2 * dy)


@planted(normal(6), right=lambda x: F.leaky_relu(x, slope=0.0),
         cure="return np.where(x > 0, dy, 0)",
         en="The side was told from the output, by y ≥ 0. With a slope of zero the whole left side is y = 0, and all "
            "of its gradient came through.",
         zh="用 y ≥ 0 判断在哪一侧。斜率为零时，左边的输出全是 0，也满足条件，梯度便统统放了过去。",
         threads=("chainer #5898",))
class ZeroIsNotNegative(Op):
    """y = x where x > 0, else 0
    中文：斜率为零的带泄漏 ReLU
    """

    def forward(x):
        return np.where(x > 0, x, 0)

    def backward(dy, y):
        return np.where(y >= 0, dy, 0)


@planted(np.array([[3.0, 4.0, 0.0], [0.3, -0.2, 0.1]]),
         right=lambda x: x / F.maximum(F.norm(x, axis=1, keepdims=True), 1.0),
         cure="return np.where(n > 1, (dy - u * (dy * u).sum(axis=1, keepdims=True)) / n, dy)",
         en="Rows longer than 1 are shortened. A blend of two vectors had its arguments exchanged, so that the long "
            "rows were treated as short and the short ones as long. The fast mode of the checker let it pass.",
         zh="长度超过 1 的行要缩短。合成向量时两个参数写反了：长的当成短的，短的当成长的。检查器的快速模式竟然放行。",
         threads=("pytorch #59584", "pytorch #59615"))
class BlendSwapped(Op):
    """y = x / max(|x|, 1), row by row
    中文：限制行的范数
    """

    def forward(x):
        return x / np.maximum(np.sqrt((x * x).sum(axis=1, keepdims=True)), 1)

    def backward(dy, x):
        n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        u = x / n
        return np.where(n > 1, dy, (dy - u * (dy * u).sum(axis=1, keepdims=True)) / n)


@planted(normal(8), right=lambda x: F.clip(x, -0.5, 0.5),
         cure="return np.where((x >= -0.5) & (x <= 0.5), dy, 0)",
         en="Both comparisons the wrong way round. No number is below the lower and above the upper bound at once, so "
            "the gradient was zero everywhere; the tests gave numbers as bounds, and the fault was in the path for "
            "tensors.",
         zh="两个比较号都写反了。没有数能同时小于下界又大于上界，梯度处处为零。测试只传了数字作边界，出错的却是张量边"
            "界那条路。",
         threads=("tt-metal #48201",))
class InsideOut(Op):
    """y = min(max(x, −½), ½)
    中文：截断
    """

    def forward(x):
        return np.clip(x, -0.5, 0.5)

    def backward(dy, x):
        return np.where((x <= -0.5) & (x >= 0.5), dy, 0)


@planted(2 * normal(7), 2 * normal(7, seed=1), right=lambda p, t: F.huber_loss(p, t, reduction="none"),
         cure="return dy * np.where(np.abs(e) <= 1, e, np.sign(e))",
         en="The threshold was compared with the difference, where its absolute value was meant. Every large negative "
            "error is taken for a small one, and pulls the harder the larger it is.",
         zh="阈值应当与误差的绝对值比较，却比了误差本身。很大的负误差被当成小误差，越大拉得越狠，稳健性荡然无存。",
         threads=("attorch #13",))
class SignedThreshold(Op):
    """L = ½ e² where |e| ≤ 1, else |e| − ½, e = ŷ − y
    中文：平滑的绝对误差
    """

    def forward(p, t):
        e = np.abs(p - t)
        return np.where(e <= 1, 0.5 * e * e, e - 0.5)

    def backward_p(dy, p, t):
        e = p - t
        return dy * np.where(e <= 1, e, np.sign(e))

    def backward_t(dy, p, t):
        return -dy * np.clip(p - t, -1, 1)


@planted(normal(6), right=lambda x: F.maximum(x, 0.0) + F.minimum(-0.5 * (F.exp(x) - 1), 0.0),
         cure="return dy * np.where(x > 0, 1 - 0.5 * np.exp(x), 0)",
         en="max(0, x) + min(0, α (eˣ − 1)) is ELU for a positive α, and backward was written for that. For a "
            "negative one the second term acts on the other side.",
         zh="α 为正时，max(0, x) + min(0, α (eˣ − 1)) 就是 ELU，反向也是按这种情形写的；α 为负时，第二项跑到另一侧去"
            "了。",
         threads=("Paddle #26543",))
class NegativeAlpha(Op):
    """y = max(0, x) + min(0, α (eˣ − 1)), α = −½
    中文：参数为负的 ELU
    """

    def forward(x):
        return np.maximum(x, 0) + np.minimum(-0.5 * (np.exp(x) - 1), 0)

    def backward(dy, x):
        return dy * np.where(x > 0, 1, -0.5 * np.exp(x))


@planted(normal(3, 4), right=F.relu,
         cure="return np.where(x > 0, dy, 0)",
         en="The rectifier was applied to the gradient. It makes clearer pictures of what a network looks at, and is "
            "called guided backpropagation; the derivative it is not. With an upstream of ones it changes nothing but "
            "zeros.",
         zh="把 ReLU 用在了梯度上。这样画出的可视化图更清楚，叫导向反向传播，但它不是导数。")
class GradientRectified(Op):
    """y = max(x, 0)
    中文：ReLU
    """

    def forward(x):
        return np.maximum(x, 0)

    def backward(dy, x):
        return np.maximum(dy, 0) * (x > 0)


@planted(normal(6), right=lambda x: x * F.clip(x + 3, 0.0, 6.0) / 6,
         cure="return dy * np.where(x > 3, 1, np.where(x < -3, 0, (2 * x + 3) / 6))",
         en="Three pieces, and two of them in the backward. Inputs drawn from N(0, 1) hardly ever reach −3.",
         zh="分三段，反向只写了两段。从标准正态分布抽样的输入，几乎不会小于 −3。",
         showing=(np.array([-4.0, -1.0, 0.5, 2.0, 3.5, -3.2]),))
class LeftEndForgotten(Op):
    """y = x min(max(x + 3, 0), 6) / 6
    中文：HardSwish
    """

    def forward(x):
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(dy, x):
        return dy * np.where(x > 3, 1, (2 * x + 3) / 6)


KEPT = np.array([True, False, True, True, False, True])


@planted(normal(6), KEPT, right=lambda x, kept: x * kept * 2.0,
         cure="return dy * kept * 2",
         en="The mask was not stored but guessed, by comparing the output with the input. Where the input is 0, it "
            "cannot be told from a unit that was dropped.",
         zh="没有保存掩码，而是比较输出与输入来推断。输入恰好为 0 时，分不清它是不是被丢弃了。",
         showing=(np.array([0.5, 0.0, -1.0, 0.0, 2.0, 1.0]), KEPT),
         threads=("kaldi #3890",))
class MaskGuessed(Op):
    """y = 2 m x
    中文：随机失活
    """

    def forward(x, kept):
        return x * kept * 2

    def backward_x(dy, x, y):
        return dy * np.where(x == 0, 1, y / np.where(x == 0, 1, x))


@planted(normal(5), normal(5, seed=1), right=lambda a, b: F.where(a > 0, a * b, b),
         cure="return np.where(a > 0, dy * a, dy)",
         en="Each branch has its condition, and they all ask about a. For b the question was put to b.",
         zh="每个分支都有条件，问的都是 a；轮到对 b 求导时，却去问了 b。")
class AskedTheOther(Op):
    """y = a b where a > 0, else b
    中文：按条件相乘
    """

    def forward(a, b):
        return np.where(a > 0, a * b, b)

    def backward_a(dy, a, b):
        return np.where(a > 0, dy * b, 0)

    def backward_b(dy, a, b):
        return np.where(b > 0, dy * a, dy)


@planted(normal(3, 4), right=lambda x: F.where(F.min(x, axis=1, keepdims=True) > -1, x, 0.0 * x) + x,
         cure="return np.where(x.min(axis=1, keepdims=True) > -1, 2 * dy, dy)",
         en="Whole rows are switched by their smallest element. Backward switches element by element.",
         zh="前向按每行的最小值决定整行的开关，反向却逐个元素地开关。")
class ElementForRow(Op):
    """y = 2 x in rows whose every x > −1, else x
    中文：按行选择
    """

    def forward(x):
        return np.where(x.min(axis=1, keepdims=True) > -1, 2 * x, x)

    def backward(dy, x):
        return np.where(x > -1, 2 * dy, dy)
