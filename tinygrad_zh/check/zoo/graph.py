"""The rule is right and the graph is not: a branch detached, a factor stopped, a path through NumPy. 计算图"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.mode import no_grad
from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor


def stopped(x: Any) -> Any:
    """x as a constant: `stop_gradient`, `detach`."""
    return x.detach() if isinstance(x, Tensor) else x


@planted(normal(4), right=lambda x: x * x, call=lambda op: lambda x: op(x).detach(),
         cure="return op(x)",
         en="The result is detached, to print it perhaps, and goes on into the loss: a constant.",
         zh="结果先被 detach（也许只为打印），又接着进了损失：它成了常数。")
class Detached(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x


@planted(normal(3, 2), right=lambda x: F.exp(x) * F.exp(x), call=lambda op: lambda x: op(x) * stopped(op(x)),
         cure="h = op(x); return h * h",
         en="A diamond: two branches from one point meet in a product, and the second was detached. Half of the "
            "gradient is missing.",
         zh="菱形：从同一点分出的两支在乘积里会合，第二支却被切断。梯度少了一半。")
class SecondBranchDetached(Op):
    """y = eˣ eˣ
    中文：指数的平方
    """

    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        return dy * y


@planted(normal(3, 4), right=lambda x: 0.0 * x + np.round(4 * np.asarray(x)) / 4,
         cure="return np.zeros_like(x)",
         en="Rounding is flat between its jumps, so its gradient is 0. The upstream passed straight through is the "
            "straight-through estimator: a choice, and here nobody made it.",
         zh="取整在跳变之间是平的，梯度为 0。让上游梯度直接通过，是所谓“直通估计”：那该是有意的选择，这里却并非有意。")
class StraightThrough(Op):
    """y = round(4 x) / 4
    中文：量化
    """

    def forward(x):
        return np.round(4 * x) / 4

    def backward(dy):
        return dy


@planted(normal(3, 4), right=lambda x: (F.softmax(x) * x).sum(axis=-1),
         call=lambda op: lambda x: (stopped(op(x)) * x).sum(axis=-1),
         cure="return (op(x) * x).sum(axis=-1)",
         en="The attention weights are stopped, as if they did not depend on what they weigh.",
         zh="注意力权重被当成常数，好像它与被加权的东西无关。")
class WeightsStopped(Op):
    """y = Σ softmax(x) x
    中文：软最大值
    """

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


@planted(normal(5), right=F.std,
         call=lambda op: lambda x: F.sqrt(F.mean((x - stopped(op(x))) * x)),
         cure="d = x - op(x); return F.sqrt(F.mean(d * d))",
         en="A variance as mean((x − μ) x) with a stopped μ: the value is right, and the slope is that of another "
            "function.",
         zh="把方差写成 mean((x − μ) x)，其中 μ 被当成常数：值没错，斜率却属于另一个函数。")
class MeanStopped(Op):
    """y = σ
    中文：标准差
    """

    def forward(x):
        return x.mean()

    def backward(dy, x_shape):
        return np.broadcast_to(dy / x_shape[0], x_shape)


@planted(normal(2, 3), right=lambda x: x * x * x, call=lambda op: lambda x: op(op(x, x), x),
         threads=("sony/nnabla #532",),
         cure="return dy * b, dy * a",
         en="The op notices that both inputs are one array and answers once. Both are uses of x, and each counts.",
         zh="算子发现两个输入是同一个数组，就只回答一次。但那是对 x 的两次使用，每次都要算。")
class CountedOnce(Op):
    """y = x x x, by y = a b
    中文：同一变量相乘
    """

    def forward(a, b):
        return a * b

    def backward(dy, a, b):
        return dy * b, dy * a * (a is not b)


def recurrence(op: Any, carry: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """h ← op(w h + xₜ), step by step; carry: what goes over from one step to the next."""

    def run(x: Any, w: Any) -> Any:
        h = x[0] * 0.0
        for t in range(x.shape[0]):
            h = op(w * carry(h) + x[t])
        return h

    return run


@planted(normal(3, 2), normal(2, seed=1), right=recurrence(F.tanh, lambda h: h),
         call=lambda op: recurrence(op, stopped),
         cure="h = op(w * h + x[t])",
         en="The hidden state is detached at every step, as it should be between batches: the network learns from "
            "the last step alone.",
         zh="隐藏状态在每一步都被切断，而本该只在批与批之间切断：网络只从最后一步学习。")
class TruncatedAtEveryStep(Op):
    """hₜ = tanh(w hₜ₋₁ + xₜ)
    中文：循环网络
    """

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return dy * (1 - y * y)


@planted(np.abs(normal(4)) + 0.3, right=lambda x: x * F.log(x), call=lambda op: lambda x: x * op(np.asarray(x)),
         cure="return x * op(x)",
         en="One factor goes through NumPy, where no tape is. The product rule loses its second half.",
         zh="一个因子经 NumPy 绕了一圈，那里没有计算带。乘法法则于是少了后一半。")
class ThroughNumPy(Op):
    """y = x ln x
    中文：熵的一项
    """

    def forward(x):
        return np.log(x)

    def backward(dy, x):
        return dy / x


def frozen(op: Any) -> Callable[[Any], Any]:
    """x + op(x), where op is evaluated as at inference."""

    def run(x: Any) -> Any:
        with no_grad():
            h = op(x)
        return x + h

    return run


@planted(normal(3, 3), right=lambda x: x + F.silu(x), call=frozen,
         cure="return x + op(x)",
         en="The block runs under no_grad, left over from evaluation. The residual path still carries a gradient, so "
            "the loss goes down and nobody looks.",
         zh="这个块还包在评估时留下的 no_grad 里。残差那条路仍有梯度，损失照样下降，谁也没去看。")
class OnlyTheResidual(Op):
    """y = x + x σ(x)
    中文：残差块
    """

    def forward(x):
        return x / (1 + np.exp(-x))

    def backward(dy, x):
        s = 1 / (1 + np.exp(-x))
        return dy * s * (1 + x * (1 - s))
