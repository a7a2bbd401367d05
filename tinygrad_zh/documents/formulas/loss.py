"""The rows of losses: F02, F08–F11, F23."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.derivatives import vjp
from tinygrad_zh.documents import s8
from tinygrad_zh.documents.formulas.finding import (
    Array,
    Finding,
    close,
    equal,
    gradient,
    measured,
    normal,
    refuted,
    regression,
)
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.ops import loss
from tinygrad_zh.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    CrossEntropyOfProbabilities,
    HalfSquaredError,
    SquaredError,
)

Function = Callable[..., Any]

# ---- as the documents write them


def half_squared_error(p: Array, y: Array) -> Any:
    """J = ½ Σ (yᵢ − ŷᵢ)²: 000 §4.1."""
    return 0.5 * np.sum((y - p) ** 2)


def mean_squared_error(p: Array, y: Array) -> Any:
    """MSE = 1/n Σ (yᵢ − ŷᵢ)²: 001 §2.5.1."""
    return np.sum((y - p) ** 2) / len(y)


def cross_entropy(p: Array, y: Array) -> Any:
    """CE = −Σ yᵢ log ŷᵢ, i over the classes: 001 §2.5.1."""
    return -np.sum(y * np.log(p))


def cross_entropy_without_classes(z: Any, y: Array) -> Any:
    """CE = −1/n Σ yᵢ log ŷᵢ, one label a sample, ŷ = σ(z): 004 §4.1, a counter-example."""
    return -np.sum(y * np.log(1 / (1 + np.exp(-z)))) / len(y)


def binary_cross_entropy(p: Array, y: Array) -> Any:
    """CE = −1/n Σ (yᵢ log ŷᵢ + (1 − yᵢ) log(1 − ŷᵢ)): 002 §4.2."""
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(y)


def linear_cost(w: Array, X: Array, y: Array) -> Any:
    """J(w) = ½ Σ (yᵢ − w·xᵢ)²: 004 §4.3."""
    return 0.5 * sum((y_i - w @ x_i) ** 2 for x_i, y_i in zip(X, y, strict=True))


# ---- ours, where it is more than one function


def two_classes(z: Any, y: Array) -> Any:
    """The cross-entropy of two classes whose logits are 0 and z, so that ŷ = σ(z)."""
    return F.cross_entropy(F.stack([0 * z, z], axis=1), y)


# ---- the checks


def check_half_squared_error(ours: Function, literal: Function) -> Iterator[Finding]:
    """F02."""
    p, y = normal(6), normal(6, seed=1)
    yield equal(ours(p, y), literal(p, y))
    yield gradient("∂J/∂ŷ = ŷ − y", lambda p: ours(p, y), p, formula=p - y)


def check_mean_squared_error(ours: Function, literal: Function) -> Iterator[Finding]:
    """F08."""
    n = 6
    p, y = normal(n), normal(n, seed=1)
    yield equal(ours(p, y), literal(p, y))
    yield gradient("∂MSE/∂ŷ = 2 (ŷ − y) / n", lambda p: ours(p, y), p, formula=2 * (p - y) / n)
    half, mean = (vjp(lambda p, loss=loss: loss(p, y), p)[1].numpy() for loss in (F.half_squared_error, ours))
    yield measured(close(mean, half * (2 / n)), "two_over_n", n=n, ratio=(mean / half)[0])


def check_cross_entropy(ours: Function, literal: Function) -> Iterator[Finding]:
    """F09, of one sample; y is a distribution, then a class."""
    z, y = normal(4), np.array([0.1, 0.2, 0.3, 0.4])
    p = np.exp(z) / np.sum(np.exp(z))
    yield equal(ours(p, y), literal(p, y))
    yield gradient("∂CE/∂ŷ = −y / ŷ", lambda p: ours(p, y), p, formula=-y / p)
    yield gradient("∂CE/∂z = ŷ − y, ŷ = softmax(z)", lambda z: ours(F.softmax(z), y), z, formula=p - y)
    hot = np.array([0.0, 0.0, 1.0, 0.0])
    yield gradient("∂CE/∂z = softmax(z) − (0, 0, 1, 0)", lambda z: CrossEntropy(z, np.array(2)), z, formula=p - hot)


def check_sum_over_classes(ours: Function, literal: Function) -> Iterator[Finding]:
    """F10: the corrected formula, of three classes; then one label a sample, half of them 0. σ(40) is 1 in float64."""
    x, classes = normal(4, 3), np.array([0, 2, 1, 2])
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    yield equal(F.cross_entropy(x, classes), -np.sum(np.eye(3)[classes] * np.log(p)) / 4)
    z, y, one = normal(6), np.array([0, 1, 0, 1, 0, 1]), np.full(6, 40.0)
    claimed = (1 / (1 + np.exp(-z)) - y) / len(y)
    yield gradient("∂CE/∂z = (ŷ − y) / n", lambda z: ours(z, y), z, formula=claimed)
    yield refuted("∂CE/∂z = (ŷ − y) / n", lambda z: literal(z, y), z, grad=claimed, diagnosis="elements")
    printed, corrected = abs(float(literal(one, y))), float(ours(one, y))
    yield measured(printed < 1e-12 < 1 < corrected, "least_at_one", printed=printed, corrected=corrected)


def check_binary_cross_entropy(ours: Function, literal: Function) -> Iterator[Finding]:
    """F11."""
    z, y = normal(6), np.array([0.0, 1.0, 0.0, 1.0, 0.25, 1.0])
    p = 1 / (1 + np.exp(-z))
    yield equal(ours(p, y), literal(p, y))
    yield gradient("∂CE/∂z = (ŷ − y) / n, ŷ = σ(z)", lambda z: ours(F.sigmoid(z), y), z, formula=(p - y) / len(y))


def check_linear_cost(ours: Function, literal: Function) -> Iterator[Finding]:
    """F23."""
    w, X, y = regression()
    yield equal(ours(w, X, y), literal(w[:, 0], X, y[:, 0]))
    yield gradient("∇J = −Σ (yᵢ − w·xᵢ) xᵢ", lambda w: ours(w, X, y), w, formula=-X.T @ (y - X @ w),
                   grad=lambda w: s8.backpropagated(w, X, y))


# ---- the rows

ROWS = (
    Formula(
        id="F02", places=("000 §4.1",), verdict="exact",
        formula="J = ½ Σᵢ (yᵢ − ŷᵢ)²",
        latex=r"J = \frac{1}{2} \sum_{i=1}^{k} (y_i - \hat y_i)^2",
        en="∂J/∂ŷ = ŷ − y. The document calls it MSE, but it is a half sum and no mean: see F08.",
        zh="∂J/∂ŷ = ŷ − y。文档称之为均方误差，其实是和的一半，不是平均：参见 F08。",
        lines=(Line(HalfSquaredError.forward, "return 0.5 * ((t - p) ** 2).sum()"),
               Line(HalfSquaredError.backward_p, "return dy * (p - t)")),
        ours=F.half_squared_error, literal=half_squared_error, check=check_half_squared_error,
    ),
    Formula(
        id="F08", places=("001 §2.5.1", "002 §4.2", "004 §4.1"), verdict="exact",
        formula="MSE = 1/n Σᵢ (yᵢ − ŷᵢ)²",
        latex=r"\mathrm{MSE} = \frac{1}{n} \sum_{i=1}^{n} (y_i - \hat y_i)^2",
        en="∂MSE/∂ŷ = 2 (ŷ − y) / n, which is 2/n times the gradient of F02: the same learning rate takes other steps.",
        zh="∂MSE/∂ŷ = 2 (ŷ − y) / n，是 F02 梯度的 2/n 倍：同一个学习率，步长并不相同。",
        lines=(Line(SquaredError.forward, "return (p - t) ** 2"),
               Line(loss.mse_loss, 'return _reduced(SquaredError(*_operands("mse_loss", p, t)), reduction)')),
        ours=F.mse_loss, literal=mean_squared_error, check=check_mean_squared_error,
    ),
    Formula(
        id="F09", places=("001 §2.5.1",), verdict="exact",
        formula="CE = −Σᵢ yᵢ log ŷᵢ",
        latex=r"\mathrm{CE} = -\sum_i y_i \log \hat y_i",
        en="Exact for one sample if i runs over the classes (the text says samples). ∂CE/∂ŷ = −y / ŷ, and through "
           "softmax ∂CE/∂z = ŷ − y, where Σ y = 1.",
        zh="i 取遍各类别时，对一个样本是准确的（原文说 i 取遍样本）。∂CE/∂ŷ = −y / ŷ；"
           "经过 softmax，且 Σ y = 1 时，∂CE/∂z = ŷ − y。",
        lines=(Line(CrossEntropyOfProbabilities.forward, "return -xlogy(t, p).sum(axis=-1)"),
               Line(CrossEntropy.backward_x, "return dy[..., None] * (np.exp(x - lse) - hot)")),
        ours=CrossEntropyOfProbabilities, literal=cross_entropy, check=check_cross_entropy,
    ),
    Formula(
        id="F10", places=("004 §4.1",), verdict="erratum",
        formula="CE = −1/n Σᵢ yᵢ log ŷᵢ",
        latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} y_i \log \hat y_i",
        corrected="CE = −1/n Σᵢ Σ_c y_ic log ŷ_ic",
        corrected_latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} \sum_{c} y_{ic} \log \hat y_{ic}",
        en="The sum over the classes is missing. Read literally, with one label yᵢ a sample, samples of class 0 do not "
           "count, and the loss is least at ŷ ≡ 1.",
        zh="漏掉了对类别的求和。照字面理解，每个样本只有一个标签 yᵢ，那么第 0 类样本根本不计入，"
           "ŷ ≡ 1 时损失最小。",
        lines=(Line(CrossEntropy.forward, "return np.where(hot, lse - x, 0).sum(axis=-1), lse"),
               Line(loss.cross_entropy, "return _reduced(CrossEntropy(x, t), reduction)")),
        ours=two_classes, literal=cross_entropy_without_classes, check=check_sum_over_classes,
    ),
    Formula(
        id="F11", places=("002 §4.2",), verdict="exact",
        formula="CE = −1/n Σᵢ (yᵢ log ŷᵢ + (1 − yᵢ) log(1 − ŷᵢ))",
        latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} (y_i \log \hat y_i + (1 - y_i) \log(1 - \hat y_i))",
        en="Binary cross-entropy. Through a sigmoid, ∂CE/∂z = (ŷ − y) / n.",
        zh="二元交叉熵。经过 sigmoid，∂CE/∂z = (ŷ − y) / n。",
        lines=(Line(BinaryCrossEntropy.forward, "return -xlogy(t, p) - xlogy(1 - t, 1 - p)"),
               Line(BinaryCrossEntropy.backward_p, "return dy * (ratio(1 - t, 1 - p) - ratio(t, p))")),
        ours=F.binary_cross_entropy, literal=binary_cross_entropy, check=check_binary_cross_entropy,
    ),
    Formula(
        id="F23", places=("004 §4.3",), verdict="exact",
        formula="J(w) = ½ Σᵢ (yᵢ − w · xᵢ)², ŷᵢ = w · xᵢ",
        latex=r"J(w) = \frac{1}{2} \sum_{i=1}^{n} (y_i - w \cdot x_i)^2,\quad \hat y_i = w \cdot x_i",
        en="The loss of F02, of a linear model.",
        zh="线性模型的 F02 损失。",
        lines=(Line(s8.cost, "return F.half_squared_error(X @ w, y).item()"),),
        ours=s8.cost, literal=linear_cost, check=check_linear_cost,
    ),
)
