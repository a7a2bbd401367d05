"""Conventions: what the functions give where mathematics leaves a choice, or a computer could go wrong.

At a kink every slope between the left one and the right one is right (a subgradient), so a library chooses;
at an edge the plain formula would compute 0/0, 0·∞ or overflow. tests/ops/test_conventions.py evaluates every
row.
"""

from __future__ import annotations

from math import inf, log, nan
from typing import Any, NamedTuple


class Convention(NamedTuple):
    """formula(inputs) = value, and ∂(Σ formula)/∂inputs = gradient, for this reason. 中文：约定。

    formula: Python over the names of tz.functional and of the inputs. gradient: for the inputs that have one.
    """

    formula: str
    inputs: dict[str, Any]
    value: Any
    gradient: dict[str, Any]
    zh: str
    en: str


KINKS = (
    Convention(
        "relu(x)", {"x": 0.0}, 0.0, {"x": 0.0},
        "左斜率 0，右斜率 1，取 0：输入恰为 0 的神经元不更新。",
        "Slopes 0 and 1 meet; 0 is taken: a unit at exactly 0 does not learn.",
    ),
    Convention(
        "leaky_relu(x)", {"x": 0.0}, 0.0, {"x": 0.01},
        "取左斜率 s，因为公式写的是 x > 0。",
        "The left slope s, since the formula says x > 0.",
    ),
    Convention(
        "abs(x)", {"x": 0.0}, 0.0, {"x": 0.0},
        "左右斜率为 −1 和 1，取中点 0，即 sign 0。",
        "Slopes −1 and 1 meet; their middle 0 is taken, which is sign 0.",
    ),
    Convention(
        "sign(x)", {"x": [-2.0, 0.0, 2.0]}, [-1.0, 0.0, 1.0], {},
        "处处平坦，只在 0 处跳变：它是常数，没有梯度。",
        "Flat everywhere but for the jump at 0: a constant, without a gradient.",
    ),
    Convention(
        "maximum(a, b)", {"a": 1.0, "b": 1.0}, 1.0, {"a": 0.5, "b": 0.5},
        "相等时各得一半，总量不变。",
        "Equal operands get half each, so nothing is counted twice.",
    ),
    Convention(
        "minimum(a, b)", {"a": 1.0, "b": 1.0}, 1.0, {"a": 0.5, "b": 0.5},
        "相等时各得一半，与 maximum 对称。",
        "Equal operands get half each, as for maximum.",
    ),
    Convention(
        "max(x)", {"x": [3.0, 1.0, 3.0, 3.0]}, 3.0, {"x": [1 / 3, 0.0, 1 / 3, 1 / 3]},
        "并列的最大值平分梯度：整体一起移动时，变化恰为 1。",
        "Equal maxima share the gradient: moved together, they move the result by exactly 1.",
    ),
    Convention(
        "min(x)", {"x": [1.0, 1.0, 3.0]}, 1.0, {"x": [0.5, 0.5, 0.0]},
        "并列的最小值平分梯度。",
        "Equal minima share the gradient.",
    ),
    Convention(
        "max_pool2d(x, 2)", {"x": [[[[1.0, 3.0], [3.0, 3.0]]]]}, [[[[3.0]]]], {"x": [[[[0.0, 1.0], [0.0, 0.0]]]]},
        "并列的最大值只取第一个（逐行数），与 PyTorch 相同：前向记下它的位置，反向只查表，不再比较。",
        "Of equal maxima the first one, row by row, as in PyTorch: forward notes its place, backward looks it up.",
    ),
    Convention(
        "argmax(x)", {"x": [3.0, 1.0, 3.0]}, 0, {},
        "并列时取第一个下标，与 NumPy 相同；下标是常数。",
        "The first of equal maxima, as in NumPy; an index is a constant.",
    ),
    Convention(
        "clip(x, -1, 1)", {"x": [-2.0, -1.0, 0.0, 1.0, 2.0]}, [-1.0, -1.0, 0.0, 1.0, 1.0],
        {"x": [0.0, 1.0, 1.0, 1.0, 0.0]},
        "恰在边界上时斜率为 1：值仍可以回到区间里面。",
        "On a bound the slope is 1, so that a value there can still move inside.",
    ),
    Convention(
        "l1_loss(p, t)", {"p": [2.0], "t": [2.0]}, 0.0, {"p": [0.0], "t": [0.0]},
        "预测正确时不再推动，即 sign 0。",
        "A prediction that is right is not pushed: sign 0.",
    ),
    Convention(
        "huber_loss(p, t, delta=2.0)", {"p": [2.0], "t": [0.0]}, 2.0, {"p": [2.0], "t": [-2.0]},
        "在 |e| = δ 处，抛物线与直线的值和斜率都相接，只有二阶导数跳变。",
        "At |e| = δ parabola and line meet in value and in slope; only the second derivative jumps.",
    ),
    Convention(
        "norm(x)", {"x": [0.0, 0.0]}, 0.0, {"x": [0.0, 0.0]},
        "x / ‖x‖ 在原点是 0/0；各方向斜率的中点是 0。",
        "x / ‖x‖ is 0/0 at the origin; the middle of the slopes in all directions is 0.",
    ),
    Convention(
        "std(x)", {"x": [5.0, 5.0, 5.0]}, 0.0, {"x": [0.0, 0.0, 0.0]},
        "各值相等时 (x − μ) / (n y) 是 0/0，取 0，与原点处的范数相同。",
        "(x − μ) / (n y) is 0/0 where all values are equal; 0, as for the norm at the origin.",
    ),
)

