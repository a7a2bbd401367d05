"""The rows of gradients and of errors that are passed back: F04, F05, F18, F24."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Op
from tinygrad_zh.derivatives import vjp
from tinygrad_zh.documents import s8
from tinygrad_zh.documents.formulas.finding import (
    Array,
    Finding,
    close,
    gradient,
    measured,
    normal,
    refuted,
    regression,
)
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.ops.activation import ReLU, Sigmoid
from tinygrad_zh.ops.arithmetic import Mul
from tinygrad_zh.ops.linear import MatMul
from tinygrad_zh.ops.loss import HalfSquaredError

Function = Callable[..., Any]

# ---- as the documents write them


class OutputErrorAsPrinted(Op):
    """J = ½ Σ (y − a)²
    ∂J/∂a = y − a
    中文：照文档写的输出误差 e₃ = y − a₃，符号相反

    Document 000 §4.2 (F04), a counter-example: what F07 is to subtract is a − y.
    """

    outputs = ("J",)

    def forward(a, y):
        return 0.5 * ((y - a) ** 2).sum()

    def backward_a(dJ, a, y):
        return dJ * (y - a)


class HiddenErrorAsPrinted(Op):
    """y = max(0, z) W
    ∂L/∂z = ∂L/∂y · Wᵀ
    ∂L/∂W = max(0, z)ᵀ · ∂L/∂y
    中文：照文档反向传播的误差，漏掉了 f′(z)

    Document 000 §4.2 (F05), a counter-example: where z < 0, ∂L/∂z is 0.
    """

    def forward(z, W):
        return np.maximum(0, z) @ W

    def backward_z(dy, W):
        return dy @ W.mT

    def backward_W(dy, z):
        return np.maximum(0, z).mT @ dy


class WeightGradientAsPrinted(Op):
    """a = σ(w x)
    ∂L/∂w = ∂L/∂a · σ′ · x · σ′
    ∂L/∂x = ∂L/∂a · σ′ · w
    中文：照文档计算的权重梯度，激活函数的导数乘了两遍

    Document 002 §4.2 (F18), a counter-example. σ′ = a (1 − a).
    """

    outputs = ("a",)

    def forward(w, x):
        return 1 / (1 + np.exp(-w * x))

    def backward_w(da, x, a):
        return da * (a * (1 - a)) * x * (a * (1 - a))

    def backward_x(da, w, a):
        return da * (a * (1 - a)) * w


# ---- ours, where it is more than one op


def hidden_layer(z: Any, W: Any) -> Any:
    """y = max(0, z) W"""
    return F.relu(z) @ W


def neurons(w: Any, x: Any) -> Any:
    """a = σ(w x): neurons of one input each."""
    return F.sigmoid(w * x)


# ---- the checks


def check_output_error(ours: Function, literal: Function) -> Iterator[Finding]:
    """F04. The labels are integers, so they are constants, and small ones, which leave float32 alone."""
    a, y = normal(5), np.array([0, 0, 1, 0, 0], np.int8)
    yield gradient("∂J/∂a₃ = a₃ − y", ours, a, y, formula=a - y)
    yield refuted("∂J/∂a₃ = y − a₃", literal, a, y, diagnosis="sign")


def check_hidden_error(ours: Function, literal: Function) -> Iterator[Finding]:
    """F05: one layer, then a network of three whose gradients are written out by hand."""
    z, W = normal(4, 5), normal(5, 5, seed=1)
    yield gradient("δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ)", ours, z, W)
    yield refuted("δₗ = Wₗ₊₁ᵀ δₗ₊₁", literal, z, W, diagnosis="factor_missing")

    x, y = normal(8, 6), normal(8, 2, seed=1)
    Ws = [normal(n, m, seed=10 + n) for n, m in ((6, 5), (5, 4), (4, 2))]
    bs = [normal(m, seed=m) for m in (5, 4, 2)]

    def loss(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any) -> Any:
        return F.half_squared_error(F.relu(ours(ours(x @ W1 + b1, W2) + b2, W3) + b3), y)

    expected = by_hand(x, y, Ws, bs)
    found = vjp(loss, tuple(p for pair in zip(Ws, bs, strict=True) for p in pair))[1]
    yield measured(all(g.any() and close(g, e) for g, e in zip(map(np.asarray, found), expected, strict=True)),
                   "by_hand")


def by_hand(x: Array, y: Array, Ws: list[Array], bs: list[Array]) -> list[Array]:
    """∂J/∂W₁, ∂J/∂b₁, ∂J/∂W₂, … as the corrected F05 says it, summed over the samples; rows for columns."""
    zs, activations = [], [x]
    for W, b in zip(Ws, bs, strict=True):
        zs.append(activations[-1] @ W + b)
        activations.append(np.maximum(0, zs[-1]))
    delta = (activations[-1] - y) * (zs[-1] > 0)
    gradients: list[Array] = []
    for i in (2, 1, 0):
        gradients = [activations[i].T @ delta, delta.sum(axis=0), *gradients]
        if i:
            delta = (delta @ Ws[i].T) * (zs[i - 1] > 0)
    return gradients


def check_weight_gradient(ours: Function, literal: Function) -> Iterator[Finding]:
    """F18."""
    w, x = normal(6), normal(6, seed=1)
    a = 1 / (1 + np.exp(-w * x))
    yield gradient("∂L/∂w = ∂L/∂a · f′(z) · x", ours, w, x, formula=a * (1 - a) * x)
    yield refuted("∂L/∂w · f′(z)", literal, w, x, diagnosis="factor_twice")


def check_linear_gradient(ours: s8.Gradient, literal: s8.Gradient) -> Iterator[Finding]:
    """F24."""
    w, X, y = regression()

    def cost(w: Array) -> float:
        return s8.cost(w, X, y)

    yield gradient("∇J = −Σ (yᵢ − ŷᵢ) xᵢ", cost, w, grad=lambda w: ours(w, X, y))
    yield refuted("∇J = Σ (yᵢ − ŷᵢ) xᵢ", cost, w, grad=lambda w: literal(w, X, y), diagnosis="sign")
    alpha, steps = 1 / s8.largest_eigenvalue(X), 30
    before = cost(w)
    down, up = (cost(s8.descend(g, w, X, y, alpha, steps)) for g in (ours, literal))
    yield measured(down < before, "descends", steps=steps, before=before, after=down)
    yield measured(up > 1000 * before, "climbs", steps=steps, before=before, after=up)


# ---- the rows

ROWS = (
    Formula(
        id="F04", places=("000 §4.2",), verdict="erratum",
        formula="e₃ = y − a₃",
        latex=r"e_3 = y - a_3",
        corrected="∂J/∂a₃ = a₃ − y",
        corrected_latex=r"\frac{\partial J}{\partial a_3} = a_3 - y",
        en="The sign: y − a₃ is −∂J/∂a₃. Since the update F07 subtracts, the error has to be a₃ − y.",
        zh="符号错误：y − a₃ 是 −∂J/∂a₃。更新公式 F07 用的是减号，误差就必须是 a₃ − y。",
        lines=(Line(HalfSquaredError.backward_p, "return dy * (p - t)"),),
        ours=HalfSquaredError, literal=OutputErrorAsPrinted, check=check_output_error,
    ),
    Formula(
        id="F05", places=("000 §4.2",), verdict="erratum",
        formula="e₂ = W₃₂ᵀ e₃, e₁ = W₂₂ᵀ e₂",
        latex=r"e_2 = W_{32}^{\top} e_3,\quad e_1 = W_{22}^{\top} e_2",
        corrected="δ₃ = (a₃ − y) ⊙ f′(z₃), δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ), ∂J/∂Wₗ = δₗ aₗ₋₁ᵀ, ∂J/∂bₗ = δₗ",
        corrected_latex=r"\delta_3 = (a_3 - y) \odot f'(z_3),\quad \delta_l = (W_{l+1}^{\top} \delta_{l+1}) \odot "
                        r"f'(z_l),\quad \frac{\partial J}{\partial W_l} = \delta_l a_{l-1}^{\top},\quad "
                        r"\frac{\partial J}{\partial b_l} = \delta_l",
        en="The activation's derivative f′(z) is missing: with ReLU, an error would pass back through units that were "
           "off. (Single entries, W₃₂ and W₂₂, are printed where whole matrices are meant.)",
        zh="漏掉了激活函数的导数 f′(z)：用 ReLU 时，误差会穿过没有激活的神经元传回去。"
           "（文中写的是单个元素 W₃₂、W₂₂，指的应是整个矩阵。）",
        lines=(Line(ReLU.backward, "return np.where(y > 0, dy, 0)"), Line(MatMul.backward_a, "return dy @ b.mT"),
               Line(MatMul.backward_b, "return a.mT @ dy")),
        ours=hidden_layer, literal=HiddenErrorAsPrinted, check=check_hidden_error,
    ),
    Formula(
        id="F18", places=("002 §4.2", "002 §4.3"), verdict="erratum",
        formula="∇w = ∂L/∂w · f′(z)",
        latex=r"\nabla w = \frac{\partial L}{\partial w} \cdot f'(z)",
        corrected="∇w = ∂L/∂w = ∂L/∂a · f′(z) · x",
        corrected_latex=r"\nabla w = \frac{\partial L}{\partial w} = \frac{\partial L}{\partial a} \cdot f'(z) \cdot x",
        en="∂L/∂w holds f′(z) already; multiplied once more, the activation's derivative counts twice.",
        zh="∂L/∂w 里已经含有 f′(z)，再乘一次，激活函数的导数就算了两遍。",
        lines=(Line(Sigmoid.backward, "return dy * y * (1 - y)"), Line(Mul.backward_a, "return dy * b")),
        ours=neurons, literal=WeightGradientAsPrinted, check=check_weight_gradient,
    ),
    Formula(
        id="F24", places=("004 §4.3",), verdict="erratum",
        formula="∇J = Σᵢ (yᵢ − ŷᵢ) xᵢ",
        latex=r"\nabla_w J = \sum_{i=1}^{n} (y_i - \hat y_i) \cdot x_i",
        corrected="∇J = −Σᵢ (yᵢ − ŷᵢ) xᵢ",
        corrected_latex=r"\nabla_w J = -\sum_{i=1}^{n} (y_i - \hat y_i) \cdot x_i",
        en="The sign: as printed, the update F07 climbs, and J grows without bound.",
        zh="符号错误：照文档所写，更新公式 F07 会一路上坡，J 无限增大。",
        lines=(Line(s8.corrected, "return -X.T @ (y - X @ w)"),),
        ours=s8.corrected, literal=s8.as_printed, check=check_linear_gradient,
    ),
)
