"""Using a trained model: predictions in batches, loss and metrics on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, no_grad
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import move
from tinygrad_zh.nn import Module
from tinygrad_zh.train.arrays import Array, checked, home, pair
from tinygrad_zh.train.figures import Figures, Metrics, amount, named


@contextmanager
def inference(model: Module) -> Iterator[None]:
    """eval() and no gradients within the block; each module's mode is as before after it."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    try:
        with no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def outputs(model: Module, x: Array, batch_size: int) -> Iterator[tuple[slice, Tensor]]:
    """The model's outputs, batch after batch, in order."""
    if batch_size < 1:
        raise ValueError(f"batch_size is a number of samples ≥ 1, not {batch_size}")
    place = home(model)
    for start in range(0, len(x), batch_size):
        rows = slice(start, min(start + batch_size, len(x)))
        yield rows, model(leaf(move(np.ascontiguousarray(x[rows]).copy(), place)))


def predict(model: Module, x: Any, batch_size: int = 256) -> Array:
    """ŷ = f(x), for all samples, without gradients and in eval(). 中文：预测。

    Raises ValueError for no samples, or samples with nan or ∞.
    """
    x = checked("x", x, model)
    with inference(model):
        return np.concatenate([move(y.data, "cpu") for _, y in outputs(model, x, batch_size)])


def evaluate(model: Module, data: Any, loss: Callable[[Any, Any], Tensor], metrics: Metrics = (),
             batch_size: int = 256) -> dict[str, float]:
    """The loss and every metric on (x, y), as {"loss": …, name: …}. 中文：评估。

    loss(ŷ, y) is a mean over its samples, as tz.functional's are unless told otherwise: then the batch size changes
    nothing. Metrics see all predictions at once, metric(ŷ, y) → number.
    """
    x, y = pair("data", data, model)
    figures = Figures(named(metrics))
    with inference(model):
        for rows, prediction in outputs(model, x, batch_size):
            value = loss(prediction, move(y[rows], prediction.device))
            figures.add(prediction, y[rows], amount(value))
    return figures.all()