POWERS = (
    Convention(
        "pow(x, 0)", {"x": [0.0, 2.0]}, [1.0, 1.0], {"x": [0.0, 0.0]},
        "x⁰ 恒为 1，所以处处平坦，0 处也是；p xᵖ⁻¹ 在 0 处会算出 0·∞。",
        "x⁰ is 1 everywhere, hence flat, at 0 too; p xᵖ⁻¹ would compute 0·∞ there.",
    ),
    Convention(
        "pow(x, 1)", {"x": 0.0}, 0.0, {"x": 1.0},
        "x¹ 就是 x：0⁰ = 1。",
        "x¹ is x: 0⁰ = 1.",
    ),
    Convention(
        "pow(x, 3)", {"x": -2.0}, -8.0, {"x": 12.0},
        "负数的整数次幂是实数；不能用 exp(3 ln x) 来算。",
        "An integer power of a negative number is real; exp(3 ln x) would not find it.",
    ),
    Convention(
        "pow(x, 0.5)", {"x": -1.0}, nan, {"x": nan},
        "负数的分数次幂不是实数。",
        "A fractional power of a negative number is not real.",
    ),
    Convention(
        "pow(a, b)", {"a": 0.0, "b": 0.0}, 1.0, {"a": 0.0, "b": 0.0},
        "0⁰ = 1；沿 a 看，x⁰ 是平的；沿 b 看，0ᵇ 在 b > 0 处是平的。",
        "0⁰ = 1; along a it is the flat x⁰, along b the 0ᵇ that is flat for b > 0.",
    ),
    Convention(
        "pow(a, b)", {"a": 0.0, "b": 2.0}, 0.0, {"a": 0.0, "b": 0.0},
        "aᵇ ln a 在 a = 0 处是 0·(−∞)，极限为 0。",
        "aᵇ ln a is 0·(−∞) at a = 0; its limit is 0.",
    ),
    Convention(
        "pow(a, b)", {"a": 0.0, "b": -1.0}, inf, {"a": -inf, "b": -inf},
        "0⁻¹ = ∞，斜率也是无穷，不做截断。",
        "0⁻¹ = ∞, and so are its slopes; nothing is clamped.",
    ),
    Convention(
        "pow(a, b)", {"a": -2.0, "b": 3.0}, -8.0, {"a": 12.0, "b": nan},
        "底数为负时，aᵇ 只在整数 b 处是实数，沿 b 没有斜率。",
        "With a negative base aᵇ is real at integers b only, so there is no slope in b.",
    ),
    Convention(
        "sqrt(x)", {"x": 0.0}, 0.0, {"x": inf},
        "0 处的切线是竖直的，斜率确实是 ∞。",
        "The tangent at 0 is vertical: the slope is ∞.",
    ),
    Convention(
        "where(x > 0, sqrt(x), 0)", {"x": [0.0, 4.0]}, [0.0, 2.0], {"x": [nan, 0.25]},
        "where 只选择值，没有选中的一支仍参与反向传播：0·∞ = nan。",
        "where chooses values, yet the branch not taken is still in the chain rule: 0·∞ = nan.",
    ),
    Convention(
        "where(x > 0, sqrt(where(x > 0, x, 1)), 0)", {"x": [0.0, 4.0]}, [0.0, 2.0], {"x": [0.0, 0.25]},
        "安全写法：先把参数换成无害的值，再求平方根。",
        "The safe form: make the argument harmless first, then take the root.",
    ),
    Convention(
        "log(x)", {"x": 0.0}, -inf, {"x": inf},
        "ln 0 = −∞，不做截断。",
        "ln 0 = −∞; nothing is clamped.",
    ),
    Convention(
        "prod(x)", {"x": [2.0, 0.0, 3.0]}, 0.0, {"x": [0.0, 6.0, 0.0]},
        "只有零元素的斜率是其余元素之积；y / x 会算出 0/0。",
        "Only the zero has a slope, the product of the others; y / x would be 0/0.",
    ),
    Convention(
        "prod(x)", {"x": [0.0, 2.0, 0.0]}, 0.0, {"x": [0.0, 0.0, 0.0]},
        "有两个零时，去掉任何一个，积仍为 0。",
        "With two zeros the product stays 0 whichever one is left out.",
    ),
)

