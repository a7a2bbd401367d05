"""F03, F12: a ReLU on the output silences it. 784–1000–10 on real digits. Documents 000 §4.2, 001 §2.5.2.

    ŷ = max(0, z)      ∂L/∂z = ∂L/∂ŷ where z > 0, and exactly 0 where z ≤ 0

At first about half of the z are negative, so about half of the digits cannot teach the unit of their own class
anything. Where a unit is negative for every digit it is dead: no digit moves its weights, and only what the hidden
layer learns for others could bring it back. "Avoids vanishing gradients where x < 0" (F12) is the wrong way round.

Beside it the same network without the ReLU, with the same loss ½ Σ (ŷ − y)²; and with softmax and cross-entropy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.documents.s1 import images, network
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import SGD
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]

OUTPUTS = ("relu", "linear", "softmax")
ALPHAS = (0.01, 0.1)  # the document's, and a larger one
STEPS, EVERY, BATCH = 300, 50, 32


class Moment(NamedTuple):
    """Shares at one step of a training: units that no training digit reaches; digits whose own unit has z ≤ 0, so no
    gradient; digits all of whose units have; and the accuracy on the validation digits."""

    step: int
    dead_units: float
    own_silent: float
    all_silent: float
    accuracy: float


class Training(NamedTuple):
    output: str
    alpha: float
    moments: list[Moment]


def measure(seed: int = 0) -> list[Training]:
    """Every output with every α; the seed draws weights, digits and batches."""
    return [train(output, alpha, seed) for alpha in ALPHAS for output in OUTPUTS]


def train(output: str, alpha: float, seed: int) -> Training:
    """300 steps on 32 of 1,000 digits each, by W ← W − α ∂J/∂W (F07)."""
    manual_seed(seed)
    model, rng = network(), philox(seed)
    optimizer = SGD(model.parameters(), alpha)
    (x, labels), validation = (_arrays(part) for part in images(seed))
    moments = []
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            moments.append(_moment(step, model, output, x, labels, *validation))
        batch = rng.choice(len(x), BATCH, replace=False)
        optimizer.zero_grad()
        _loss(output, model(x[batch]), labels[batch]).backward()
        optimizer.step()
    return Training(output, alpha, moments)


def _arrays(part: data.Images) -> tuple[Array, Array]:
    return data.to_unit(part.pixels), part.labels


def _loss(output: str, z: Any, labels: Array) -> Any:
    if output == "softmax":
        return F.cross_entropy(z, labels)
    target = np.eye(10, dtype=np.float32)[labels]
    return F.half_squared_error(F.relu(z) if output == "relu" else z, target) / len(labels)


def _moment(step: int, model: nn.Module, output: str, x: Array, labels: Array, x_out: Array, y_out: Array) -> Moment:
    z, scores = model(x).numpy(), model(x_out).numpy()
    if output != "relu":  # every z has a gradient
        return Moment(step, 0.0, 0.0, 0.0, float(np.mean(scores.argmax(axis=1) == y_out)))
    silent = z <= 0
    own = silent[np.arange(len(z)), labels]
    right = np.maximum(0, scores).argmax(axis=1) == y_out
    return Moment(step, *(float(share.mean()) for share in (silent.all(axis=0), own, silent.all(axis=1), right)))


def show(trainings: list[Training]) -> None:
    say("experiment.dead_outputs")
    say("experiment.dead_outputs.first", own=trainings[0].moments[0].own_silent)
    rows = []
    for t in trainings:
        end = t.moments[-1]
        rows.append([text(f"experiment.dead_outputs.{t.output}"), f"{t.alpha}", f"{10 * end.dead_units:.0f} / 10",
                     f"{end.own_silent:.1%}", f"{end.all_silent:.1%}", f"{end.accuracy:.1%}"])
    table([text("experiment.dead_outputs.output"), "α",
           *(text(f"experiment.dead_outputs.{name}") for name in ("dead", "own", "all")),
           text("train.figure.validation_accuracy")], *rows)
    say("experiment.dead_outputs.seen", steps=STEPS)


def draw(trainings: list[Training], path: Path) -> Path:
    """The accuracy, and the digits whose own unit is silent; each for every α."""
    panels = []
    for name in ("accuracy", "own_silent"):
        for alpha in ALPHAS:
            lines = {text(f"experiment.dead_outputs.{t.output}"):
                     ([m.step for m in t.moments], [getattr(m, name) for m in t.moments])
                     for t in trainings if t.alpha == alpha}
            title = text(f"experiment.dead_outputs.title.{name}", alpha=alpha)
            panels.append(Panel(title, text("experiment.step"), text("experiment.share"), lines, limits=(0, 1)))
    return line_panels(panels, path, columns=2)
