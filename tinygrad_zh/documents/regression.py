"""What a regression is measured on and against: a fifth of the samples, least squares, and the mean."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core import get_default_dtype
from tinygrad_zh.data import Table, standardize, train_test_split
from tinygrad_zh.documents.report import table
from tinygrad_zh.i18n import text
from tinygrad_zh.train import metrics

Array = np.ndarray[Any, Any]


class Task(NamedTuple):
    """x (n, d) and y (n, 1) to train on, x_out and y_out held out; unit is what y's standard deviation was."""

    x: Array
    x_out: Array
    y: Array
    y_out: Array
    unit: float


def standardised(samples: Table, features: tuple[str, ...], seed: int) -> Task:
    """x := (x − mean) / std, and y likewise: mean and std come from the training part alone (F19)."""
    x, y = samples.features(*features), samples.target[:, None]
    x, x_out, y, y_out = train_test_split(x, y, test_size=0.2, seed=seed)
    unit, dtype = float(y.std()), get_default_dtype()
    (x, x_out), (y, y_out) = standardize(x, x_out), standardize(y, y_out)
    return Task(x.astype(dtype), x_out.astype(dtype), y.astype(dtype), y_out.astype(dtype), unit)


def with_ones(x: Array) -> Array:
    """[x, 1]: the last column makes the last weight the bias."""
    return np.concatenate([x, np.ones_like(x[:, :1])], axis=1)


def least_squares(task: Task) -> Array:
    """w = argmin Σ (y − w·x)², solved and not descended; shape (d + 1, 1), the bias last."""
    return np.linalg.lstsq(with_ones(task.x), task.y)[0]


def compare(task: Task, prediction: Array) -> dict[str, float]:
    """Held-out MSE and R² of a prediction, of least squares, and of the training targets' mean, which is 0."""
    linear, mean = with_ones(task.x_out) @ least_squares(task), np.zeros_like(task.y_out)
    return {f"{name}{metric.__name__}": metric(y, task.y_out)
            for name, y in {"": prediction, "least_squares_": linear, "mean_": mean}.items()
            for metric in (metrics.mse, metrics.r2)}


def show(figures: dict[str, float], model: str) -> None:
    """Print what `compare` found as a table; model is what its prediction came from."""
    names = {"": model, "least_squares_": text("regression.least_squares"), "mean_": text("regression.mean")}
    head = [text("regression.held_out"), text("train.figure.mse"), text("train.figure.r2")]
    table(head, *([label, f"{figures[name + 'mse']:.4f}", f"{figures[name + 'r2']:.4f}"]
                  for name, label in names.items()))
