"""The rows of what the documents name without a formula: F25–F28. The formulas are those of the papers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.check import check_parameters
from tinygrad_zh.core import tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.formulas.finding import Array, Finding, equal, gradient, measured, normal
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.ops import update
from tinygrad_zh.ops.attention import Attention
from tinygrad_zh.ops.normalization import BatchNorm
from tinygrad_zh.ops.regularization import Dropout
from tinygrad_zh.optim import SGD
from tinygrad_zh.optim.schedule import CosineAnnealingLR, ExponentialLR, LinearLR
from tinygrad_zh.train import metrics

Function = Callable[..., Any]

# ---- as the papers write them


def attention(Q: Array, K: Array, V: Array) -> Array:
    """softmax(Q Kᵀ / √d) V: Vaswani et al. 2017."""
    e = np.exp(Q @ K.T / np.sqrt(Q.shape[1]))
    return e / e.sum(axis=1, keepdims=True) @ V


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    """y = γ (x − μ) / √(σ² + ε) + β: Ioffe, Szegedy 2015."""
    return gamma * (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5) + beta


def l2(g: Array, w: Array, decay: float) -> Array:
    """g + λ w"""
    return g + decay * w


def l1(g: Array, w: Array, decay: float) -> Array:
    """g + λ sign w"""
    return g + decay * np.sign(w)


def dropout(x: Array, p: float) -> Array:
    """x m / (1 − p), m = 0 with probability p: Srivastava et al. 2014."""
    return x * (philox(0).random(x.shape, np.float32) >= p) / (1 - p)


def linear_decay(rate: float, t: int, total: int) -> float:
    """η₀ (1 − t/T)"""
    return rate * (1 - t / total)


def exponential_decay(rate: float, t: int, gamma: float) -> float:
    """η₀ γᵗ"""
    return rate * gamma**t


def cosine_decay(rate: float, t: int, total: int) -> float:
    """½ η₀ (1 + cos(π t/T)): Loshchilov, Hutter 2017."""
    return rate / 2 * (1 + np.cos(np.pi * t / total))


def shifted(x: Array, most: int) -> Array:
    """y[i, j] = x[i − a, j − b], pixel by pixel: Simard, Steinkraus, Platt 2003."""
    y = np.zeros_like(x)
    a, b = philox(0).integers(-most, most, (2, len(x)), endpoint=True)
    for k, i, j in np.ndindex(x.shape):
        if 0 <= i - a[k] < x.shape[1] and 0 <= j - b[k] < x.shape[2]:
            y[k, i, j] = x[k, i - a[k], j - b[k]]
    return y


def sgd(w: Array, gradients: list[Array], rate: float) -> Array:
    """w after w ← w − η g for each g."""
    for g in gradients:
        w = w - rate * g
    return w


def adam(w: Array, gradients: list[Array], rate: float) -> Array:
    """w after Adam's steps: Kingma, Ba 2015, algorithm 1, line by line."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        m_hat = m / (1 - 0.9**t)
        v_hat = v / (1 - 0.999**t)
        w = w - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    return w


def mean_of_accuracy_and_recall(predicted: Array, target: Array, weight: float = 0.5) -> float:
    """w · accuracy + (1 − w) · recall: 000 §9.6's F1, a counter-example."""
    return weight * metrics.accuracy(predicted, target) + (1 - weight) * float(metrics.recall(predicted, target))


# ---- ours, where it is more than one function


def our_batch_norm(x: Any, gamma: Any, beta: Any) -> Any:
    """Batch norm in training."""
    return F.batch_norm(x, np.zeros(x.shape[1]), np.ones(x.shape[1]), gamma, beta, training=True)[0]


def our_l2(g: Array, w: Array, decay: float) -> Any:
    return update.L2Penalty(g, w, decay=decay)


def our_l1(g: Array, w: Array, decay: float) -> Any:
    return update.L1Penalty(g, w, decay=decay)


def our_dropout(x: Any, p: float) -> Any:
    return F.dropout(x, p, generator=philox(0))


def scheduled(schedule: Function) -> Function:
    """η(t) of a schedule as a function of the first rate, t and what the schedule is made with."""
    return lambda rate, t, setting: schedule(SGD([tensor(0.0, requires_grad=True)], rate), setting).at(t)


def our_shifted(x: Array, most: int) -> Array:
    return data.shifted(x, most, philox(0))


def our_sgd(w: Any, gradients: list[Array], rate: float) -> Any:
    for g in gradients:
        w = update.SGD(w, g, rate)
    return w


def our_adam(w: Any, gradients: list[Array], rate: float) -> Any:
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        w, m, v = update.Adam(w, g, m, v, rate, np.array(float(t)))
    return w


# ---- the checks


def check_attention(ours: Function, literal: Function) -> Iterator[Finding]:
    """F25. The block: all of its parameters, where they begin."""
    Q, K, V = normal(3, 4), normal(5, 4, seed=1), normal(5, 2, seed=2)
    yield equal(ours(Q, K, V), literal(Q, K, V))
    yield gradient("∂L/∂Q, ∂L/∂K, ∂L/∂V", ours, Q, K, V)
    block, x = nn.TransformerBlock(4, 2, 8), normal(2, 3, 4)
    report = check_parameters(lambda: (block(x) * x).sum(), dict(block.named_parameters()), samples=4)
    yield Finding(bool(report), "block", {"parameters": sum(p.size for p in block.parameters())}, report)


