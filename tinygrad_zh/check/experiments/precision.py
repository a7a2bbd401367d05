"""`tinygrad-zh check precision`: what float32 costs, op by op, forward and backward. 精度实验

The same numbers through the same code in float32 and in float64. Errors are in units of float32's eps = 2⁻²³,
relative to the largest number of the array they are in: what a weight sees of a gradient's error.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.experiments.oracles import DOMAINS, ORACLES
from tinygrad_zh.check.experiments.page import add_out, say, show
from tinygrad_zh.core import tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.dots import DotPanel, dot_panels

Array = np.ndarray[Any, Any]

ROWS, COLUMNS = 32, 64
EPS = float(np.finfo(np.float32).eps)

WHOLE: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "MatMul": (F.matmul, ((ROWS, COLUMNS), (COLUMNS, ROWS))),
    "LayerNorm": (F.layer_norm, ((ROWS, COLUMNS),)),
    "RMSNorm": (F.rms_norm, ((ROWS, COLUMNS),)),
    "Attention": (F.scaled_dot_product_attention, ((ROWS, COLUMNS),) * 3),
    "Std": (F.std, ((ROWS, COLUMNS),)),
    "CrossEntropy": (lambda x: F.cross_entropy(x, np.arange(ROWS) % COLUMNS), ((ROWS, COLUMNS),)),
}
"""{name: (function, shapes)} of what works on matrices; the rest is `oracles`, element by element or row by row."""


@dataclass(frozen=True)
class Precision:
    """One op and one way ("forward", "backward"): median and largest error over all elements, in eps."""

    op: str
    way: str
    median: float
    largest: float


def measure(seed: int = 0) -> list[Precision]:
    """Every op of ORACLES and of WHOLE on ordinary numbers, the largest error first."""
    found = []
    with np.errstate(all="ignore"):
        for name, function, arrays in _cases(seed):
            single, double = (_run(function, arrays, dtype) for dtype in (np.float32, np.float64))
            errors = [_errors(a, b) for a, b in zip(single, double, strict=True)]
            for way, each in (("forward", errors[0]), ("backward", np.concatenate(errors[1:]))):
                found.append(Precision(name, way, float(np.median(each)), float(each.max())))
    return sorted(found, key=lambda p: -p.largest)


def _cases(seed: int) -> list[tuple[str, Callable[..., Any], list[Array]]]:
    """Every op and its inputs, which float32 holds exactly."""
    cases = []
    for name, row in ORACLES.items():
        if name not in WHOLE:
            rng = philox(seed)
            shape = (ROWS * COLUMNS,)
            cases.append((name, row.function, [DOMAINS[d](rng.normal(size=shape)) for d in row.domains]))
    for name, (function, shapes) in WHOLE.items():
        rng = philox(seed)
        cases.append((name, function, [rng.normal(size=shape) for shape in shapes]))
    return [(name, function, [x.astype(np.float32) for x in arrays]) for name, function, arrays in cases]


def _run(function: Callable[..., Any], arrays: Sequence[Array], dtype: Any) -> list[Array]:
    """The value and the gradients, through an upstream gradient of random signs."""
    leaves = [tensor(x, dtype=dtype, requires_grad=True) for x in arrays]
    y = function(*leaves)
    y.backward(philox(1).choice([-1.0, 1.0], y.shape))
    return [y.numpy(), *(x.grad.numpy() for x in leaves)]  # type: ignore[union-attr]


def _errors(single: Array, double: Array) -> Array:
    """|single − double| / max |double| in eps, as a vector."""
    return np.ravel(np.abs(single.astype(np.float64) - double)) / np.abs(double).max() / EPS


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_out(parser, "precision")


def run(arguments: argparse.Namespace) -> int:
    found = measure()
    say("check.precision.heading", count=ROWS * COLUMNS)
    show([text(f"check.precision.{column}") for column in ("op", "way", "median", "largest")],
         *[[p.op, text(f"check.precision.{p.way}"), f"{p.median:.2f}", f"{p.largest:.2f}"] for p in found])
    say("check.drawn", path=draw(found, arguments.out))
    return 0


def draw(found: Sequence[Precision], path: Any) -> Any:
    """The picture of a measurement."""
    names = [f"{p.op} {'' if p.way == 'forward' else '∂'}".strip() for p in found]
    panel = DotPanel("", [(p.median, p.largest) for p in found])
    return dot_panels([panel], names, [p.way == "backward" for p in found], path,
                      title=text("check.precision.title"), across=text("check.precision.across"), best=0.5)
