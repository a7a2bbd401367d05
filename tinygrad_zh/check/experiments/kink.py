"""`tinygrad-zh check kink`: what does each method say where a function has no slope, and just beside? 折点实验

At a kink there is a slope to the left and one to the right, and every number between them is a subgradient. A fixed
step does not notice a kink at all: central differences average the two sides, at the kink and wherever the step
reaches across it. The complex step follows the code, not the function: np.maximum orders complex numbers somehow,
np.abs makes them real. The ladder halves its step, looks at each side, and says what it found.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.checking import gradcheck
from tinygrad_zh.check.experiments.page import add_out, say, show
from tinygrad_zh.check.experiments.steps import SCHEMES
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.kinks import KinkPanel, kink_panels

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], Callable[[float], float]]] = {
    "relu(x)": (lambda x: np.maximum(x, 0), F.relu, lambda x: float(x > 0)),
    "|x|": (np.abs, F.abs, lambda x: 1.0 if x > 0 else -1.0),
    "max(x, 2x)": (lambda x: np.maximum(x, 2 * x), lambda x: F.maximum(x, 2 * x), lambda x: 2.0 if x > 0 else 1.0),
    "x|x|": (lambda x: x * np.abs(x), lambda x: x * F.abs(x), lambda x: 2 * abs(x)),
    "√|x|": (lambda x: np.sqrt(np.abs(x)), lambda x: F.sqrt(F.abs(x)),
             lambda x: 0.5 * abs(x) ** -0.5 * (1 if x > 0 else -1)),
}
"""{name: (in NumPy, with the engine, its slope off 0)}"""

AT = (0.0, 1e-6)
STEPS = {"forward": 2.0**-26, "backward": -(2.0**-26), "central": 2.0**-18, "five_point": 2.0**-11, "complex": 1e-20}
"""Near the usual u^(1/2), u^(1/3), u^(1/5); backward is forward with a negative step."""


@dataclass(frozen=True)
class Kink:
    """One function at one point. left, right: its slopes there. said: {method: slope}; verdict: gradcheck's,
    and whether it lets the engine's gradient pass; engine: that gradient."""

    function: str
    x: float
    left: float
    right: float
    said: dict[str, float]
    verdict: str
    passed: bool
    engine: float


def measure() -> list[Kink]:
    """Every function of FUNCTIONS at every point of AT."""
    with np.errstate(all="ignore"):
        return [_kink(name, x) for name in FUNCTIONS for x in AT]


def _kink(name: str, x: float) -> Kink:
    function, engine, slope = FUNCTIONS[name]
    said = {}
    for method, h in STEPS.items():
        scheme = SCHEMES["forward" if method == "backward" else method]
        said[method] = float(scheme.quotient(function, x, h))
    row = gradcheck(engine, np.array(x)).comparisons[0]
    said["gradcheck"] = row.numeric
    left, right = (slope(x), slope(x)) if x else _limits(slope)
    return Kink(name, x, left, right, said, row.verdict, row.passed, row.analytic)


def _limits(slope: Callable[[float], float]) -> tuple[float, float]:
    """The slopes to the left and to the right of 0: what the slope at ±h settles at, or an infinity."""
    sides = []
    for h in (-1e-30, 1e-30):
        value = slope(h)
        sides.append(value if abs(value) < 1e9 else np.copysign(inf, value))
    return round(sides[0], 9), round(sides[1], 9)


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_out(parser, "kink")


def run(arguments: argparse.Namespace) -> int:
    found = measure()
    say("check.kink.heading", step=AT[1])
    show(["f(x)", "x", text("check.kink.slopes"), *methods(), text("check.column.verdict"), text("check.kink.engine")],
         *[[k.function, f"{k.x:g}", _between(k.left, k.right), *(f"{v + 0:.4g}" for v in k.said.values()),
            text(f"check.verdict.{k.verdict}"), f"{k.engine:.4g}" + ("" if k.passed else " ✗")] for k in found])
    say("check.kink.advice")
    say("check.drawn", path=draw(found, arguments.out))
    return 0


def methods() -> list[str]:
    """What stands above the slopes that were said."""
    return [*(text(f"check.scheme.{name}") for name in STEPS), "gradcheck"]


def _between(left: float, right: float) -> str:
    return f"{left:g}" if left == right else f"{left:g} … {right:g}"


def draw(found: list[Kink], path: Any) -> Any:
    """The picture of a measurement."""
    panels = []
    for name in FUNCTIONS:
        at, beside = (next(k for k in found if (k.function, k.x) == (name, x)) for x in AT)
        panels.append(KinkPanel(name, (at.left, at.right), beside.right, [*at.said.values(), at.engine],
                                [*beside.said.values(), beside.engine]))
    return kink_panels(panels, [*methods(), text("check.kink.engine")], path, beside=AT[1])
