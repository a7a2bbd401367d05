"""The rows of training: the update, the initial weights, the features: F07, F16, F17, F19."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh.core.random import philox
from tinygrad_zh.data.scaling import standardize
from tinygrad_zh.documents.formulas.finding import Array, Finding, equal, measured, normal
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn import init
from tinygrad_zh.ops.update import SGD

Function = Callable[..., Any]

# ---- as the documents write them


def gradient_step(W: Array, dW: Array, alpha: float) -> Array:
    """W := W − α ∂J/∂W: 000 §4.2."""
    return W - alpha * dW


def between_minus_one_and_one(u: Array) -> Array:
    """W ~ U[−1, 1], made of u ~ U[0, 1]: 002 §4.3."""
    return -1 + 2 * u


def scaled(x: Array, train: Array) -> Array:
    """(x − mean) / std, both of the training set: 002 §4.3."""
    return (x - train.mean(axis=0)) / train.std(axis=0)


# ---- the checks


def check_step(ours: Function, literal: Function) -> Iterator[Finding]:
    """F07. J = ½ Σ W², whose gradient is W."""
    W, alpha = normal(4, 3), 0.01
    stepped = ours(W, W, alpha)
    yield equal(stepped, literal(W, W, alpha))
    before, after = np.sum(W**2) / 2, np.sum(stepped**2) / 2
    yield measured(after < before, "descends", steps=1, before=before, after=after)


def check_uniform(ours: Function, literal: Function) -> Iterator[Finding]:
    """F16. The variance that U[−1, 1] has, and what it does to signals."""
    n = 256
    W = ours((n, n), generator=philox(0)).astype(np.float64)
    yield equal(W.astype(np.float32), literal(philox(0).random((n, n))))
    yield equal(init.normal((n, n), 0.0, 0.5, philox(0)), 0.5 * philox(0).standard_normal((n, n)), "N(0, σ²)")
    yield measured(abs(3 * W.var() - 1) < 0.02, "third", variance=W.var(), draws=W.size)
    linear, relu = (normal(1000, n) @ W).var(), (np.maximum(0, normal(1000, n)) @ W).var()
    yield measured(abs(linear / (n / 3) - 1) < 0.1 and abs(relu / (n / 6) - 1) < 0.1, "growth", n=n, linear=linear,
                   third=n / 3, relu=relu, sixth=n / 6)
    saturated = np.mean(np.abs(np.tanh(normal(1000, n) @ W)) > 0.99)
    yield measured(saturated > 0.5, "saturated", share=saturated)


def check_xavier(ours: Function, literal: Function) -> Iterator[Finding]:
    """F17. Ten layers of 256 units, with tanh and with ReLU."""
    n, m = 512, 256
    corrected, printed = ours((n, m)).var(), literal((n, m)).var()
    yield measured(abs(corrected * (n + m) / 2 - 1) < 0.02, "glorot_variance", variance=corrected, formula=2 / (n + m))
    yield measured(abs(printed * 3 * n - 1) < 0.02, "printed_variance", variance=printed, formula=1 / (3 * n),
                   he=2 / n)
    kept, lost = through_layers(np.tanh, ours), through_layers(np.tanh, literal)
    yield measured(0.3 < kept < 2 and lost < 1e-3, "tanh_depth", ours=kept, printed=lost)
    kept, lost = (through_layers(lambda z: np.maximum(0, z), draw) for draw in (init.he_uniform, literal))
    yield measured(0.3 < kept < 3 and lost < 1e-5, "relu_depth", ours=kept, printed=lost)


def through_layers(f: Function, draw: Function, depth: int = 10, width: int = 256) -> float:
    """The mean square of a signal after the layers, as a multiple of what it was; it begins small, where tanh is
    linear."""
    x = 0.1 * normal(200, width)
    before = np.mean(x**2)
    for _ in range(depth):
        x = f(x @ draw((width, width)))
    return float(np.mean(x**2) / before)


def check_standardise(ours: Function, literal: Function) -> Iterator[Finding]:
    """F19. The test data lie elsewhere than the training data."""
    train, test = 3 * normal(50, 2) + 7, 3 * normal(20, 2, seed=1) + 10
    a, b = ours(train, test)
    yield equal(a, literal(train, train))
    yield equal(b, literal(test, train), "(x_test − mean) / std")
    yield measured(np.allclose(a.mean(axis=0), 0) and np.allclose(a.std(axis=0), 1) and b.mean() > 0.5,
                   "training_alone", mean=b.mean())


# ---- the rows

ROWS = (
    Formula(
        id="F07", places=("000 §4.2", "002 §4.2", "004 §4.2"), verdict="exact",
        formula="W := W − α ∂J/∂W, b := b − α ∂J/∂b",
        latex=r"W := W - \alpha \frac{\partial J}{\partial W},\quad b := b - \alpha \frac{\partial J}{\partial b}",
        en="Gradient descent; with batches drawn at random, stochastic gradient descent (F27).",
        zh="梯度下降；每步随机取一批样本，就是随机梯度下降（F27）。",
        lines=(Line(SGD.forward, "return w0 - lr * g"),),
        ours=SGD, literal=gradient_step, check=check_step,
    ),
    Formula(
        id="F16", places=("001 §2.5.4", "002 §4.3"), verdict="exact",
        formula="W ~ U[−ε, ε]; W ~ N(0, σ²); W, b ~ U[−1, 1]",
        latex=r"W \sim U[-\epsilon, \epsilon],\quad W \sim N(0, \sigma^2),\quad W, b \sim U[-1, 1]",
        en="U[−1, 1] has variance 1/3: a linear layer multiplies the variance of its input by fan_in/3, a ReLU layer "
           "by fan_in/6, and tanh saturates.",
        zh="U[−1, 1] 的方差是 1/3：线性层把输入的方差放大 fan_in/3 倍，ReLU 层放大 fan_in/6 倍，tanh 则会饱和。",
        lines=(Line(init.uniform, "return (generator or default_generator()).uniform(low, high, shape)"
                                  ".astype(get_default_dtype())"),
               Line(init.normal, "return (generator or default_generator()).normal(mean, std, shape)"
                                 ".astype(get_default_dtype())")),
        ours=init.uniform, literal=between_minus_one_and_one, check=check_uniform,
    ),
    Formula(
        id="F17", places=("001 §2.5.4",), verdict="erratum",
        formula="Xavier (ReLU): W ~ U(−1/√n, 1/√n)",
        latex=r"W \sim U\left(-\frac{1}{\sqrt{n}}, \frac{1}{\sqrt{n}}\right)",
        corrected="Xavier (tanh): W ~ U(−√(6 / (fan_in + fan_out)), √(6 / (fan_in + fan_out))); "
                  "He (ReLU): Var W = 2 / fan_in",
        corrected_latex=r"\mathrm{tanh:}\ W \sim U\left(-\sqrt{\frac{6}{n_{in} + n_{out}}}, "
                        r"\sqrt{\frac{6}{n_{in} + n_{out}}}\right),\quad "
                        r"\mathrm{ReLU:}\ \mathrm{Var}\,W = \frac{2}{n_{in}}",
        en="Glorot and Bengio (2010) derive another bound, for activations that are linear around 0, such as tanh; "
           "U(±1/√fan_in) is the heuristic that they improve on. For ReLU, He et al. (2015) derive variance 2/fan_in.",
        zh="Glorot 与 Bengio（2010）推导的是另一个界，针对在 0 附近近似线性的激活函数（如 tanh）；"
           "U(±1/√fan_in) 正是他们要改进的经验做法。ReLU 用的是 He 等（2015）的方差 2/fan_in。",
        lines=(Line(init.xavier_uniform, "bound = (6 / (fan_in + fan_out)) ** 0.5"),
               Line(init.he_uniform, "bound = (6 / fans(shape)[0]) ** 0.5")),
        ours=init.xavier_uniform, literal=init.fan_in_uniform, check=check_xavier,
    ),
    Formula(
        id="F19", places=("002 §4.3",), verdict="exact",
        formula="x := (x − mean) / std",
        latex=r"x := \frac{x - \mathrm{mean}}{\mathrm{std}}",
        en="Feature by feature. Mean and standard deviation come from the training set alone, and are applied to all "
           "the others.",
        zh="对每个特征分别计算。均值和标准差只由训练集计算，再用到其余数据上。",
        lines=(Line(standardize, "return ((x.astype(np.float64) - mean) / std).astype(dtype)"),),
        ours=standardize, literal=scaled, check=check_standardise,
    ),
)
