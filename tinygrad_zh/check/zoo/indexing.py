"""Gradients delivered to the wrong address: repeated, shifted, unsorted, cut off. 下标错误"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(5), np.array([0, 2, 2, 1]), right=F.getitem,
         cure="np.add.at(g, i, dy)",
         en="g[i] += dy writes each place once, however often i names it. Of a word that occurs twice in a sentence, "
            "one occurrence is lost; several frameworks shipped it.",
         zh="g[i] += dy 对每个位置只写一次，不管下标重复几回。句中出现两次的词，有一次白学了；好几个框架都发布过这个"
            "错误。",
         threads=("pytorch #1631", "pytorch #1528", "Paddle #17662"))
class RepeatedIndex(Op):
    """y = x[i]
    中文：按下标取值
    """

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros(x_shape, dy.dtype)
        g[i] += dy
        return g


@planted(normal(4, 3), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="A loop that ends one short, as loops do. A checker that samples some elements may sample others.",
         zh="循环少走了一步，这是循环的老毛病。只抽查部分元素的检查器，可能恰好没抽到。")
class LastRowForgotten(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return np.where(np.arange(4)[:, None] < 3, dy * 2 * x, 0)


@planted(normal(4, 2), np.array([3, 0, 3, 1]), right=F.getitem,
         cure="g[i[place]] += dy[place]",
         en="A helper named after scatter was borrowed, and it gathers. As many rows are asked for as the table has, "
            "so that nothing falls out of range.",
         zh="借用了一个名字里带 scatter 的函数，其实它做的是 gather。取的行数恰好等于表的行数，所以没有越界。",
         threads=("AiDotNet.Tensors #894",))
class GatheredBack(Op):
    """y = x[i]
    中文：按下标取行
    """

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros_like(dy, shape=x_shape)
        for place in range(len(g)):
            g[place] += dy[i[place]]
        return g


REPLACED = np.array([0, 6, 2, 3, 7, 5])


@planted(normal(6), normal(2, seed=1), np.array([1, 4]), right=lambda x, v, i: F.concat([x, v])[REPLACED],
         cure="return np.where(np.isin(np.arange(dy.size), i), 0, dy)",
         en="Elements are replaced, and their old values no longer matter: their gradient is zero. It was passed on "
            "whole.",
         zh="有些元素被替换，旧值便不再起作用，梯度应当为零，这里却整个传了下去。",
         threads=("Paddle #30604",))
class ReplacedButStillLearning(Op):
    """y = x, y[i] = v
    中文：按下标赋值
    """

    def forward(x, v, i):
        y = x.copy()
        y[i] = v
        return y

    def backward_x(dy):
        return dy

    def backward_v(dy, i):
        return dy[i]


@planted(np.array([0.5, 2.0, -1.0, 1.0, 3.0, 0.0]),
         right=lambda x: F.max(x[np.arange(4)[:, None] + np.arange(3)], axis=1),
         cure="np.add.at(g, top, dy)",
         en="Windows overlap, and one element can be the largest of several. Each window wrote its gradient there; "
            "the last one stayed.",
         zh="窗口有重叠，一个元素可能同时是好几个窗口的最大值。每个窗口都往那里写，只留下最后一次。",
         threads=("ocannl #512", "tangermeme #95"))
class OverlapOverwritten(Op):
    """yᵢ = max(xᵢ, xᵢ₊₁, xᵢ₊₂)
    中文：重叠窗口的最大池化
    """

    def forward(x):
        return np.lib.stride_tricks.sliding_window_view(x, 3).max(axis=1)

    def backward(dy, x):
        top = np.arange(len(dy)) + np.lib.stride_tricks.sliding_window_view(x, 3).argmax(axis=1)
        g = np.zeros_like(x)
        g[top] = dy
        return g


@planted(normal(5), right=lambda x: np.tril(np.ones((5, 5))) @ x,
         cure="return np.cumsum(dy[::-1])[::-1]",
         en="The first element is in every sum and collects every gradient; so the sums of the gradient run from the "
            "end. Here they run from the front again.",
         zh="第一个元素进入每个部分和，要收集所有梯度，因此反向应从末尾累加，这里却又从头加起。")
class SummedFromTheFront(Op):
    """yᵢ = Σ xⱼ, j ≤ i
    中文：累加
    """

    def forward(x):
        return np.cumsum(x)

    def backward(dy):
        return np.cumsum(dy)


@planted(normal(2, 5), right=lambda x: x @ np.triu(np.ones((5, 5)), 1),
         cure="return np.cumsum(dy[:, ::-1], axis=1)[:, ::-1] - dy",
         en="The sum up to, but without, the element itself. The option was added to forward; whoever forgets to hand "
            "it to the gradient as well counts the element itself.",
         zh="累加到自己之前，不含自己。前向加了这个选项，若忘了在梯度里也传下去，就会把自己也算进去。")
class ExclusiveForgotten(Op):
    """yᵢ = Σ xⱼ, j < i
    中文：不含自身的累加
    """

    def forward(x):
        return np.cumsum(x, axis=1) - x

    def backward(dy):
        return np.cumsum(dy[:, ::-1], axis=1)[:, ::-1]


@planted(normal(4, 3), np.array([2, 0, 1, 0]),
         right=lambda x, t: F.sum(F.cross_entropy(x, t, reduction="none") * (np.array([2, 0, 1, 0]) != 1)),
         cure="return dy * np.where((t == 1)[:, None], 0, softmax(x) - (np.arange(3) == t[:, None]))",
         en="Label 1 stands for padding, and its loss is zero. Its gradient was not: the network learned to predict "
            "padding.",
         zh="标签 1 代表填充，损失记为零，梯度却没有清零：网络认真地学起了预测填充。",
         threads=("Paddle #28622",))
class IgnoredButStillLearning(Op):
    """L = −Σ ln softmax(x)_t, where t is not 1
    中文：忽略填充的交叉熵
    """

    def forward(x, t):
        return np.where(t == 1, 0, -np.log(softmax(x))[np.arange(len(t)), t]).sum()

    def backward_x(dy, x, t):
        return dy * (softmax(x) - (np.arange(3) == t[:, None]))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@planted(normal(4, 3), np.array([2, 1, 1, 2]), right=lambda x, t: F.cross_entropy(x, t, reduction="none"),
         cure="return dy[:, None] * (softmax(x) - (np.arange(3) == t[:, None]))",
         en="Labels from 1, in one half of a port from a language that counts so. Python's index −1 would have been "
            "silent too.",
         zh="从下标由 1 开始的语言移植过来，只改了一半：前向从 0 数，反向从 1 数。",
         threads=("mlverse/torch #681",))
class LabelsFromOne(Op):
    """L = −ln softmax(x)_t
    中文：交叉熵
    """

    def forward(x, t):
        return -np.log(softmax(x))[np.arange(len(t)), t]

    def backward_x(dy, x, t):
        return dy[:, None] * (softmax(x) - (np.arange(3) == t[:, None] - 1))


@planted(normal(7), normal(3, seed=1), right=lambda x, w: x[2 * np.arange(3)[:, None] + np.arange(3)] @ w,
         cure="g[2 * i : 2 * i + 3] += dy[i] * w",
         en="The stride is in the forward pass and not in the backward. The course's own tests had stride 1.",
         zh="前向有步幅，反向漏了。课程自带的测试步幅是 1。",
         threads=("Deep-Learning-Coursera #7", "deep-learning-coursera #34"))
class StrideForgotten(Op):
    """yᵢ = Σₖ x₂ᵢ₊ₖ wₖ
    中文：步幅为 2 的卷积
    """

    def forward(x, w):
        return np.lib.stride_tricks.sliding_window_view(x, 3)[::2] @ w

    def backward_x(dy, x, w):
        g = np.zeros_like(x)
        for i in range(len(dy)):
            g[i : i + 3] += dy[i] * w
        return g

    def backward_w(dy, x):
        return dy @ np.lib.stride_tricks.sliding_window_view(x, 3)[::2]


@planted(normal(5), right=lambda x: x[np.argsort(np.asarray(getattr(x, "array", x)))],
         cure="return dy[np.argsort(np.argsort(x))]",
         en="To undo a sort, put each gradient where its element came from. Sorting it in the same order is another "
            "thing, except where the order is its own inverse.",
         zh="撤销排序，要把梯度放回各元素原来的位置；按同一次序再取一遍是另一回事，只有次序恰好自逆时两者相同。")
class SortedAgain(Op):
    """y = x in rising order
    中文：排序
    """

    def forward(x):
        return np.sort(x)

    def backward(dy, x):
        return dy[np.argsort(x)]


@planted(normal(2, 3), normal(2, 3, seed=1), right=lambda a, b: F.concat([a, b], axis=1),
         cure="return dy[:, a_shape[1] :]",
         en="The offset of the second part was forgotten. Both parts have one width, as in most examples.",
         zh="忘了第二段的偏移量。两段宽度相同，大多数例子都是这样，形状便对得上。")
class BothPartsFromTheStart(Op):
    """y = [a b]
    中文：拼接
    """

    def forward(a, b):
        return np.concatenate([a, b], axis=1)

    def backward_a(dy, a_shape):
        return dy[:, : a_shape[1]]

    def backward_b(dy, b_shape):
        return dy[:, : b_shape[1]]


@planted(normal(4), right=lambda x: F.pad(x, ((1, 2),)),
         cure="return dy[1:-2]",
         en="One zero before, two behind; cut off again two before and one behind. With padding on both sides alike, "
            "it is the same.",
         zh="前面补一个零，后面补两个；反向却从前面切两个，后面切一个。两侧补得一样多时，看不出来。")
class CutAtTheOtherEnd(Op):
    """y = [0 x 0 0]
    中文：填充
    """

    def forward(x):
        return np.pad(x, (1, 2))

    def backward(dy):
        return dy[2:-1]


SEEN_FROM = np.array([2, 1, 0, 1, 2, 3, 4, 3, 2])


@planted(normal(5), right=lambda x: x[SEEN_FROM],
         cure="return np.bincount(SEEN_FROM, weights=dy)",
         en="Padding by reflection shows some elements twice. Cutting the padding off again, as for zeros, forgets "
            "what was seen in the mirror.",
         zh="镜像填充让边上的元素出现两次。反向若像零填充那样直接切掉，镜子里的那一份就丢了。")
class MirrorForgotten(Op):
    """y = [x₂ x₁ x x₃ x₂]
    中文：镜像填充
    """

    def forward(x):
        return np.pad(x, 2, mode="reflect")

    def backward(dy):
        return dy[2:-2]


@planted(normal(3, 4), right=lambda x: x * np.tri(3, 4, -1),
         cure="return np.tril(dy, -1)",
         en="A causal mask without the diagonal: no word may see itself. The gradient was masked with the diagonal "
            "in.",
         zh="不含对角线的因果掩码：词不能看见自己。梯度的掩码却把对角线留了进来。")
class DiagonalLeftIn(Op):
    """y = x below the diagonal, else 0
    中文：下三角掩码
    """

    def forward(x):
        return np.tril(x, -1)

    def backward(dy):
        return np.tril(dy)
