"""fit: the training loop. Forward, loss, backward, update; again and again."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from os import PathLike
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, default_generator
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.data import Minibatches
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer
from tinygrad_zh.train.arrays import Array, pair
from tinygrad_zh.train.callbacks import Callback
from tinygrad_zh.train.checkpoint import load_run
from tinygrad_zh.train.evaluate import Metrics, evaluate, named
from tinygrad_zh.train.interrupt import Interruption
from tinygrad_zh.train.progress import Progress


class History(dict[str, list[float]]):
    """One number an epoch for every figure: "loss", "accuracy", "validation_loss", … 中文：训练历史。

    stopped: why training ended before its last epoch, or None.
    """

    stopped: str | None = None


class Run:
    """A training run: what callbacks see."""

    def __init__(self, model: Module, optimizer: Optimizer, callbacks: Sequence[Callback],
                 generator: np.random.Generator | None) -> None:
        self.model = model
        self.optimizer = optimizer
        self.callbacks = tuple(callbacks)
        self.generator = generator or default_generator()
        self.history = History()
        self.epoch = 0

    def stop(self, reason: str) -> None:
        """End training after this epoch."""
        self.history.stopped = reason

    def generators(self) -> dict[str, np.random.Generator]:
        """The generators that a run draws from: for the order of the samples, and for dropout."""
        return {"order": self.generator, "default": default_generator()}


def fit(model: Module, train: Any, *, loss: Callable[[Any, Any], Tensor], optimizer: Optimizer, epochs: int = 1,
        batch_size: int = 32, validation: Any = None, metrics: Metrics = (), callbacks: Sequence[Callback] = (),
        generator: np.random.Generator | None = None, resume: str | PathLike[str] | None = None,
        progress: str = "auto") -> History:
    """W ← update(W, ∂L/∂W), batch after batch, epoch after epoch; returns the history. 中文：训练。

    train, validation: pairs (x, y) of arrays. loss(ŷ, y) → scalar tensor. metrics: functions (ŷ, y) → number, by
    name or in a dict; in training they see the predictions that were made on the way. generator: for the order of
    the samples, the context's (tz.manual_seed) unless given. resume: a file that the Checkpoint callback wrote; the
    run then goes on as if it had never stopped, to the byte. progress: "auto" is a bar on a terminal and one line an
    epoch in a pipe; "lines", "none".

    Ctrl-C ends training after the step in hand; the model is whole, and history.stopped says so. Raises ValueError
    for data of unequal length, empty, or with nan, before anything is trained; and FloatingPointError when the loss
    is not finite, before that step changes a weight, naming epoch, batch and samples.

    >>> import numpy as np, tinygrad_zh as tz
    >>> _ = tz.manual_seed(0)
    >>> x = np.array([[0.0], [1.0], [2.0]]); y = 2 * x + 1
    >>> model = tz.nn.Dense(1, 1)
    >>> history = tz.train.fit(model, (x, y), loss=tz.functional.mse_loss, epochs=200, progress="none",
    ...                        optimizer=tz.optim.SGD(model.parameters(), lr=0.2))
    >>> round(model.W.item(), 2), round(model.b.item(), 2)
    (2.0, 1.0)
    """
    if epochs < 1:
        raise ValueError(f"epochs is a number ≥ 1, not {epochs}")
    data = pair("train", train, model)
    held_out = None if validation is None else pair("validation", validation, model)
    run = Run(model, optimizer, callbacks, generator)
    batches = Minibatches(np.arange(len(data[0])), batch_size=batch_size, generator=run.generator)
    if resume is not None:
        load_run(run, resume)
    report = Progress(epochs, len(batches), progress)
    for callback in run.callbacks:
        callback.on_begin(run)
    with Interruption() as interruption:
        try:
            while run.epoch < epochs and run.history.stopped is None:
                report.begin(run.epoch + 1)
                figures = _epoch(run, data, batches, loss, metrics, report, interruption)
                if figures is None:
                    run.stop("interrupted")
                    break
                run.epoch += 1
                if held_out is not None:
                    scores = evaluate(model, held_out, loss, metrics, max(batch_size, 256))
                    figures |= {f"validation_{name}": value for name, value in scores.items()}
                for name, value in figures.items():
                    run.history.setdefault(name, []).append(value)
                report.end(run.epoch, figures)
                for callback in run.callbacks:
                    callback.on_epoch(run)
        finally:
            report.close()
    for callback in run.callbacks:
        callback.on_end(run)
    return run.history


def _epoch(run: Run, data: tuple[Array, Array], batches: Minibatches, loss: Callable[[Any, Any], Tensor],
           metrics: Metrics, report: Progress, interruption: Interruption) -> dict[str, float] | None:
    """One pass over the data. The epoch's figures, or None if it was interrupted."""
    x, y = data
    run.model.train()
    total, predicted, order = 0.0, [], []
    for number, (rows,) in enumerate(batches, 1):
        prediction, value = _step(run, leaf(x[rows]), y[rows], rows, number, loss)
        total += value * len(rows)
        predicted.append(prediction)
        order.append(rows)
        shown = None
        if report.due():
            shown = {"loss": total / sum(map(len, order)), **_scores(metrics, predicted, y, order)}
        report.advance(shown)
        if interruption.asked:
            return None
    return {"loss": total / len(x), **_scores(metrics, predicted, y, order)}


def _step(run: Run, x: Tensor, y: Array, rows: Array, number: int,
          loss: Callable[[Any, Any], Tensor]) -> tuple[Array, float]:
    """Forward, backward, update on one batch; the prediction and the loss."""
    prediction = run.model(x)
    value = loss(prediction, y)
    amount = value.item()
    if not math.isfinite(amount):
        raise FloatingPointError(
            f"the loss is {amount} in epoch {run.epoch + 1}, batch {number} (samples {rows[:8].tolist()}…); "
            "this step was not taken; try a smaller learning rate or gradient clipping")
    run.optimizer.zero_grad()
    value.backward()
    for callback in run.callbacks:
        callback.on_step(run)
    run.optimizer.step()
    return prediction.numpy(), amount


def _scores(metrics: Metrics, predicted: list[Array], y: Array, order: list[Array]) -> dict[str, float]:
    if not metrics:
        return {}
    everything, targets = np.concatenate(predicted), y[np.concatenate(order)]
    return {name: float(metric(everything, targets)) for name, metric in named(metrics).items()}
