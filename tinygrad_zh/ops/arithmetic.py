"""Arithmetic, element by element. Shapes broadcast as in NumPy; the engine sums gradients over what was broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor


class Add(Op):
    """y = a + b
    ∂L/∂a = ∂L/∂y
    ∂L/∂b = ∂L/∂y
    中文：加法
    """

    def forward(a, b):
        return a + b

    def backward_a(dy):
        return dy

    def backward_b(dy):
        return dy


class Sub(Op):
    """y = a − b
    ∂L/∂a = ∂L/∂y
    ∂L/∂b = −∂L/∂y
    中文：减法
    """

    def forward(a, b):
        return a - b

    def backward_a(dy):
        return dy

    def backward_b(dy):
        return -dy


class Mul(Op):
    """y = a · b
    ∂L/∂a = ∂L/∂y · b
    ∂L/∂b = ∂L/∂y · a
    中文：逐元素乘法
    """

    def forward(a, b):
        return a * b

    def backward_a(dy, b):
        return dy * b

    def backward_b(dy, a):
        return dy * a


class Div(Op):
    """y = a / b
    ∂L/∂a = ∂L/∂y / b
    ∂L/∂b = −∂L/∂y · y / b
    中文：除法
    """

    def forward(a, b):
        return a / b

    def backward_a(dy, b):
        return dy / b

    def backward_b(dy, b, y):
        return -dy * y / b


class Neg(Op):
    """y = −x
    ∂L/∂x = −∂L/∂y
    中文：取负
    """

    def forward(x):
        return -x

    def backward(dy):
        return -dy


class Pow(Op):
    """y = xᵖ
    ∂L/∂x = ∂L/∂y · p xᵖ⁻¹
    中文：幂（指数为常数）

    q is p − 1, or 0 where p = 0, so that x⁰ has slope 0 at 0 too.
    """

    def forward(x, *, p, q):
        return x**p

    def backward(dy, x, *, p, q):
        return dy * (p * x**q)


class Power(Op):
    """y = aᵇ
    ∂L/∂a = ∂L/∂y · b aᵇ⁻¹
    ∂L/∂b = ∂L/∂y · aᵇ ln a
    中文：幂（指数为变量）

    0⁰ = 1 with slope 0 in a; 0ᵇ has slope 0 in b for b ≥ 0. A negative base has no real slope in b: nan.
    """

    def forward(a, b):
        return a**b

    def backward_a(dy, a, b):
        flat = (a == 0) & (b == 0)
        return dy * (b * np.where(flat, 1, a) ** (b - 1))

    def backward_b(dy, a, b, y):
        vanishing = (a == 0) & (b >= 0)
        return dy * (y * np.log(np.where(vanishing, 1, a)))


class Exp(Op):
    """y = eˣ
    ∂L/∂x = ∂L/∂y · y
    中文：指数函数
    """

    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        return dy * y


class Log(Op):
    """y = ln x
    ∂L/∂x = ∂L/∂y / x
    中文：自然对数
    """

    def forward(x):
        return np.log(x)

    def backward(dy, x):
        return dy / x


class Log1p(Op):
    """y = ln(1 + x)
    ∂L/∂x = ∂L/∂y / (1 + x)
    中文：ln(1 + x)，x 很小时仍精确
    """

    def forward(x):
        return np.log1p(x)

    def backward(dy, x):
        return dy / (1 + x)


class Sqrt(Op):
    """y = √x
    ∂L/∂x = ∂L/∂y / (2 y)
    中文：平方根

    The slope at 0 is ∞. where(x > 0, sqrt(x), 0) still multiplies that ∞ by 0; the safe form makes the
    argument harmless first: sqrt(where(x > 0, x, 1)).
    """

    def forward(x):
        return np.sqrt(x)

    def backward(dy, y):
        return dy / (2 * y)


class Sin(Op):
    """y = sin x
    ∂L/∂x = ∂L/∂y · cos x
    中文：正弦
    """

    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return dy * np.cos(x)


class Cos(Op):
    """y = cos x
    ∂L/∂x = −∂L/∂y · sin x
    中文：余弦
    """

    def forward(x):
        return np.cos(x)

    def backward(dy, x):
        return -dy * np.sin(x)


class Abs(Op):
    """y = |x|
    ∂L/∂x = ∂L/∂y · sign x
    中文：绝对值（在 0 处取次梯度 0）
    """

    def forward(x):
        return np.abs(x)

    def backward(dy, x):
        return dy * np.sign(x)


class Maximum(Op):
    """y = max(a, b)
    ∂L/∂a = ∂L/∂y where a > b, half of it where a = b
    ∂L/∂b = ∂L/∂y where b > a, half of it where a = b
    中文：逐元素最大值（相等时各得一半）
    """

    def forward(a, b):
        return np.maximum(a, b)

    def backward_a(dy, a, b):
        return np.where(a > b, dy, np.where(a == b, dy * 0.5, 0))

    def backward_b(dy, a, b):
        return np.where(b > a, dy, np.where(a == b, dy * 0.5, 0))


class Minimum(Op):
    """y = min(a, b)
    ∂L/∂a = ∂L/∂y where a < b, half of it where a = b
    ∂L/∂b = ∂L/∂y where b < a, half of it where a = b
    中文：逐元素最小值（相等时各得一半）
    """

    def forward(a, b):
        return np.minimum(a, b)

    def backward_a(dy, a, b):
        return np.where(a < b, dy, np.where(a == b, dy * 0.5, 0))

    def backward_b(dy, a, b):
        return np.where(b < a, dy, np.where(a == b, dy * 0.5, 0))


class Clip(Op):
    """y = min(max(x, low), high)
    ∂L/∂x = ∂L/∂y where low ≤ x ≤ high, else 0
    中文：截断（恰在边界上时斜率为 1）
    """

    def forward(x, *, low, high):
        return np.clip(x, low, high)

    def backward(dy, x, *, low, high):
        return np.where((x >= low) & (x <= high), dy, 0)


class Where(Op):
    """y = a where c, else b
    ∂L/∂a = ∂L/∂y where c, else 0
    ∂L/∂b = 0 where c, else ∂L/∂y
    中文：按条件选择
    """

    def forward(c, a, b):
        return np.where(c, a, b)

    def backward_a(dy, c):
        return np.where(c, dy, 0)

    def backward_b(dy, c):
        return np.where(c, 0, dy)


class Cast(Op):
    """y = x in another floating dtype
    ∂L/∂x = ∂L/∂y
    中文：转换浮点类型
    """

    def forward(x, *, dtype):
        return x.astype(dtype)

    def backward(dy):
        return dy


# ---- without a gradient: their slope is 0 wherever it exists


class Sign(Op):
    """y = sign x
    中文：符号函数
    """

    def forward(x):
        return np.sign(x)


class Greater(Op):
    """y = a > b
    中文：大于
    """

    def forward(a, b):
        return a > b


class GreaterEqual(Op):
    """y = a ≥ b
    中文：大于等于
    """

    def forward(a, b):
        return a >= b


class Less(Op):
    """y = a < b
    中文：小于
    """

    def forward(a, b):
        return a < b


class LessEqual(Op):
    """y = a ≤ b
    中文：小于等于
    """

    def forward(a, b):
        return a <= b


class Equal(Op):
    """y = (a = b)
    中文：等于
    """

    def forward(a, b):
        return a == b


class NotEqual(Op):
    """y = a ≠ b
    中文：不等于
    """

    def forward(a, b):
        return a != b


class And(Op):
    """y = a ∧ b
    中文：逻辑与
    """

    def forward(a, b):
        return a & b


class Or(Op):
    """y = a ∨ b
    中文：逻辑或
    """

    def forward(a, b):
        return a | b


class Not(Op):
    """y = ¬x
    中文：逻辑非
    """

    def forward(x):
        return ~x


class IsFinite(Op):
    """y = x is neither ±∞ nor nan
    中文：是否有限
    """

    def forward(x):
        return np.isfinite(x)


class CastToConstant(Op):
    """y = x in an integer or boolean dtype
    中文：转换为整数或布尔类型（无梯度）
    """

    def forward(x, *, dtype):
        return x.astype(dtype)


# ---- what users call, where it is more than the op


def pow(x: Any, p: Any) -> Tensor:
    """y = xᵖ; p is a number or, for aᵇ with gradients in both, an array or tensor. 中文：幂。

    x⁰ = 1 with slope 0 everywhere, (−2)³ = −8, and a fractional power of a negative number is nan.

    >>> import tinygrad_zh as tz
    >>> (tz.tensor([-2.0, 3.0]) ** 3).tolist()
    [-8.0, 27.0]
    """
    if isinstance(p, (int, float, np.integer, np.floating)) and not isinstance(p, bool):
        exponent = p.item() if isinstance(p, np.generic) else p
        return Pow(x, p=exponent, q=exponent - 1 if exponent != 0 else 0)
    return Power(x, p)


def clip(x: Any, low: float | None = None, high: float | None = None) -> Tensor:
    """y = min(max(x, low), high), slope 1 between the bounds and on them, 0 outside. 中文：截断。

    Raises ValueError where low > high, or both are missing.
    """
    if low is None and high is None:
        raise ValueError("clip needs a lower bound, an upper bound, or both")
    low = -np.inf if low is None else float(low)
    high = np.inf if high is None else float(high)
    if not low <= high:
        raise ValueError(f"clip: the lower bound {low} is above the upper bound {high}")
    return Clip(x, low=low, high=high)


def astype(x: Any, dtype: Any) -> Tensor:
    """y = x in another dtype; the gradient comes back in x's own. 中文：类型转换。

    In integers or booleans it is a constant.

    Raises TypeError for a dtype that a tensor cannot hold.
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"a tensor holds real numbers or booleans, not {dtype}")
    return (Cast if dtype.kind == "f" else CastToConstant)(x, dtype=dtype)
