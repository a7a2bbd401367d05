"""F22: class 1 if ŷ > 0.5 means something for a sigmoid, not for a ReLU. 14–10–10–1, house prices. Document 003 §4.3.

    σ(z) > 0.5  ⇔  z > 0          the class that is more probable
    max(0, z) > 0.5  ⇔  z > 0.5    where σ(z) > 0.62: somewhere else

Nor does a ReLU output go with the cross-entropy that the document names: ŷ = 0 for every z ≤ 0, and ln 0 = −∞; ŷ may
exceed 1, and ln(1 − ŷ) is no number; and a unit that starts at z ≤ 0 for all samples has no gradient at all. Most
networks fail before the first step; a smaller α saves some of the others.

Is a house dearer than the median? Sigmoids in the hidden layers, as the document has them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents.regression import standardised
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import Adam
from tinygrad_zh.plot.lines import Panel, line_panels
from tinygrad_zh.train import fit, predict

Array = np.ndarray[Any, Any]

STARTS, STEPS, EPOCHS = 50, 100, 10
ALPHAS = (0.01, 0.001)
THRESHOLDS = np.linspace(-3, 3, 121)


class Fates(NamedTuple):
    """What becomes of networks with a ReLU output. silent: 0 for every house, so no gradient. undefined: the loss is
    infinite or no number before the first step. broken: within 100 steps. lasted: none of these."""

    silent: int
    undefined: int
    broken: int
    lasted: int


class Rule(NamedTuple):
    """A threshold on z: of the held-out houses the accuracy, the share called dearer, and how many of the dearer ones
    (recall)."""

    threshold: float
    accuracy: float
    called: float
    recall: float


class Measured(NamedTuple):
    """fates: for each α. accuracy: on the held-out houses for each of THRESHOLDS. changed: how many houses the two
    rules class otherwise. dearer: the share that is dearer."""

    fates: dict[float, Fates]
    accuracy: Array
    sigmoid: Rule
    relu: Rule
    changed: int
    houses: int
    dearer: float


def measure(seed: int = 0) -> Measured:
    """50 networks with a ReLU output, and one with a sigmoid; the seed splits the houses and draws the weights."""
    task = standardised(data.ames(), data.ames().names, seed)
    median = np.median(task.y)
    y, y_out = (task.y > median).astype(np.float32), task.y_out[:, 0] > median
    fates = {}
    for alpha in ALPHAS:
        each = [fate(s, task.x, y, alpha) for s in range(seed, seed + STARTS)]
        fates[alpha] = Fates(*(each.count(name) for name in Fates._fields))

    manual_seed(seed)
    model = network()
    fit(model, (task.x, y), loss=F.binary_cross_entropy_with_logits, optimizer=Adam(model.parameters(), 0.01),
        epochs=EPOCHS, batch_size=32, progress="none")
    z = predict(model, task.x_out)[:, 0]
    return Measured(fates, np.array([np.mean((z > threshold) == y_out) for threshold in THRESHOLDS]),
                    rule(0.0, z, y_out), rule(0.5, z, y_out), int(np.sum((z > 0) != (z > 0.5))), len(z),
                    float(y_out.mean()))


def rule(threshold: float, z: Array, y: Array) -> Rule:
    called = z > threshold
    return Rule(threshold, float(np.mean(called == y)), float(called.mean()), float(called[y].mean()))


def network() -> nn.Module:
    """14–10–10–1, sigmoids between; the output is z."""
    return nn.Sequential(nn.Dense(14, 10), nn.Sigmoid(), nn.Dense(10, 10), nn.Sigmoid(), nn.Dense(10, 1))


def fate(seed: int, x: Array, y: Array, alpha: float) -> str:
    """Minimise −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ)) with ŷ = max(0, z) for 100 steps of Adam, as far as it goes."""
    manual_seed(seed)
    model = network()
    optimizer = Adam(model.parameters(), alpha)
    if not np.maximum(0, model(x).numpy()).any():
        return "silent"
    for step in range(STEPS):
        y_hat = F.relu(model(x))
        with np.errstate(divide="ignore", invalid="ignore"):
            loss = -F.mean(F.log(F.where(y == 1, y_hat, 1 - y_hat)))  # of each sum the term that is not 0
        if not np.isfinite(loss.item()):
            return "broken" if step else "undefined"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return "lasted"


def show(measured: Measured) -> None:
    say("experiment.threshold", starts=STARTS, steps=STEPS)
    table(["α", *(text(f"experiment.threshold.{name}") for name in Fates._fields)],
          *([f"{alpha}", *map(str, fates)] for alpha, fates in measured.fates.items()))
    say("experiment.threshold.rules", dearer=measured.dearer)
    table([text("experiment.threshold.rule"), "z >", text("experiment.held_out"), text("experiment.threshold.called"),
           text("experiment.threshold.recall")],
          *([name, f"{r.threshold}", f"{r.accuracy:.1%}", f"{r.called:.1%}", f"{r.recall:.1%}"]
            for name, r in (("σ(z) > 0.5", measured.sigmoid), ("max(0, z) > 0.5", measured.relu))))
    say("experiment.threshold.seen", changed=measured.changed, houses=measured.houses)


def draw(measured: Measured, path: Path) -> Path:
    """The two outputs with their crossings of 0.5; and the accuracy for every threshold on z, with the two marked."""
    z = THRESHOLDS
    outputs = {"σ(z)": (z, 1 / (1 + np.exp(-z))), "max(0, z)": (z, np.maximum(0, z))}
    rules = [(r.threshold, r.accuracy) for r in (measured.sigmoid, measured.relu)]
    return line_panels([
        Panel(text("experiment.threshold.outputs"), "z", "ŷ", outputs, marks=[(0, 0.5), (0.5, 0.5)]),
        Panel(text("experiment.threshold.accuracies"), text("experiment.threshold.on_z"), "",
              {text("train.figure.accuracy"): (z, measured.accuracy)}, marks=rules),
    ], path)
