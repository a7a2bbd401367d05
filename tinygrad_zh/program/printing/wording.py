"""A formula's few English words in Chinese: symbols stay, "where x > 0, else 0" is said anew. 公式中的文字"""

from __future__ import annotations

import re

_PHRASES: list[tuple[str, str]] = [
    # cases
    (r" where c, else ", r"（当 c 为真），否则 "),
    (r" where ([^,]+), half of it where ([^,]+)$", r"（当 \1），\2 时取一半"),
    (r" where ([^,]+), else ", r"（当 \1），否则 "),
    (r", 0 where ([^,]+)$", r"，\1 时为 0"),
    (r" over the j that the mask allows, 0 elsewhere", r"，只对掩码允许的 j 求和，其余为 0"),
    (r" where the mask allows, −∞ elsewhere", r"，掩码不允许处取 −∞"),
    (r" at the maximum, shared equally where several are equal, 0 elsewhere", r"，落在最大值处；并列时平分，其余为 0"),
    (r" at the minimum, shared equally where several are equal, 0 elsewhere", r"，落在最小值处；并列时平分，其余为 0"),
    (r" with probability p, else 1", r" 的概率为 p，否则 m = 1"),
    # sums
    (r", over the indices that (\w) does not have", r"，对 \1 没有的下标求和"),
    (r", over what was repeated \(the engine's own step\)", r"，对重复的部分求和（由引擎单独一步完成）"),
    (r", over the classes", r"，对各类求和"),
    (r", at every x that was summed", r"，每个参与求和的 x 都一样"),
    (r", without dividing: right where some x are 0", r"，不做除法，x 中有 0 时也正确"),
    (r", along the last axis", r"，沿最后一个轴"),
    (r", over the windows that see it", r"，对看得到它的窗口求和"),
    (r", over the windows of which it is the largest, the first where several are equal",
     r"，对以它为最大值的窗口求和，并列时取第一个"),
    (r", block by block", r"，逐块计算"),
    # places and shapes
    (r"the index of the largest x, the first where several are equal", r"最大的 x 的下标，并列时取第一个"),
    (r"the index of the smallest x, the first where several are equal", r"最小的 x 的下标，并列时取第一个"),
    (r", i of integers and slices", r"，i 由整数和切片组成"),
    (r", i with integer or boolean arrays", r"，i 中有整数数组或布尔数组"),
    (r", with ∂L/∂y at i", r"，只有 i 处是 ∂L/∂y"),
    (r", plus ∂L/∂y at every i, repeats adding up", r"，再在每个 i 处加上 ∂L/∂y，重复的下标累加"),
    (r", plus ∂L/∂y at row t, repeats adding up", r"，再在第 t 行加上 ∂L/∂y，重复的词元累加"),
    (r", repeats adding up", r"，重复的下标累加"),
    (r", row t of the table for every token t", r"，每个词元 t 取表的第 t 行"),
    (r", in another shape", r"，换一种形状"),
    (r", in x's shape", r"，变回 x 的形状"),
    (r", its axes in another order", r"，轴换一种顺序"),
    (r", its axes put back", r"，轴换回原来的顺序"),
    (r", repeated to a larger shape", r"，重复成更大的形状"),
    (r"the i-th part of ∂L/∂y", r"∂L/∂y 的第 i 部分"),
    (r" with a constant around it", r"，四周填上常数"),
    (r"the inner part of ∂L/∂y", r"∂L/∂y 去掉四周后的部分"),
    (r", in reverse order along some axes", r"，沿某些轴反转次序"),
    (r", reversed back", r"，反转回来"),
    (r", shifted around along some axes", r"，沿某些轴循环移位"),
    (r", shifted back", r"，移回原位"),
    (r", added at (.+)$", r"，加到 \1 处"),
    (r" in another floating dtype", r"，换成另一种浮点类型"),
    (r" in an integer or boolean dtype", r"，换成整数或布尔类型"),
    # names
    (r" is neither ±∞ nor nan", r" 既不是 ±∞ 也不是 nan"),
    (r", the cross-entropy (.+) of class t", r"，即类别 t 的交叉熵 \1"),
    (r", the cross-entropy (.+) with a distribution q", r"，即分布 q 的交叉熵 \1"),
    (r", the binary cross-entropy of ŷ = σ\(x\)", r"，即 ŷ = σ(x) 的二元交叉熵"),
    (r", \|K\| the pixels of a window", r"，|K| 是窗口的像素数"),
    (r", μ and σ² over the batch", r"，μ 和 σ² 取自当前批次"),
    (r", μ and σ² the running statistics", r"，μ 和 σ² 取滑动统计量"),
    (r"m, v as Adam; ", r"m、v 与 Adam 相同；"),
    (r", the gradient of (.+)$", r"，后一项是 \1 的梯度"),
    (r", ‖g‖ over all the parameters", r"，‖g‖ 对所有参数合计"),
]
"""English phrase → Chinese. A phrase that is the end of another comes after it."""


def formula_words(formula: str, language: str) -> str:
    """The formula with its words in that language, "en" (as written) or "zh". 中文：公式的中文说法。

    >>> formula_words("∂L/∂x = ∂L/∂y where x > 0, else 0", "zh")
    '∂L/∂x = ∂L/∂y（当 x > 0），否则 0'
    """
    if language != "zh":
        return formula
    for phrase, chinese in _PHRASES:
        formula = re.sub(phrase, chinese, formula)
    return _chinese_commas(formula)


def _chinese_commas(formula: str) -> str:
    """Commas and semicolons between formulas are full-width; between arguments and indices they stay."""
    depth, said = 0, ""
    for part in re.split(r"([()\[\]]|[,;] )", formula):
        depth += (part in ("(", "[")) - (part in (")", "]"))
        said += {", ": "，", "; ": "；"}.get(part, part) if depth == 0 else part
    return said
