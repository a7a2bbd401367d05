"""The rows of activations: F12–F15."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Op
from tinygrad_zh.derivatives import vjp
from tinygrad_zh.documents.formulas.finding import Array, Finding, equal, gradient, measured, normal, refuted
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn.layers import Dense
from tinygrad_zh.ops.activation import ReLU, Sigmoid, Softmax, Tanh

Function = Callable[..., Any]

# ---- as the documents write them


class ReLUThatNeverDies(Op):
    """y = max(0, x)
    ∂L/∂x = ∂L/∂y, for x < 0 too
    中文：照文档的说法，负半轴上梯度也不消失的 ReLU

    Document 001 §2.5.2 (F12), a counter-example.
    """

    def forward(x):
        return np.maximum(0, x)

    def backward(dy):
        return dy


def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ), as 001 §2.5.2 writes it: e⁻ˣ overflows where x is far below 0."""
    return 1 / (1 + np.exp(-x))


def tanh(x: Array) -> Array:
    """tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), as 001 §2.5.2 writes it."""
    return (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))


def neuron(w: Array, x: Array) -> Array:
    """a = 1 / (1 + e^(−w·x)), as 002 §4.2 writes it; a row of x a sample."""
    return 1 / (1 + np.exp(-(x @ w)))


# ---- ours, where it is more than one function


def our_neuron(w: Any, x: Any) -> Any:
    """A layer of one unit without a bias, and a sigmoid."""
    layer = Dense(len(x[0]), 1, bias=False)
    layer.W = F.reshape(w, (-1, 1))
    return F.sigmoid(layer(x)).reshape(-1)


# ---- the checks


def check_relu(ours: Function, literal: Function) -> Iterator[Finding]:
    """F12. The last unit is negative for every sample."""
    x = normal(6, 4)
    x[:, 3] = -np.abs(x[:, 3])
    yield equal(ours(x), np.maximum(0, x))
    yield gradient("ReLU′(x) = 1 (x > 0), 0 (x < 0)", ours, x, formula=x > 0)
    yield refuted("ReLU′(x) ≠ 0 (x < 0)", literal, x, diagnosis="factor_missing")
    yield measured(not vjp(ours, x, np.ones_like(x))[1].numpy()[:, 3].any(), "dead_unit", samples=len(x))


def check_sigmoid(ours: Function, literal: Function) -> Iterator[Finding]:
    """F13."""
    x, far = normal(10), np.array([-800.0])
    y = literal(x)
    yield equal(ours(x), y)
    yield gradient("σ′ = σ (1 − σ)", ours, x, formula=y * (1 - y))
    yield measured(overflows(literal, far) and not overflows(ours, far), "overflow", x=far.item())


def overflows(function: Function, x: Array) -> bool:
    """Whether NumPy meets an overflow on the way."""
    try:
        with np.errstate(over="raise"):
            function(x)
    except FloatingPointError:
        return True
    return False


def check_tanh(ours: Function, literal: Function) -> Iterator[Finding]:
    """F14. ours, literal: what is to give the probabilities of several classes."""
    x = normal(4, 5)
    yield equal(F.tanh(x), tanh(x))
    yield gradient("tanh′ = 1 − tanh²", F.tanh, x, formula=1 - tanh(x) ** 2)
    p, t = np.asarray(ours(x)), np.asarray(literal(x))
    yield measured((p > 0).all() and np.allclose(p.sum(axis=1), 1), "distribution")
    yield measured((t < 0).any() and not np.allclose(t.sum(axis=1), 1), "no_distribution", low=t.min(), high=t.max(),
                   least=t.sum(axis=1).min(), most=t.sum(axis=1).max())


def check_neuron(ours: Function, literal: Function) -> Iterator[Finding]:
    """F15."""
    w, x = normal(3), normal(8, 3, seed=1)
    a = literal(w, x)
    yield equal(ours(w, x), a)
    yield gradient("∂a/∂w = a (1 − a) x", lambda w: ours(w, x), w, formula=(a * (1 - a)) @ x)