NOT_A_NUMBER = (
    Convention(
        "max(x)", {"x": [1.0, nan, 2.0]}, nan, {"x": [nan, nan, nan]},
        "出现 nan 就传下去，绝不悄悄略过。",
        "A nan is passed on, never skipped in silence.",
    ),
    Convention(
        "min(x)", {"x": [1.0, nan, 2.0]}, nan, {"x": [nan, nan, nan]},
        "与 max 相同。",
        "As for max.",
    ),
    Convention(
        "max_pool2d(x, 2)", {"x": [[[[1.0, nan], [3.0, nan]]]]}, [[[[nan]]]], {"x": [[[[0.0, 1.0], [0.0, 0.0]]]]},
        "窗口里有 nan，结果就是 nan；梯度落在第一个 nan 上。",
        "A window with a nan gives nan, and the first nan in it the gradient.",
    ),
    Convention(
        "maximum(a, b)", {"a": nan, "b": 1.0}, nan, {"a": 0.0, "b": 0.0},
        "值是 nan；nan 不大于、也不等于任何数，所以谁也得不到梯度。",
        "The value is nan; nan is neither greater than nor equal to anything, so neither gets a slope.",
    ),
    Convention(
        "relu(x)", {"x": nan}, nan, {"x": 0.0},
        "值是 nan，而不是 0：出错的数据不应被藏起来。",
        "The value is nan and not 0: broken data should not be hidden.",
    ),
    Convention(
        "mean(x)", {"x": []}, nan, {"x": []},
        "没有数，就没有平均值；而空的和是 0，空的积是 1。",
        "Nothing has no mean; an empty sum is 0, an empty product 1.",
    ),
)

FAR_OUT = (
    Convention(
        "sigmoid(x)", {"x": [-800.0, 0.0, 800.0]}, [0.0, 0.5, 1.0], {"x": [0.0, 0.25, 0.0]},
        "用 e^−|x| 计算，不会溢出；两端饱和，梯度消失。",
        "Computed from e^−|x|, which cannot overflow; at both ends it saturates and the gradient vanishes.",
    ),
    Convention(
        "log_sigmoid(x)", {"x": [-800.0, 0.0, 800.0]}, [-800.0, -log(2), 0.0], {"x": [1.0, 0.5, 0.0]},
        "ln σ(x) 在很小的 x 处就是 x；0 处的斜率是 σ(0) = ½。",
        "For very small x, ln σ(x) is x itself; the slope at 0 is σ(0) = ½.",
    ),
    Convention(
        "softplus(x)", {"x": [-800.0, 0.0, 800.0]}, [0.0, log(2), 800.0], {"x": [0.0, 0.5, 1.0]},
        "很大的 x 处就是 x，eˣ 不会被算出来。",
        "For large x it is x itself; eˣ is never computed.",
    ),
    Convention(
        "softmax(x)[0]", {"x": [1000.0, 0.0, -1000.0]}, 1.0, {"x": [0.0, 0.0, 0.0]},
        "先减去最大值，e¹⁰⁰⁰ 不会出现。",
        "The largest x is subtracted first; e¹⁰⁰⁰ never appears.",
    ),
    Convention(
        "log_softmax(x)[1]", {"x": [1e4, 0.0]}, -1e4, {"x": [-1.0, 1.0]},
        "ln(softmax) 会得到 ln 0 = −∞；合起来写则是精确的 −10000。",
        "The logarithm of softmax would be ln 0 = −∞; written as one formula it is −10,000 exactly.",
    ),
    Convention(
        "cross_entropy(x, t)", {"x": [[1e4, 0.0]], "t": [1]}, 1e4, {"x": [[1.0, -1.0]]},
        "错得再离谱，损失和梯度也是有限的。",
        "However wrong the prediction, loss and gradient are finite.",
    ),
    Convention(
        "logsumexp(x)", {"x": [-inf, -inf]}, -inf, {"x": [0.0, 0.0]},
        "什么都没有的对数是 −∞；e⁻∞⁻⁽⁻∞⁾ 会算出 nan，约定梯度为 0。",
        "The logarithm of nothing is −∞; e to the −∞ − (−∞) would be nan, the gradient is 0 by convention.",
    ),
    Convention(
        "logsumexp(x)", {"x": [-inf, 0.0]}, 0.0, {"x": [0.0, 1.0]},
        "−∞ 的一项不起作用，也得不到梯度。",
        "A term of −∞ has no part in the sum, and no gradient.",
    ),
)

