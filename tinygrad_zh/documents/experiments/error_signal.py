"""F04, F05, F18: the document's error signals, trained with. 784–30–30–10 on real digits. Documents 000, 002 §4.2.

    right        δ_L = (a_L − y) ∘ f′(z_L),   δ_l = (δ_{l+1} W_{l+1}ᵀ) ∘ f′(z_l),   ∂J/∂W_l = a_{l−1}ᵀ δ_l
    document     δ_L = y − a_L,               δ_l = δ_{l+1} W_{l+1}ᵀ                  F04, F05
    sign         δ_L = a_L − y,               δ_l = δ_{l+1} W_{l+1}ᵀ                  F05 alone
    twice        as right, and ∂J/∂W_l = a_{l−1}ᵀ (δ_l ∘ f′(z_l))                     F18

in row batches, with J = ½ Σ (y − a_L)², a mean over the digits, and W ← W − α ∂J/∂W (F07).

The flipped sign climbs. The missing f′ is another matter: its direction is no gradient of J, and still leads down; on
a sigmoid output it even leads down faster, for a_L − y is the gradient of the *cross-entropy* there. That training
went well proves nothing about a gradient; a gradient check does.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.documents.s1 import images
from tinygrad_zh.i18n import text
from tinygrad_zh.nn.init import xavier_uniform
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]
Activation = Callable[[Array], tuple[Array, Array]]

SIZES = (784, 30, 30, 10)
SIGNALS = ("right", "document", "sign", "twice")
ALPHA, STEPS = 0.1, 300
SHOWN = {"sigmoid": 5, "relu": 1}  # up to which J is drawn


def sigmoid(z: Array) -> tuple[Array, Array]:
    """f and f′: σ(z) and σ (1 − σ)."""
    a = 1 / (1 + np.exp(-z))
    return a, a * (1 - a)


def relu(z: Array) -> tuple[Array, Array]:
    """f and f′: max(0, z), and 1 where z > 0."""
    return np.maximum(0, z), (z > 0).astype(z.dtype)


ACTIVATIONS: dict[str, Activation] = {"sigmoid": sigmoid, "relu": relu}


class Training(NamedTuple):
    """J before every step and after the last one, or until it is no number; cosine: of the angle between the first
    step's direction and the gradient; accuracy: on the training digits at the end."""

    activation: str
    signal: str
    costs: Array
    cosine: float
    accuracy: float


def measure(seed: int = 0) -> list[Training]:
    """Every signal with every activation; the seed draws weights and digits."""
    return [train(activation, signal, seed) for activation in ACTIVATIONS for signal in SIGNALS]


def train(activation: str, signal: str, seed: int) -> Training:
    """300 steps on 1,000 digits from the same weights."""
    rng = philox(seed)
    W = [xavier_uniform(shape, rng).astype(np.float32) for shape in pairwise(SIZES)]
    b = [np.zeros(size, np.float32) for size in SIZES[1:]]
    digits = images(seed)[0]
    x, y = data.to_unit(digits.pixels).reshape(len(digits), -1), np.eye(10, dtype=np.float32)[digits.labels]
    f = ACTIVATIONS[activation]
    with np.errstate(over="ignore", invalid="ignore"):
        cosine = _cosine(*(direction(kind, f, x, y, W, b)[1] for kind in (signal, "right")))
        costs = []
        for _ in range(STEPS + 1):
            cost, dW, db, output = direction(signal, f, x, y, W, b)
            costs.append(cost)
            if not np.isfinite(cost):
                break
            W = [w - ALPHA * d for w, d in zip(W, dW, strict=True)]
            b = [w - ALPHA * d for w, d in zip(b, db, strict=True)]
    return Training(activation, signal, np.array(costs), cosine, float(np.mean(output.argmax(axis=1) == digits.labels)))


def direction(signal: str, f: Activation, x: Array, y: Array, W: list[Array], b: list[Array]) -> Any:
    """J, what the signal takes for ∂J/∂W and ∂J/∂b of every layer, and the output."""
    a, slopes = [x], []
    for w, c in zip(W, b, strict=True):
        value, slope = f(a[-1] @ w + c)
        a.append(value)
        slopes.append(slope)
    n, has_slope = len(x), signal in ("right", "twice")
    delta = (y - a[-1] if signal == "document" else a[-1] - y) / n
    dW: list[Array] = []
    db: list[Array] = []
    for layer in reversed(range(len(W))):
        if layer < len(W) - 1:
            delta = delta @ W[layer + 1].T
        if has_slope:
            delta = delta * slopes[layer]
        local = delta * slopes[layer] if signal == "twice" else delta
        dW.insert(0, a[layer].T @ local)
        db.insert(0, local.sum(axis=0))
    return float(np.sum((y - a[-1]) ** 2)) / (2 * n), dW, db, a[-1]


def _cosine(a: list[Array], b: list[Array]) -> float:
    flat_a, flat_b = (np.concatenate([each.ravel() for each in arrays]) for arrays in (a, b))
    return float(flat_a @ flat_b / (np.linalg.norm(flat_a) * np.linalg.norm(flat_b)))


def show(trainings: list[Training]) -> None:
    say("experiment.error_signal", alpha=ALPHA, steps=STEPS)
    columns = ("cosine", "before", "after", "steps", "accuracy")
    table([text("experiment.error_signal.signal"), *(text(f"experiment.error_signal.{name}") for name in columns)],
          *([f"{text(f'experiment.error_signal.{t.signal}')} · {text(f'experiment.error_signal.title.{t.activation}')}",
             f"{t.cosine:+.3f}", f"{t.costs[0]:.3f}", f"{t.costs[-1]:.3f}", f"{len(t.costs) - 1}",
             f"{t.accuracy:.1%}"] for t in trainings))
    say("experiment.error_signal.seen")


def draw(trainings: list[Training], path: Path) -> Path:
    """J over the steps, a panel an activation."""
    panels = []
    for activation in ACTIVATIONS:
        lines = {text(f"experiment.error_signal.{t.signal}"): (range(len(t.costs)), t.costs)
                 for t in trainings if t.activation == activation}
        panels.append(Panel(text(f"experiment.error_signal.title.{activation}"), text("experiment.step"), "J", lines,
                            limits=(0, SHOWN[activation])))
    return line_panels(panels, path)