# ---- the rows

ROWS = (
    Formula(
        id="F12", places=("001 §2.5.2",), verdict="erratum",
        formula="ReLU(x) = max(0, x), ReLU′(x) ≠ 0 (x < 0)",
        latex=r"\mathrm{ReLU}(x) = \max(0, x),\quad \mathrm{ReLU}'(x) \neq 0\ (x < 0)",
        corrected="ReLU(x) = max(0, x), ReLU′(x) = 1 (x > 0), 0 (x < 0)",
        corrected_latex=r"\mathrm{ReLU}(x) = \max(0, x),\quad \mathrm{ReLU}'(x) = 1\ (x > 0),\ 0\ (x < 0)",
        en="The formula is exact. What the text says of it, here in symbols, is not: in the negative region the "
           "gradient is zero, and a unit that is negative for every sample stays so (a dying ReLU). What does not "
           "vanish is the gradient of the positive side.",
        zh="公式准确。文中对它的说法（这里写成符号）不对：负半轴上梯度恰好是零，对所有样本都为负的神经元再也不会更新"
           "（“神经元死亡”）。不会消失的是正半轴的梯度。",
        lines=(Line(ReLU.forward, "return np.maximum(x, 0)"), Line(ReLU.backward, "return np.where(y > 0, dy, 0)")),
        ours=F.relu, literal=ReLUThatNeverDies, check=check_relu,
    ),
    Formula(
        id="F13", places=("001 §2.5.2",), verdict="exact",
        formula="σ(x) = 1 / (1 + e⁻ˣ)",
        latex=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
        en="σ′ = σ (1 − σ). As written e⁻ˣ overflows where x is far below 0, so the code uses e^−|x|.",
        zh="σ′ = σ (1 − σ)。照原式计算，x 远小于 0 时 e⁻ˣ 会溢出，所以代码用 e^−|x|。",
        lines=(Line(Sigmoid.forward, "return np.where(x >= 0, 1, e) / (1 + e)"),
               Line(Sigmoid.backward, "return dy * y * (1 - y)")),
        ours=F.sigmoid, literal=sigmoid, check=check_sigmoid,
    ),
    Formula(
        id="F14", places=("001 §2.5.2",), verdict="erratum",
        formula="tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), ŷ = tanh(z)",
        latex=r"\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}},\quad \hat y = \tanh(z)",
        corrected="tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), ŷ = softmax(z)",
        corrected_latex=r"\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}},\quad \hat y = \mathrm{softmax}(z)",
        en="The formula is exact, tanh′ = 1 − tanh². But it is not suited to several classes, as the text says of it, "
           "here in symbols: its values lie between −1 and 1 and are no distribution; softmax gives one.",
        zh="公式准确，tanh′ = 1 − tanh²。但它并不像文中所说（这里写成符号）适合多分类：它的值在 −1 与 1 之间，"
           "不构成概率分布；多分类要用 softmax。",
        lines=(Line(Tanh.forward, "return np.tanh(x)"), Line(Tanh.backward, "return dy * (1 - y * y)"),
               Line(Softmax.forward, "return e / e.sum(axis=axis, keepdims=True)")),
        ours=F.softmax, literal=F.tanh, check=check_tanh,
    ),
    Formula(
        id="F15", places=("002 §4.2",), verdict="exact",
        formula="a = 1 / (1 + e^(−w·x))",
        latex=r"a = \frac{1}{1 + e^{-w \cdot x}}",
        en="One sigmoid neuron without a bias. ∂a/∂w = a (1 − a) x.",
        zh="一个没有偏置的 sigmoid 神经元。∂a/∂w = a (1 − a) x。",
        lines=(Line(Sigmoid.forward, "return np.where(x >= 0, 1, e) / (1 + e)"), Line(Dense.forward, "y = x @ self.W")),
        ours=our_neuron, literal=neuron, check=check_neuron,
    ),
)
