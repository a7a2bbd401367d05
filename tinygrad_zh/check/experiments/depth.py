"""`tinygrad-zh check depth`: the deeper the network, the harder its gradient is to check. 深度实验

A difference of losses is wrong by some roundings of the loss, u L / h, however small the gradient is. Through every
sigmoid the gradient shrinks, to a quarter or less; the error stays, and relative to the gradient it grows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.differences import METHODS, Line
from tinygrad_zh.check.experiments.page import add_out, say, show
from tinygrad_zh.core import tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]

ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (F.tanh, np.tanh),
    "sigmoid": (F.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
}
"""{name: (with the engine, in NumPy)}"""

DEPTHS = (1, 2, 4, 8, 12, 16, 24, 32)
WIDTH, BATCH, SAMPLES = 8, 4, 12
FIRST_STEP = 2.0**-9  # a larger one would carry units across relu's kinks


@dataclass(frozen=True)
class Depth:
    """The gradient of the first layer's weights under so many layers. norm: its own. central, ladder: relative errors
    of differences over a sample of weights; single: of the whole gradient computed in float32."""

    activation: str
    depth: int
    norm: float
    central: float
    ladder: float
    single: float


def measure(depths: Sequence[int] = DEPTHS, seed: int = 0) -> list[Depth]:
    """Every activation at every depth: the same weights, N(0, 1/WIDTH) for sigmoid and tanh and twice that for relu."""
    with np.errstate(all="ignore"):
        return [_depth(name, depth, seed) for name in ACTIVATIONS for depth in depths]


def _depth(name: str, depth: int, seed: int) -> Depth:
    rng = philox(seed)
    x, t = rng.normal(size=(BATCH, WIDTH)), rng.normal(size=(BATCH, WIDTH))
    scale = (2 if name == "relu" else 1) / WIDTH
    weights = [rng.normal(size=(WIDTH, WIDTH)) * scale**0.5 for _ in range(depth)]
    engine, plain = ACTIVATIONS[name]
    exact, single = (_gradient(engine, x, t, weights, dtype) for dtype in (np.float64, np.float32))
    chosen = rng.choice(WIDTH * WIDTH, SAMPLES, replace=False)
    lines = [_line(plain, x, t, weights, int(i)) for i in chosen]
    central, ladder = (np.array([float(METHODS[method](line, FIRST_STEP).value[0]) for line in lines])
                       for method in ("central", "ladder"))
    sample = exact.ravel()[chosen]
    return Depth(name, depth, float(np.linalg.norm(exact)), _apart(central, sample), _apart(ladder, sample),
                 _apart(single, exact))


def _gradient(activation: Callable[[Any], Any], x: Array, t: Array, weights: Sequence[Array], dtype: Any) -> Array:
    """∂L/∂W₁ by the engine."""
    a = tensor(x, dtype=dtype)
    leaves = [tensor(w, dtype=dtype, requires_grad=True) for w in weights]
    for w in leaves:
        a = activation(a @ w)
    F.half_squared_error(a, tensor(t, dtype=dtype)).backward()
    return np.asarray(leaves[0].grad.numpy(), np.float64)  # type: ignore[union-attr]


def _line(activation: Callable[[Any], Any], x: Array, t: Array, weights: Sequence[Array], i: int) -> Line:
    """L as one weight of the first layer moves."""

    def loss(step: complex) -> Array:
        first = weights[0].copy()
        first.flat[i] += step.real
        a = x
        for w in (first, *weights[1:]):
            a = activation(a @ w)
        return np.array([0.5 * ((t - a) ** 2).sum()])

    return Line(loss, np.ones((1, 1)), float(abs(weights[0].flat[i])))


def _apart(found: Array, right: Array) -> float:
    """‖found − right‖ / ‖right‖"""
    return float(np.linalg.norm(found - right) / np.linalg.norm(right))


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_out(parser, "depth")


def run(arguments: argparse.Namespace) -> int:
    found = measure()
    say("check.depth.heading", width=WIDTH)
    for name in ACTIVATIONS:
        print(f"\n{name}")
        show([text(f"check.depth.{column}") for column in ("depth", "norm", "central", "ladder", "single")],
             *[[str(d.depth), *(f"{value:.1e}" for value in (d.norm, d.central, d.ladder, d.single))]
               for d in found if d.activation == name])
    say("check.depth.advice")
    say("check.drawn", path=draw(found, arguments.out))
    return 0


def draw(found: Sequence[Depth], path: Any) -> Any:
    """The picture of a measurement."""
    panels = []
    for name in ACTIVATIONS:
        rows = [d for d in found if d.activation == name]
        lines = {text(f"check.depth.{column}"): ([d.depth for d in rows], [getattr(d, column) for d in rows])
                 for column in ("norm", "central", "ladder", "single")}
        panels.append(Panel(name, text("check.depth.depth"), "", lines, log=True))
    return line_panels(panels, path)
