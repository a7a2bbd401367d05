"""F24: with the document's sign the descent climbs. House prices, ŷ = w·x. Document 004 §4.3.

    ∇J = −Σ (yᵢ − ŷᵢ) xᵢ      the document has no minus
    w  ← w − α ∇J             F07

J is quadratic: with the right sign a step multiplies the error along the eigenvector of λ by 1 − α λ, with the
document's by 1 + α λ. So J grows by (1 + α λ_max)² a step, whatever α is, until float64 ends at 1.8 · 10³⁰⁸:

    J_t ≈ ½ λ c² (1 + α λ)²ᵗ,   c the error along that eigenvector at first

from which the step of the overflow is known before it is walked.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data
from tinygrad_zh.documents.regression import standardised, with_ones
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.documents.s8 import as_printed, corrected
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]

SHARES = (1.0, 0.3, 0.1)
RIGHT_STEPS, SHOWN_AFTER = 100, 30


class Climb(NamedTuple):
    """J, step by step, for one α: with the document's sign until it is no number, and with the right one.

    share: α λ_max. overflow: the first step whose J is infinite. predicted: the same from the eigenvalue.
    """

    share: float
    wrong: Array
    right: Array
    overflow: int
    predicted: int


def measure(seed: int = 0) -> list[Climb]:
    """A climb for each α = share/λ_max; the seed splits the houses. w starts at 0."""
    task = standardised(data.ames(), data.ames().names, seed)
    X, y = with_ones(task.x).astype(np.float64), task.y.astype(np.float64)
    values, vectors = np.linalg.eigh(X.T @ X)
    steepest = values[-1]
    error = float(vectors[:, -1] @ np.linalg.lstsq(X, y)[0][:, 0])
    climbs = []
    for share in SHARES:
        wrong = descend(as_printed, X, y, share / steepest, math.inf)
        right = descend(corrected, X, y, share / steepest, RIGHT_STEPS)
        room = math.log(np.finfo(float).max) - math.log(steepest * error**2)  # of 2J, the sum itself
        predicted = math.ceil(room / (2 * math.log1p(share)))
        climbs.append(Climb(share, wrong, right, len(wrong) - 1, predicted))
    return climbs


def descend(gradient: Any, X: Array, y: Array, alpha: float, steps: float) -> Array:
    """J = ½ ‖y − X w‖² at every step, the last of them `steps` or the first that is infinite."""
    w, costs = np.zeros((X.shape[1], 1)), [float(np.sum(y**2)) / 2]
    with np.errstate(over="ignore"):
        while len(costs) <= steps and math.isfinite(costs[-1]):
            w = w - alpha * gradient(w, X, y)
            costs.append(float(np.sum((y - X @ w) ** 2)) / 2)
    return np.array(costs)


def show(climbs: list[Climb]) -> None:
    say("experiment.climbing")
    head = ["α · λ_max", *(text(f"experiment.climbing.{name}", steps=SHOWN_AFTER)
                           for name in ("before", "right", "wrong", "overflow", "predicted"))]
    table(head, *([f"{c.share}", f"{c.wrong[0]:,.0f}", f"{c.right[SHOWN_AFTER]:,.1f}", f"{c.wrong[SHOWN_AFTER]:,.4g}",
                   f"{c.overflow:,}", f"{c.predicted:,}"] for c in climbs))
    say("experiment.climbing.seen")


def draw(climbs: list[Climb], path: Path) -> Path:
    """Both signs from the same start; and the climbs to their end, log₁₀ J, with the step of the overflow marked."""
    steps, first = text("experiment.step"), climbs[0]
    near = {text("experiment.climbing.printed_sign"): (range(11), first.wrong[:11]),
            text("experiment.climbing.right_sign"): (range(11), first.right[:11])}
    whole = {f"α = {c.share}/λ_max": (range(c.overflow), np.log10(c.wrong[:-1])) for c in climbs}
    ends = [(c.overflow, math.log10(np.finfo(float).max)) for c in climbs]
    return line_panels([Panel(text("experiment.climbing.near"), steps, "J", near, log=True),
                        Panel(text("experiment.climbing.whole"), steps, "log₁₀ J", whole, marks=ends)], path)