STRATEGIES = ("y = γ (x − μ) / √(σ² + ε) + β", "g + λ w", "g + λ sign w", "x m / (1 − p)", "η₀ (1 − t/T)", "η₀ γᵗ",
              "½ η₀ (1 + cos(π t/T))", "y[i, j] = x[i − a, j − b]")


def check_strategies(ours: tuple[Function, ...], literal: tuple[Function, ...]) -> Iterator[Finding]:
    """F26."""
    x, w = normal(6, 3), normal(6, 3, seed=1)
    inputs = ((x, w[0], w[1]), (x, w, 0.1), (x, w, 0.1), (x, 0.4), (0.5, 3, 10), (0.5, 3, 0.9), (0.5, 3, 10),
              (normal(8, 4, 5), 2))
    for name, mine, theirs, values in zip(STRATEGIES, ours, literal, inputs, strict=True):
        yield equal(mine(*values), theirs(*values), name)
    yield gradient("∂y/∂x, ∂y/∂γ, ∂y/∂β", ours[0], x, w[0], w[1])
    yield gradient("λ w = ∂(½ λ Σ w²)/∂w", lambda w: 0.05 * np.sum(w**2), w, formula=0.1 * w,
                   grad=lambda w: ours[1](0 * w, w, 0.1))
    yield gradient("λ sign w = ∂(λ Σ |w|)/∂w", lambda w: 0.1 * np.sum(np.abs(w)), w, formula=0.1 * np.sign(w),
                   grad=lambda w: ours[2](0 * w, w, 0.1))
    yield gradient("∂y/∂x = m / (1 − p)", lambda x: ours[3](x, 0.4), x)


def check_optimizers(ours: tuple[Function, ...], literal: tuple[Function, ...]) -> Iterator[Finding]:
    """F27. Five steps."""
    w, gradients = normal(3, 2), [normal(3, 2, seed=i) for i in range(1, 6)]
    for name, mine, theirs in zip(("SGD", "Adam"), ours, literal, strict=True):
        yield equal(mine(w, gradients, 0.1), theirs(w, gradients, 0.1), name)


def check_f1(ours: Function, literal: Function) -> Iterator[Finding]:
    """F28. 100 samples of which 10 are positive: 8 of them are found, and 20 others are taken for positive."""
    target = np.repeat([1, 0], [10, 90])
    predicted = np.repeat([1, 0, 1, 0], [8, 2, 20, 70])
    TP, FP, FN, TN = 8, 20, 2, 70
    P, R, A = TP / (TP + FP), TP / (TP + FN), (TP + TN) / 100
    mine = float(ours(predicted, target))
    yield measured(np.allclose(mine, 2 * P * R / (P + R)), "harmonic", f1=mine, precision=P, recall=R)
    yield measured(mine < min(A, R) <= literal(predicted, target), "no_weight", f1=mine, accuracy=A, recall=R)
    known = (metrics.precision(predicted, target), metrics.recall(predicted, target),
             metrics.accuracy(predicted, target))
    yield equal(np.array(known, np.float64), np.array([P, R, A]), "P, R, (TP + TN) / n")
    scores = normal(100) + target
    FPR, TPR, at = metrics.roc(scores, target)
    yield equal(np.array([FPR, TPR]), np.array([[np.mean(scores[target == k] >= t) for t in at] for k in (0, 1)]),
                "ROC")
    precision, recall, at = metrics.precision_recall(scores, target)
    yield equal(np.array([precision, recall]),
                np.array([[np.mean(target[scores >= t]) for t in at],
                          [np.mean(scores[target == 1] >= t) for t in at]]), "PR")


# ---- the rows

