"""What the ops compute, a second time: one row an op, in mpmath's arithmetic of 50 digits.

A row has the op as a user calls it, its value, and its partials; `m` is mpmath. Of an op that works on whole vectors
value and partials take and give lists, and the partials take the upstream gradient first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F

Array = np.ndarray[Any, Any]


class Oracle(NamedTuple):
    """function: of the engine. value, partials: in mpmath. domains: of the inputs, see DOMAINS. special: inputs near
    which something happens. vector: the op works on whole vectors."""

    function: Callable[..., Any]
    value: Callable[..., Any]
    partials: tuple[Callable[..., Any], ...]
    domains: tuple[str, ...] = ("real",)
    special: tuple[float, ...] = (0.0, 1.0)
    vector: bool = False


DOMAINS: dict[str, Callable[[Array], Array]] = {
    "real": lambda x: x,
    "positive": lambda x: np.where(x == 0, 1, np.abs(x)),
    "moderate": lambda x: np.sign(x) * np.minimum(np.abs(x), 8),
    "above_minus_one": lambda x: np.where(x > -1, x, -1 / x / 2),
    "unit": lambda x: np.clip(0.5 + np.arctan(x) / 4, 0.01, 0.99),
}
"""{name: a map from all real numbers into the domain}"""


def sigmoid(m: Any, x: Any) -> Any:
    """1 / (1 + e⁻ˣ)"""
    return 1 / (1 + m.exp(-x))


def slope_of_sigmoid(m: Any, x: Any) -> Any:
    """σ (1 − σ), without the subtraction"""
    return m.exp(-abs(x)) / (1 + m.exp(-abs(x))) ** 2


def softplus(m: Any, x: Any) -> Any:
    """ln(1 + eˣ)"""
    return m.log1p(m.exp(-abs(x))) + (x if x > 0 else 0)


def inner(m: Any, x: Any) -> Any:
    """2u of GELU's ½ x (1 + tanh u)"""
    return m.sqrt(8 / m.pi) * (x + m.mpf("0.044715") * x**3)


def slope_of_gelu(m: Any, x: Any) -> Any:
    z = inner(m, x)
    return sigmoid(m, z) + x * slope_of_sigmoid(m, z) * m.sqrt(8 / m.pi) * (1 + 3 * m.mpf("0.044715") * x**2)


def softmax(m: Any, x: Any) -> Any:
    e = [m.exp(xi) for xi in x]
    return [ei / m.fsum(e) for ei in e]


def pull_softmax(m: Any, u: Any, x: Any) -> Any:
    y = softmax(m, x)
    mean = m.fdot(u, y)
    return [yi * (ui - mean) for yi, ui in zip(y, u, strict=True)]


def log_sum_exp(m: Any, x: Any) -> Any:
    return m.log(m.fsum(m.exp(xi) for xi in x))


def variance(m: Any, x: Any) -> Any:
    mean = m.fsum(x) / len(x)
    return m.fsum((xi - mean) ** 2 for xi in x) / len(x)


def norm(m: Any, x: Any) -> Any:
    return m.sqrt(m.fsum(xi**2 for xi in x))


def one(m: Any, *x: Any) -> Any:
    return m.mpf(1)


