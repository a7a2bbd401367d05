"""What a live check finds, and the comparisons that find it. 实测结论"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_zh.check import Report, gradcheck
from tinygrad_zh.core import Tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.derivatives import vjp
from tinygrad_zh.i18n import text

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Finding:
    """One thing that a live check looked at. 中文：一项实测结论。

    holds: whether it is as the words say. name: the last part of the words' key in the catalogue; values fill them.
    report: of the gradient check, where it was one.
    """

    holds: bool
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None

    def __bool__(self) -> bool:
        return self.holds

    def __str__(self) -> str:
        return text(f"formulas.finding.{self.name}", **self.values)


def measured(holds: Any, name: str, **values: Any) -> Finding:
    """Something seen by running it, with its figures."""
    return Finding(bool(holds), name, values)


def equal(ours: Any, literal: Any, formula: str = "") -> Finding:
    """Our code's value beside the formula's, written out in NumPy. formula: which one, where a row has several."""
    return Finding(close(ours, literal), "each_equal" if formula else "equal", {"formula": formula} if formula else {})


def gradient(words: str, function: Callable[..., Any], *inputs: Any, formula: Any = None, grad: Any = None) -> Finding:
    """The gradient check of what is right. formula: ∂Σf/∂x of the first input x as the words say it, in NumPy."""
    report = gradcheck(function, *inputs, grad=grad)
    claimed = grad or (lambda *inputs: vjp(lambda x: np.sum(function(x, *inputs[1:])), inputs[0])[1])
    return Finding(bool(report) and (formula is None or close(claimed(*inputs), formula)), "gradient",
                   {"gradient": words}, report)


def refuted(words: str, function: Callable[..., Any], *inputs: Any, diagnosis: str, grad: Any = None) -> Finding:
    """The gradient check of what the document claims: it has to fail, and to see why."""
    report = gradcheck(function, *inputs, grad=grad)
    found = report.failures[0] if report.failures else None
    return Finding(found is not None and found.diagnosis == diagnosis, "refuted",
                   {"gradient": words, "diagnosis": found or "–"}, report)


def close(a: Any, b: Any) -> bool:
    """Equal to the rounding of float64, or of float32 where one of them is float32."""
    x, y = (np.asarray(v.numpy() if isinstance(v, Tensor) else v) for v in (a, b))
    rounding = max(np.finfo(v.dtype).eps for v in (x, y) if v.dtype.kind == "f")
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=100 * rounding, atol=100 * rounding))


def normal(*shape: int, seed: int = 0) -> Array:
    """Ordinary numbers: a draw from N(0, 1)."""
    return np.asarray(philox(seed).normal(size=shape))


def regression() -> tuple[Array, Array, Array]:
    """w, X and y of a small linear regression; w is not its solution."""
    X = normal(12, 3, seed=1)
    return normal(3, 1), X, X @ normal(3, 1, seed=2) + 0.1 * normal(12, 1, seed=3)
