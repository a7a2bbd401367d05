"""Ops that remember: the last input, the first batch, the number of calls, a random mask. 状态"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op

SLOPES: dict[Any, Any] = {}
"""Slopes by the shape of the input."""

EXPONENTIALS: dict[Any, Any] = {}
"""eˣ by what x is recognised by."""

INPUTS: list[Any] = []
"""A tape: what forward pushes, backward pops."""


@planted(normal(3, 4), right=F.sin,
         cure="def backward(dy, x): return dy * np.cos(x)",
         en="The input is kept on the op, as `self.x = x` keeps it in so many lessons. The same op called twice "
            "before backward, in any network that uses an activation twice, differentiates the second call two times.",
         zh="输入存在算子自己身上，许多教程里的 self.x = x 就是如此。反向之前同一算子若被调用两次（任何重复使用激活函"
            "数的网络都会），两次反向用的都是第二次的输入。")
class StateOnTheOp(Op):
    """y = sin x
    中文：正弦
    """

    kept: Any = None

    def forward(x):
        StateOnTheOp.kept = x
        return np.sin(x)

    def backward(dy):
        return dy * np.cos(StateOnTheOp.kept)


@planted(normal(5), right=lambda x: x * x,
         threads=("micrograd #63", "tinygrad #6145"),
         cure="return dy * 2 * x",
         en="A second backward gives twice the gradient, a third three times: what the first left behind was not "
            "cleared.",
         zh="第二次反向得到两倍的梯度，第三次三倍：第一次留下的东西没有清掉。")
class EveryCallMore(Op):
    """y = x²
    中文：平方
    """

    calls = 0

    def forward(x):
        EveryCallMore.calls = 0
        return x * x

    def backward(dy, x):
        EveryCallMore.calls += 1
        return dy * 2 * x * EveryCallMore.calls


@planted(normal(2, 3), right=F.tanh,
         cure="return dy * (1 - y * y)",
         en="The slopes are cached by the input's shape. In a network all layers of one width have the same shape.",
         zh="斜率按输入的形状缓存。而在一个网络里，同样宽度的层形状全都一样。")
class CachedByShape(Op):
    """y = tanh x
    中文：双曲正切
    """

    def forward(x):
        y = np.tanh(x)
        SLOPES[x.shape] = 1 - y * y
        return y

    def backward(dy, x_shape):
        return dy * SLOPES[x_shape]


@planted(normal(6), right=F.exp,
         cure="return np.exp(x)",
         en="The exponential is looked up by the shape and the first element, in place of a hash of all. Another "
            "input that begins alike gets the old result.",
         zh="查缓存时，用形状和第一个元素代替整个数组的散列。另一个开头相同的输入，拿到的是旧结果。")
class KnownByItsFirst(Op):
    """y = eˣ
    中文：指数
    """

    def forward(x):
        key = (x.shape, x.dtype, x.flat[0] if x.size else None)
        return EXPONENTIALS.setdefault(key, np.exp(x)).copy()

    def backward(dy, y):
        return dy * y


@planted(normal(3, 4), right=lambda x: 2 * x * (np.random.default_rng(0).random(x.shape) < 0.5),
         threads=("onnxruntime #19715", "allenai/OLMo-core #828"),
         cure="return 2 * dy * mask",
         en="The mask is drawn again in the backward, from a generator that has moved on: the gradient of another "
            "sample than the loss was of.",
         zh="反向时重新抽取掩码，而随机数发生器已往前走了：损失来自一个样本，梯度却来自另一个。")
class MaskDrawnAnew(Op):
    """y = 2 x m, m a random mask
    中文：随机失活
    """

    generator: Any = None

    def forward(x):
        MaskDrawnAnew.generator = np.random.default_rng(0)
        return 2 * x * (MaskDrawnAnew.generator.random(x.shape) < 0.5)

    def backward(dy):
        return 2 * dy * (MaskDrawnAnew.generator.random(dy.shape) < 0.5)


@planted(normal(4, 3), showing=(normal(4, 3),), right=lambda x: F.mean(x, axis=0),
         cure="return np.broadcast_to(dy / x_shape[0], x_shape)",
         en="The size of the batch is noted at the first call. The last batch of an epoch is smaller.",
         zh="批大小在第一次调用时记下。可每轮的最后一个批次往往更小。")
class SizeOfTheFirstBatch(Op):
    """y = Σ x / n, over the rows
    中文：批均值
    """

    n: int | None = None

    def forward(x):
        if SizeOfTheFirstBatch.n is None:
            SizeOfTheFirstBatch.n = len(x)
        return x.mean(axis=0)

    def backward(dy, x_shape):
        return np.broadcast_to(dy / SizeOfTheFirstBatch.n, x_shape)


@planted(normal(5), right=lambda x: x * x * x,
         cure="def backward(dy, x): return dy * 3 * x * x",
         en="Forward pushes its input on a stack, backward pops it: right as long as every forward has its backward. "
            "A forward for validation leaves its input on top.",
         zh="前向压栈、反向弹栈：只要每次前向都有对应的反向，就不会错。可验证时的那次前向，会把它的输入留在栈顶。")
class LastInFirstOut(Op):
    """y = x³
    中文：立方
    """

    def forward(x):
        INPUTS.append(x)
        return x**3

    def backward(dy):
        return dy * 3 * INPUTS.pop() ** 2


@planted(normal(2, 3), right=F.cos,
         cure="return -dy * np.sin(x)",
         en="The gradient is computed once a forward and remembered, whatever the upstream. A Jacobian, row by row, "
            "gets its first row every time.",
         zh="每次前向之后梯度只算一遍便记住，也不管上游梯度是什么。逐行求雅可比矩阵时，每一行都是第一行。")
class GradientRemembered(Op):
    """y = cos x
    中文：余弦
    """

    gradient: Any = None

    def forward(x):
        GradientRemembered.gradient = None
        return np.cos(x)

    def backward(dy, x):
        if GradientRemembered.gradient is None:
            GradientRemembered.gradient = -dy * np.sin(x)
        return GradientRemembered.gradient