ORACLES: dict[str, Oracle] = {
    # arithmetic
    "Add": Oracle(lambda a, b: a + b, lambda m, a, b: a + b, (one, one), ("real", "real")),
    "Sub": Oracle(lambda a, b: a - b, lambda m, a, b: a - b, (one, lambda m, a, b: -m.mpf(1)), ("real", "real")),
    "Mul": Oracle(lambda a, b: a * b, lambda m, a, b: a * b, (lambda m, a, b: b, lambda m, a, b: a), ("real", "real")),
    "Div": Oracle(lambda a, b: a / b, lambda m, a, b: a / b, (lambda m, a, b: 1 / b, lambda m, a, b: -a / b**2),
                  ("real", "positive")),
    "Pow": Oracle(lambda x: F.pow(x, 2.5), lambda m, x: x ** m.mpf(2.5),
                  (lambda m, x: m.mpf(2.5) * x ** m.mpf(1.5),), ("positive",)),
    "Power": Oracle(F.pow, lambda m, a, b: a**b, (lambda m, a, b: b * a ** (b - 1), lambda m, a, b: a**b * m.log(a)),
                    ("positive", "moderate")),
    "Exp": Oracle(F.exp, lambda m, x: m.exp(x), (lambda m, x: m.exp(x),)),
    "Log": Oracle(F.log, lambda m, x: m.log(x), (lambda m, x: 1 / x,), ("positive",)),
    "Log1p": Oracle(F.log1p, lambda m, x: m.log1p(x), (lambda m, x: 1 / (1 + x),), ("above_minus_one",)),
    "Sqrt": Oracle(F.sqrt, lambda m, x: m.sqrt(x), (lambda m, x: 1 / (2 * m.sqrt(x)),), ("positive",)),
    "Sin": Oracle(F.sin, lambda m, x: m.sin(x), (lambda m, x: m.cos(x),), special=(0.0, np.pi / 2, np.pi, 1e5)),
    "Cos": Oracle(F.cos, lambda m, x: m.cos(x), (lambda m, x: -m.sin(x),), special=(0.0, np.pi / 2, np.pi, 1e5)),
    # activations
    "LeakyReLU": Oracle(F.leaky_relu, lambda m, x: x if x > 0 else m.mpf(0.01) * x,
                        (lambda m, x: m.mpf(1 if x > 0 else 0.01),), special=(1.0,)),
    "Sigmoid": Oracle(F.sigmoid, sigmoid, (slope_of_sigmoid,), special=(0.0, 36.0, -36.0, -88.0)),
    "LogSigmoid": Oracle(F.log_sigmoid, lambda m, x: -softplus(m, -x), (lambda m, x: sigmoid(m, -x),),
                         special=(0.0, 36.0, -36.0)),
    "Tanh": Oracle(F.tanh, lambda m, x: m.tanh(x), (lambda m, x: m.sech(x) ** 2,), special=(0.0, 1.0, 8.0, 18.0)),
    "GELU": Oracle(F.gelu, lambda m, x: x * sigmoid(m, inner(m, x)), (slope_of_gelu,), special=(0.0, -0.75, -6.0)),
    "SiLU": Oracle(F.silu, lambda m, x: x * sigmoid(m, x),
                   (lambda m, x: sigmoid(m, x) + x * slope_of_sigmoid(m, x),), special=(0.0, -1.28, -36.0)),
    "Softplus": Oracle(F.softplus, softplus, (sigmoid,), special=(0.0, 36.0, -36.0)),
    "Softmax": Oracle(F.softmax, softmax, (pull_softmax,), vector=True),
    "LogSoftmax": Oracle(
        F.log_softmax, lambda m, x: [xi - log_sum_exp(m, x) for xi in x],
        (lambda m, u, x: [ui - pi * m.fsum(u) for ui, pi in zip(u, softmax(m, x), strict=True)],), vector=True),
    # reductions
    "Sum": Oracle(F.sum, lambda m, x: [m.fsum(x)], (lambda m, u, x: [u[0]] * len(x),), vector=True),
    "Mean": Oracle(F.mean, lambda m, x: [m.fsum(x) / len(x)], (lambda m, u, x: [u[0] / len(x)] * len(x),), vector=True),
    "Var": Oracle(F.var, lambda m, x: [variance(m, x)],
                  (lambda m, u, x: [u[0] * 2 * (xi - m.fsum(x) / len(x)) / len(x) for xi in x],), vector=True),
    "Norm": Oracle(F.norm, lambda m, x: [norm(m, x)], (lambda m, u, x: [u[0] * xi / norm(m, x) for xi in x],),
                   vector=True),
    "LogSumExp": Oracle(F.logsumexp, lambda m, x: [log_sum_exp(m, x)],
                        (lambda m, u, x: [u[0] * p for p in softmax(m, x)],), vector=True),
    # losses
    "SquaredError": Oracle(lambda p, t: F.mse_loss(p, t, "none"), lambda m, p, t: (p - t) ** 2,
                           (lambda m, p, t: 2 * (p - t), lambda m, p, t: 2 * (t - p)), ("real", "real")),
    "BinaryCrossEntropy": Oracle(
        lambda p, t: F.binary_cross_entropy(p, t, "none"),
        lambda m, p, t: -t * m.log(p) - (1 - t) * m.log(1 - p),
        (lambda m, p, t: (1 - t) / (1 - p) - t / p, lambda m, p, t: m.log(1 - p) - m.log(p)), ("unit", "unit")),
    "BinaryCrossEntropyWithLogits": Oracle(
        lambda x, t: F.binary_cross_entropy_with_logits(x, t, "none"), lambda m, x, t: softplus(m, x) - x * t,
        (lambda m, x, t: sigmoid(m, x) - t, lambda m, x, t: -x), ("real", "unit")),
    "CrossEntropy": Oracle(
        lambda x: F.cross_entropy(x, np.array(0)), lambda m, x: [log_sum_exp(m, x) - x[0]],
        (lambda m, u, x: [u[0] * (p - (i == 0)) for i, p in enumerate(softmax(m, x))],), vector=True),
}

EXACT = {
    "Neg": "changes a sign, forward and backward",
    "Abs": "changes a sign",
    "Maximum": "chooses one of its inputs; half a gradient is exact",
    "Minimum": "chooses one of its inputs; half a gradient is exact",
    "Clip": "chooses one of three numbers",
    "Where": "chooses one of its inputs",
    "ReLU": "chooses between its input and 0",
    "Cast": "is a rounding itself",
    "MaskedSoftmax": "is Softmax of what the mask allows",
    "Sign": "has no gradient", "CastToConstant": "has no gradient", "IsFinite": "is true or false",
    "Greater": "is true or false", "GreaterEqual": "is true or false", "Less": "is true or false",
    "LessEqual": "is true or false", "Equal": "is true or false", "NotEqual": "is true or false",
    "And": "is true or false", "Or": "is true or false", "Not": "is true or false",
}
"""{op: why there is nothing to measure}"""
