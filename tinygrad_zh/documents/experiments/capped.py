"""F20: an activation on the output of a regression caps what it can predict. 2–10–1, house prices. Document 002 §4.3.

    as written   ŷ = f(w·a + b)      a sigmoid gives numbers in (0, 1), a ReLU none below 0
    corrected    ŷ = w·a + b         any number

The prices are standardised (F19), so more than half of them are below 0: out of reach for both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents import s5
from tinygrad_zh.documents.regression import standardised
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import SGD
from tinygrad_zh.plot.scatter import predicted_and_true
from tinygrad_zh.train import fit, metrics, predict

Array = np.ndarray[Any, Any]

OUTPUTS: dict[str, tuple[nn.Module, ...]] = {"none": (), "relu": (nn.ReLU(),), "sigmoid": (nn.Sigmoid(),)}
REACH = {"none": (-np.inf, np.inf), "relu": (0.0, np.inf), "sigmoid": (0.0, 1.0)}
EPOCHS, BATCH = 20, 32


class Regression(NamedTuple):
    """Of the held-out houses: the prices and what was predicted, both standardised; the share of prices that the
    output can give at all; the mean squared error and R², and the least error that any network with it could have."""

    output: str
    price: Array
    predicted: Array
    reachable: float
    mse: float
    r2: float
    least: float


def measure(seed: int = 0) -> list[Regression]:
    """The network of S5 with each output, from the same weights; the seed draws them and splits the houses."""
    return [train(output, seed) for output in OUTPUTS]


def train(output: str, seed: int) -> Regression:
    """20 epochs of batches of 32, as S5 trains."""
    task = standardised(data.ames(), s5.HOUSES, seed)
    manual_seed(seed)
    model = nn.Sequential(s5.network(), *OUTPUTS[output])
    fit(model, (task.x, task.y), loss=F.mse_loss, optimizer=SGD(model.parameters(), s5.ALPHA), epochs=EPOCHS,
        batch_size=BATCH, progress="none")
    price, predicted = task.y_out[:, 0], predict(model, task.x_out)[:, 0]
    nearest = np.clip(price, *REACH[output])
    return Regression(output, price, predicted, float(np.mean(nearest == price)), metrics.mse(predicted, price),
                      metrics.r2(predicted, price), metrics.mse(nearest, price))


def show(regressions: list[Regression]) -> None:
    say("experiment.capped", epochs=EPOCHS)
    columns = ("reachable", "lowest", "highest", "least")
    table([text("experiment.capped.output"), *(text(f"experiment.capped.{name}") for name in columns),
           text("train.figure.mse"), text("train.figure.r2")],
          *([text(f"experiment.capped.{r.output}"), f"{r.reachable:.1%}", f"{r.predicted.min():.2f}",
             f"{r.predicted.max():.2f}", f"{r.least:.3f}", f"{r.mse:.3f}", f"{r.r2:.3f}"] for r in regressions))
    say("experiment.capped.seen")


def draw(regressions: list[Regression], path: Path) -> Path:
    """Predicted against true prices, a panel an output."""
    clouds = {text(f"experiment.capped.{r.output}"): (r.price, r.predicted) for r in regressions}
    return predicted_and_true(clouds, path)