ROWS = (
    Formula(
        id="F25", places=("000 §2", "001 §2.6"), verdict="named",
        formula="Y = softmax(Q Kᵀ / √d) V",
        latex=r"Y = \mathrm{softmax}\left(\frac{Q K^{\top}}{\sqrt{d_k}}\right) V",
        en="Self-attention and the Transformer block (Vaswani et al. 2017), with the explicit gradient of each of Q, K "
           "and V.",
        zh="自注意力与 Transformer 块（Vaswani 等，2017），并写明 Q、K、V 各自的梯度。",
        lines=(Line(Attention.forward, "return (e / z) @ v, top + np.log(z)"),
               Line(Attention.backward, "return s @ k, s.mT @ q, p.mT @ dy")),
        ours=F.scaled_dot_product_attention, literal=attention, check=check_attention,
    ),
    Formula(
        id="F26", places=("001 §2.4.3",), verdict="named",
        formula="y = γ (x − μ) / √(σ² + ε) + β; g + λ w; g + λ sign w; x m / (1 − p); "
                "η₀ (1 − t/T); η₀ γᵗ; ½ η₀ (1 + cos(π t/T)); y[i, j] = x[i − a, j − b]",
        latex=r"y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta,\quad g + \lambda w,\quad "
              r"g + \lambda\,\mathrm{sign}(w),\quad \frac{x m}{1 - p},\quad \eta_0 \left(1 - \frac{t}{T}\right),\quad "
              r"\eta_0 \gamma^t,\quad \frac{\eta_0}{2} \left(1 + \cos\frac{\pi t}{T}\right),\quad "
              r"y_{i,j} = x_{i-a,\,j-b}",
        en="Batch normalisation (Ioffe, Szegedy 2015), L2 and L1, dropout (Srivastava et al. 2014), linear, "
           "exponential and cosine decay (Loshchilov, Hutter 2017). Data augmentation (train.fit's augment) moves a "
           "picture by a and b, drawn from −m, …, m each time that it is trained on (Simard, Steinkraus, Platt 2003).",
        zh="批归一化（Ioffe、Szegedy，2015）、L2 与 L1 正则、Dropout（Srivastava 等，2014），"
           "以及线性、指数、余弦衰减（Loshchilov、Hutter，2017）。"
           "数据增强（train.fit 的 augment）：每次用一张图训练前，先把它平移 a、b 个像素，"
           "a、b 从 −m, …, m 中随机抽取（Simard、Steinkraus、Platt，2003）。",
        lines=(Line(BatchNorm.forward, "x_hat = (x - mean) * rstd"),
               Line(BatchNorm.forward, "return gamma * x_hat + beta, new_mean, new_var, mean, rstd"),
               Line(update.L2Penalty.forward, "return g0 + decay * w"),
               Line(update.L1Penalty.forward, "return g0 + decay * np.sign(w)"),
               Line(Dropout.forward, "return x * mask * scale, mask"),
               Line(LinearLR.at, "return self.initial * (self.start + (self.end - self.start) * min(t, self.total) / "
                                 "self.total)"),
               Line(ExponentialLR.at, "return self.initial * self.gamma**t"),
               Line(CosineAnnealingLR.at, "return self.minimum + 0.5 * (self.initial - self.minimum) * "
                                          "(1 + math.cos(math.pi * t / self.total))"),
               Line(data.shifted, "return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]")),
        ours=(our_batch_norm, our_l2, our_l1, our_dropout, scheduled(LinearLR), scheduled(ExponentialLR),
              scheduled(CosineAnnealingLR), our_shifted),
        literal=(batch_norm, l2, l1, dropout, linear_decay, exponential_decay, cosine_decay, shifted),
        check=check_strategies,
    ),
    Formula(
        id="F27", places=("001 §2.4.2", "002 §4.2", "004 §5"), verdict="named",
        formula="SGD: w ← w − η g; Adam: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², w ← w − η m̂ / (√v̂ + ε)",
        latex=r"w \leftarrow w - \eta g,\quad m \leftarrow \beta_1 m + (1 - \beta_1) g,\quad "
              r"v \leftarrow \beta_2 v + (1 - \beta_2) g^2,\quad "
              r"w \leftarrow w - \eta \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}",
        en="Adam is that of Kingma and Ba (2015, algorithm 1), with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ).",
        zh="Adam 按 Kingma 与 Ba（2015，算法 1）实现，m̂ = m / (1 − β₁ᵗ)，v̂ = v / (1 − β₂ᵗ)。",
        lines=(Line(update.SGD.forward, "return w0 - lr * g"),
               Line(update.Adam.forward, "return w0 - lr * m_hat / (np.sqrt(v_hat) + eps), m, v")),
        ours=(our_sgd, our_adam), literal=(sgd, adam), check=check_optimizers,
    ),
    Formula(
        id="F28", places=("000 §9.6", "002 §9.6"), verdict="erratum",
        formula="F1 = w A + (1 − w) R",
        latex=r"F_1 = w A + (1 - w) R",
        corrected="F1 = 2 P R / (P + R), P = TP / (TP + FP), R = TP / (TP + FN)",
        corrected_latex=r"F_1 = \frac{2 P R}{P + R},\quad P = \frac{TP}{TP + FP},\quad R = \frac{TP}{TP + FN}",
        en="Document 000 calls F1, in words, a weighted mean of 准确率 (accuracy, A) and recall (R); it is the "
           "harmonic mean of precision (精确率, P) and recall. 002 says harmonic, and 准确率 again. Accuracy, ROC and "
           "PR are named without a formula.",
        zh="文档 000 说 F1 是准确率（A）与召回率（R）的加权平均；其实是精确率（P）与召回率的调和平均。"
           "002 说的是调和平均，但仍写成准确率。准确率、ROC、PR 只提到名称，没有公式。",
        lines=(Line(metrics.f1, "return _average(2 * counts.hits, counts.predicted + counts.actual, counts, average)"),
               Line(metrics.precision, "return _average(counts.hits, counts.predicted, counts, average)"),
               Line(metrics.recall, "return _average(counts.hits, counts.actual, counts, average)"),
               Line(metrics.accuracy, "return float(np.mean(labels.predicted == labels.target))")),
        ours=metrics.f1, literal=mean_of_accuracy_and_recall, check=check_f1,
    ),
)