LOSSES = (
    Convention(
        "binary_cross_entropy(p, t)", {"p": [0.0, 1.0], "t": [0, 1]}, 0.0, {"p": [0.5, -0.5]},
        "完全正确：0 ln 0 按 0 计。斜率是单侧的 ±1，再除以样本数 2。",
        "Certain and right: 0 ln 0 counts as 0. The slopes are the one-sided ±1, over the 2 samples.",
    ),
    Convention(
        "binary_cross_entropy(p, t)", {"p": [0.0], "t": [1]}, inf, {"p": [-inf]},
        "完全肯定却错了，损失就是 ∞，不做截断；由分数计算的形式没有这个问题。",
        "Certain and wrong is an infinite loss, nothing is clamped; the form with logits has no such edge.",
    ),
    Convention(
        "cross_entropy_of_probabilities(p, t)", {"p": [[0.0, 1.0]], "t": [[0, 1]]}, 0.0, {"p": [[0.0, -1.0]]},
        "目标为 0 的类别不计入：0 ln 0 = 0。",
        "A class with target 0 does not count: 0 ln 0 = 0.",
    ),
    Convention(
        "cross_entropy_of_probabilities(p, t)", {"p": [[0.0, 1.0]], "t": [[1, 0]]}, inf, {"p": [[-inf, 0.0]]},
        "给正确类别的概率为 0，损失就是 ∞。",
        "Probability 0 for the right class is an infinite loss.",
    ),
)

SELECTION = (
    Convention(
        "getitem(x, [0, 0, 2])", {"x": [1.0, 2.0, 3.0]}, [1.0, 1.0, 3.0], {"x": [2.0, 0.0, 1.0]},
        "同一个下标取了两次，梯度就相加两次。",
        "An index taken twice receives its gradient twice.",
    ),
    Convention(
        "embedding(t, W)", {"t": [1, 1], "W": [[1.0], [2.0]]}, [[2.0], [2.0]], {"W": [[0.0], [2.0]]},
        "重复的词元，梯度在同一行上累加。",
        "A repeated token adds up in its row.",
    ),
    Convention(
        "scaled_dot_product_attention(q, k, v, mask)",
        {"q": [[1.0], [1.0]], "k": [[1.0], [1.0]], "v": [[2.0], [4.0]],
         "mask": [[False, False], [True, True]]},
        [[0.0], [3.0]], {"q": [[0.0], [0.0]], "k": [[-0.5], [0.5]], "v": [[0.5], [0.5]]},
        "什么都不许看的一行输出 0、梯度 0，其余各行不受影响；直接做 softmax 会是 0/0。",
        "A row that may attend to nothing gives 0 and gradient 0, and the others do not notice; "
        "a plain softmax would be 0/0.",
    ),
    Convention(
        "dropout(x, p=1.0)", {"x": [1.0, 2.0]}, [0.0, 0.0], {"x": [0.0, 0.0]},
        "全部丢弃时结果是 0；1 / (1 − p) 会是 0·∞。",
        "With everything dropped the result is 0; 1 / (1 − p) would make it 0·∞.",
    ),
    Convention(
        "sum(x)", {"x": []}, 0.0, {"x": []},
        "空的和是 0。",
        "The empty sum is 0.",
    ),
    Convention(
        "prod(x)", {"x": []}, 1.0, {"x": []},
        "空的积是 1。",
        "The empty product is 1.",
    ),
)

CONVENTIONS: tuple[Convention, ...] = KINKS + POWERS + NOT_A_NUMBER + FAR_OUT + LOSSES + SELECTION
