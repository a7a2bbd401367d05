"""Equal values: maxima, minima, medians, sorting, pooling. 并列"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


def in_order(x: Any) -> Any:
    """x from the smallest to the largest, by an index."""
    return F.getitem(x, np.argsort(np.asarray(x), kind="stable"))


@planted(normal(4), showing=(np.array([1.0, 3.0, 3.0, 2.0]),), right=F.max,
         threads=("mxnet #18563",),
         cure="top = x == y; return dy * top / top.sum()",
         en="Every element that equals the maximum gets the whole gradient. Without ties there is one, and all is "
            "well; after a ReLU there are hundreds.",
         zh="凡是等于最大值的元素，都拿到了整份梯度。没有并列时只有一个，相安无事；经过 ReLU 之后，并列的有成百上千"
            "个。")
class WholeToEveryTie(Op):
    """y = max x
    中文：最大值
    """

    def forward(x):
        return x.max()

    def backward(dy, x, y):
        return np.where(x == y, dy, 0)


@planted(normal(3), normal(3, seed=1), showing=(np.array([1.0, 3.0, 2.0]), np.array([1.0, 0.0, 2.0])),
         right=F.maximum,
         cure="return dy * (a > b) + dy / 2 * (a == b), dy * (b > a) + dy / 2 * (a == b)",
         en="Where both are equal, both get the whole gradient: it is counted twice.",
         zh="两数相等时，双方都拿到整份梯度：同一份梯度算了两遍。")
class BothOfATie(Op):
    """y = max(a, b)
    中文：逐元素最大值
    """

    def forward(a, b):
        return np.maximum(a, b)

    def backward(dy, a, b):
        return dy * (a >= b), dy * (b >= a)


@planted(normal(2, 3), normal(2, 3, seed=1),
         showing=(np.array([[1.0, 3.0, 2.0]]), np.array([[1.0, 0.0, 2.0]])), right=F.minimum,
         cure="return dy * (a < b) + dy / 2 * (a == b), dy * (b < a) + dy / 2 * (a == b)",
         en="Both comparisons are strict, so where a equals b nobody gets the gradient.",
         zh="两处比较都取严格不等号，于是 a 等于 b 时，梯度谁也没有拿到。")
class NeitherOfATie(Op):
    """y = min(a, b)
    中文：逐元素最小值
    """

    def forward(a, b):
        return np.minimum(a, b)

    def backward(dy, a, b):
        return dy * (a < b), dy * (b < a)


@planted(normal(5), showing=(np.array([1.5, 2.0, 2.0, -1.0]),), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="Taken over from a function of the distinct values: the gradient is shared among equal elements, "
            "although each has a square of its own.",
         zh="从一个“按不同取值计算”的函数照搬而来：相等的元素平分梯度，而其实每个元素各有各的平方。")
class DuplicatesIgnored(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        twins = (x[:, None] == x).sum(axis=1)
        return dy * 2 * x / twins


@planted(normal(2, 6), showing=(np.array([[0.0, 0.0, 1.0, 0.0, 2.0, 2.0]]),),
         right=lambda x: F.max(F.reshape(x, (x.shape[0], -1, 2)), axis=-1),
         threads=("Theano #5248", "tensorflow #4886"),
         cure="return (dy[..., None] * top / top.sum(axis=-1, keepdims=True)).reshape(x.shape)",
         en="Max-pooling sends the gradient to every element equal to the window's maximum. On a sparse image, where "
            "whole windows are 0, it is multiplied by the window's size.",
         zh="最大池化把梯度发给窗口内每一个等于最大值的元素。图像稀疏、整个窗口都是 0 时，梯度就被放大了窗口大小那么"
            "多倍。")
class PoolToEveryTie(Op):
    """yᵢ = max(x₂ᵢ, x₂ᵢ₊₁)
    中文：最大池化（窗口 2）
    """

    def forward(x):
        return x.reshape(x.shape[0], -1, 2).max(axis=-1)

    def backward(dy, x, y):
        pairs = x.reshape(x.shape[0], -1, 2)
        top = pairs == y[..., None]
        return (dy[..., None] * top).reshape(x.shape)


@planted(normal(2, 5), right=lambda x: F.maximum(x[:, :-1], x[:, 1:]),
         cure="np.add.at(g, (rows, winner), dy)",
         en="The windows overlap, so one element may win twice; an assignment keeps the last of its two gradients.",
         zh="窗口相互重叠，同一个元素可能赢两次；赋值只留下两份梯度中的后一份。")
class OverlappingWindows(Op):
    """yᵢ = max(xᵢ, xᵢ₊₁)
    中文：最大池化（窗口 2，步长 1）
    """

    def forward(x):
        return np.maximum(x[:, :-1], x[:, 1:])

    def backward(dy, x):
        rows, columns = np.indices(dy.shape)
        winner = columns + (x[:, 1:] > x[:, :-1])
        g = np.zeros(x.shape, dy.dtype)
        g[rows, winner] = dy
        return g


@planted(normal(3, 4), showing=(np.array([[1.0, 1.005, 0.2], [0.3, -1.0, 0.5]]),), right=lambda x: F.max(x, axis=-1),
         threads=("mni-ml/framework #22",),
         cure="top = x == y[:, None]",
         en="The maximum is looked for with a tolerance, as one compares floats in a test. It is one of the inputs, "
            "to the last bit; a runner-up within 0.01 takes half of its gradient.",
         zh="寻找最大值时用了容差，像在测试里比较浮点数那样。其实最大值就是输入之一，一位不差；相差不到 0.01 的第二名"
            "因此分走了一半梯度。")
class CloseEnoughToTheMaximum(Op):
    """y = max x, of each row
    中文：每行的最大值
    """

    def forward(x):
        return x.max(axis=-1)

    def backward(dy, x, y):
        top = np.isclose(x, y[:, None], atol=1e-2)
        return dy[:, None] * top / top.sum(axis=-1, keepdims=True)


@planted(normal(5), showing=(np.array([2.0, 0.0, 3.0, 2.0, 1.0]),), right=lambda x: in_order(x)[x.shape[0] // 2],
         cure="return dy * (np.arange(len(x)) == np.argsort(x, kind='stable')[len(x) // 2])",
         en="The median's gradient goes to whatever equals it; with repeated values it goes out more than once.",
         zh="中位数的梯度发给所有与它相等的元素；数据有重复值时，就发了不止一份。")
class MedianByEquality(Op):
    """y = the median of an odd number of x
    中文：中位数
    """

    def forward(x):
        return np.sort(x)[len(x) // 2]

    def backward(dy, x, y):
        return np.where(x == y, dy, 0)


@planted(normal(5), showing=(np.array([2.0, 1.0, 2.0, 0.0, 2.0]),), right=in_order,
         cure="rank = np.argsort(np.argsort(x, kind='stable'))",
         en="An element's place is taken to be the number of smaller ones. Equal elements all claim the first of "
            "their places, and the gradients of the others are lost.",
         zh="把“比它小的有几个”当作元素的名次。相等的元素都抢占同一个名次，其余名次的梯度就丢了。")
class RankByCounting(Op):
    """y = x in ascending order
    中文：排序（按名次回传）
    """

    def forward(x):
        return np.sort(x)

    def backward(dy, x):
        rank = (x[:, None] > x).sum(axis=1)
        return dy[rank]


@planted(normal(6), showing=(np.full(3, 2.0),), right=lambda x: F.max(x) - F.min(x),
         cure="g[x.argmin()] -= dy",
         en="Where all elements are equal, the largest and the smallest are the same one, and the second assignment "
            "wipes out the first: −1 instead of 0.",
         zh="所有元素都相等时，最大的和最小的是同一个元素，第二次赋值抹掉了第一次：得到 −1，而不是 0。")
class RangeOfOneElement(Op):
    """y = max x − min x
    中文：极差
    """

    def forward(x):
        return x.max() - x.min()

    def backward(dy, x):
        g = np.zeros_like(x)
        g[x.argmax()] = dy
        g[x.argmin()] = -dy
        return g


@planted(normal(5), showing=(np.array([1.0, 3.0, 0.0, 1.0]),), right=lambda x: in_order(x)[-2:].sum(),
         cure="return dy * (np.argsort(np.argsort(x, kind='stable')) >= len(x) - 2)",
         en="The two largest are recognised by a threshold. Where the second and the third are equal, three elements "
            "pass it.",
         zh="用阈值来认出最大的两个元素。第二名与第三名并列时，就有三个元素过了线。")
class TopTwoByThreshold(Op):
    """y = the sum of the two largest x
    中文：最大两项之和
    """

    def forward(x):
        return np.sort(x)[-2:].sum()

    def backward(dy, x):
        return np.where(x >= np.sort(x)[-2], dy, 0)


@planted(normal(3), normal(3, seed=1), showing=(np.array([1.0, 0.0, -2.0]), np.array([1.0, 3.0, -2.0])),
         right=lambda a, b: F.logsumexp(F.stack([a, b]), axis=0),
         threads=("keras #23616",),
         cure="s = 1 / (1 + np.exp(b - a)); return dy * s, dy * (1 - s)",
         en="Differentiated term by term as it is written, max(a, b) + ln(1 + e^−|a−b|): at a = b the kinks of max "
            "and of |·| ought to cancel, but each picks its own side. The function is smooth; (½, ½) becomes (1, 0).",
         zh="照着写法 max(a, b) + ln(1 + e^−|a−b|) 逐项求导：a = b 处，max 与 |·| 的折点本该抵消，却各选了一侧。函数"
            "明明光滑，(½, ½) 却成了 (1, 0)。")
class LogAddExpAtATie(Op):
    """y = ln(eᵃ + eᵇ)
    中文：对数域加法
    """

    def forward(a, b):
        return np.maximum(a, b) + np.log1p(np.exp(-np.abs(a - b)))

    def backward(dy, a, b):
        larger = a >= b
        slope = np.sign(a - b) / (1 + np.exp(np.abs(a - b)))
        return dy * (larger - slope), dy * (~larger + slope)
