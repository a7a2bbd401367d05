"""F10: a cross-entropy without its sum over classes is least where every ŷ is 1. Document 004 §4.1.

    as written   −1/n Σᵢ yᵢ ln ŷᵢ                 the samples with y = 0 do not occur in it
    corrected    −1/n Σᵢ Σ_c y_ic ln ŷ_ic         two classes: y_i = (1 − yᵢ, yᵢ), ŷ_i = (1 − ŷᵢ, ŷᵢ)   (F11)

Is a digit odd? One sigmoid neuron (F15, with a bias), real digits, half of them odd. Both losses fall; only one of
them learns anything.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor, manual_seed
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.documents.s1 import images
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import SGD
from tinygrad_zh.plot.lines import Panel, line_panels

Array = np.ndarray[Any, Any]

ALPHA, STEPS = 0.1, 1000


def as_written(y_hat: Any, y: Array) -> Tensor:
    """−1/n Σᵢ yᵢ ln ŷᵢ"""
    return -F.mean(y * F.log(y_hat))


def corrected(y_hat: Any, y: Array) -> Tensor:
    """−1/n Σᵢ Σ_c y_ic ln ŷ_ic of the two classes even and odd."""
    return -F.mean((1 - y) * F.log(1 - y_hat) + y * F.log(y_hat))


LOSSES: dict[str, Callable[[Any, Array], Tensor]] = {"as_written": as_written, "corrected": corrected}


class Training(NamedTuple):
    """Step by step on the training digits: the loss that is minimised, the mean ŷ of odd and of even digits; accuracy:
    on the validation digits, ŷ > 0.5 meaning odd."""

    loss: str
    losses: Array
    odd: Array
    even: Array
    accuracy: Array


def measure(seed: int = 0) -> list[Training]:
    """A training with each loss, from the same weights; the seed draws them and the digits."""
    return [train(name, seed) for name in LOSSES]


def train(name: str, seed: int) -> Training:
    """1,000 steps on 1,000 digits by gradient descent."""
    manual_seed(seed)
    neuron = nn.Dense(784, 1)
    optimizer = SGD(neuron.parameters(), ALPHA)
    (x, y), (x_out, y_out) = (_arrays(part) for part in images(seed))
    rows = []
    for _ in range(STEPS):
        y_hat = F.sigmoid(neuron(x))
        loss = LOSSES[name](y_hat, y)
        p = y_hat.numpy()
        right = (F.sigmoid(neuron(x_out)).numpy() > 0.5) == y_out
        rows.append([loss.item(), p[y == 1].mean(), p[y == 0].mean(), right.mean()])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Training(name, *np.array(rows).T)


def _arrays(part: data.Images) -> tuple[Array, Array]:
    """Pixels (n, 784), and 1 for an odd digit (n, 1)."""
    return data.to_unit(part.pixels).reshape(len(part), -1), (part.labels % 2).astype(np.float32)[:, None]


def show(trainings: list[Training]) -> None:
    say("experiment.literal_loss", steps=STEPS)
    table([text("experiment.literal_loss.loss"),
           *(text(f"experiment.literal_loss.{name}") for name in ("before", "after", "odd", "even")),
           text("train.figure.validation_accuracy")],
          *([text(f"experiment.literal_loss.{t.loss}"), f"{t.losses[0]:.4f}", f"{t.losses[-1]:.4f}", f"{t.odd[-1]:.3f}",
             f"{t.even[-1]:.3f}", f"{t.accuracy[-1]:.1%}"] for t in trainings))
    say("experiment.literal_loss.seen")


def draw(trainings: list[Training], path: Path) -> Path:
    """The loss, the mean ŷ of the even digits, and the accuracy."""
    panels = []
    for name in ("losses", "even", "accuracy"):
        lines = {text(f"experiment.literal_loss.{t.loss}"): (range(STEPS), getattr(t, name)) for t in trainings}
        panels.append(Panel(text(f"experiment.literal_loss.title.{name}"), text("experiment.step"), "", lines))
    return line_panels(panels, path)
