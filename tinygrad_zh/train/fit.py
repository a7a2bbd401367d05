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
from tinygrad_zh.device import move
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer
from tinygrad_zh.train.arguments import Augment, check
from tinygrad_zh.train.arrays import Array, checked, home, pair
from tinygrad_zh.train.callbacks import Callback
from tinygrad_zh.train.checkpoint import load_run
from tinygrad_zh.train.choosing import Compile, first_step, known
from tinygrad_zh.train.evaluate import evaluate
from tinygrad_zh.train.figures import Figures, Metric, Metrics, named
from tinygrad_zh.train.interrupt import Interruption
from tinygrad_zh.train.observing import observers
from tinygrad_zh.train.progress import Progress
from tinygrad_zh.train.step import Step, taken


class History(dict[str, list[float]]):
    """One number an epoch for every figure: "loss", "accuracy", "validation_loss", … 中文：训练历史。

    stopped: why training ended before its last epoch, or None. compiled: how its steps were taken, and why so.
    """

    stopped: str | None = None
    compiled: str = ""


class Run:
    """A training run: what callbacks see.

    data: the training arrays (x, y). loss: the function (ŷ, y) → scalar; value: what it gave in the step in hand.
    """

    def __init__(self, model: Module, optimizer: Optimizer, callbacks: Sequence[Callback],
                 generator: np.random.Generator | None, data: tuple[Array, Array],
                 loss: Callable[[Any, Any], Tensor]) -> None:
        self.model = model
        self.optimizer = optimizer
        self.callbacks = (*callbacks, *observers())
        self.data = data
        self.loss = loss
        self.value = math.nan
        self.step = Step(model, loss, optimizer)
        self.generator = default_generator() if generator is None else generator
        self.history = History()
        self.epoch = 0

    def stop(self, reason: str) -> None:
        """End training after this epoch."""
        self.history.stopped = reason

    def generators(self) -> dict[str, np.random.Generator]:
        """The generators that a run draws from, each once: the context's, the order's, and those of its layers."""
        named = [("default", default_generator()), ("order", self.generator)]
        named += [(f"{path}.{name}", value) for path, module in self.model.named_modules()
                  for name, value in vars(module).items() if isinstance(value, np.random.Generator)]
        first = {id(generator): name for name, generator in reversed(named)}
        return {name: generator for name, generator in named if first[id(generator)] == name}

    def tensors(self) -> list[Tensor]:
        """What a step changes: running statistics; then parameters and what the optimizer keeps, unless it sees to
        these itself."""
        updated = {id(p) for p in self.optimizer.parameters}
        others = [t for _, t in self.model.named_tensors() if t.is_leaf and id(t) not in updated]
        if self.step.whole:
            return others
        return others + self.optimizer.parameters + [t for state in self.optimizer.state for t in state.values()]


def fit(model: Module, train: Any, *, loss: Callable[[Any, Any], Tensor], optimizer: Optimizer,
        epochs: int = 1, batch_size: int = 32, validation: Any = None, metrics: Metrics = (),
        callbacks: Sequence[Callback] = (), generator: np.random.Generator | None = None,
        augment: Augment | None = None, resume: str | PathLike[str] | None = None,
        progress: str = "auto", compile: Compile = "auto") -> History:
    """W ← update(W, ∂L/∂W), batch after batch, epoch after epoch; returns the history. 中文：训练。

    train, validation: pairs (x, y) of arrays; batches go where the model is. loss(ŷ, y) → scalar tensor, a mean over
    the samples. metrics: functions (ŷ, y) → number, by their own names or in a dict; in training they see the
    predictions that were made on the way. generator: for the order of the samples, the context's (tz.manual_seed)
    unless given.
    augment: a function (x, generator) → x that changes the inputs of each batch before it is trained on, never those
    of the validation; it draws from the same generator, as in lambda x, generator: tz.data.shifted(x, 1, generator).
    resume: a file that the Checkpoint callback wrote; the run then goes on as if it had never stopped, to the
    byte. progress: "auto" shows a bar on a terminal and one line an epoch, "lines" no bar, "none" nothing.
    compile: True replays compiled steps (tz.compile), which is faster and equal to rounding; "formulas" replays the
    formulas, equal to the bit; False runs model and loss every time. "auto" chooses by the work that an epoch is:
    compiled where a few epochs pay for it, and only what is known to do nothing but compute, the layers, losses and
    optimizers of this package. history.compiled says what was chosen.

    A step is taken whole or not at all, whatever is raised in it. Ctrl-C ends training after the step in hand,
    and history.stopped says so; a second Ctrl-C raises. Before anything is trained: TypeError for arguments of
    the wrong kind, ValueError for data of unequal length, empty, or with nan. In the step in question:
    FloatingPointError when the loss or a gradient is not finite, naming epoch, batch and samples. On a GPU these two
    questions are the two times that a step waits for it.

    >>> import numpy as np, tinygrad_zh as tz
    >>> _ = tz.manual_seed(0)
    >>> x = np.array([[0.0], [1.0], [2.0]]); y = 2 * x + 1
    >>> model = tz.nn.Dense(1, 1)
    >>> history = tz.train.fit(model, (x, y), loss=tz.functional.mse_loss, epochs=200, progress="none",
    ...                        optimizer=tz.optim.SGD(model.parameters(), lr=0.2))
    >>> round(model.W.item(), 2), round(model.b.item(), 2)
    (2.0, 1.0)
    """
    data = pair("train", train, model)
    held_out = None if validation is None else pair("validation", validation, model)
    check(model, optimizer, callbacks, generator, augment, epochs)
    metrics, compile = named(metrics), known(compile)
    run = Run(model, optimizer, callbacks, generator, data, loss)
    batches = Minibatches(np.arange(len(data[0])), batch_size=batch_size, generator=run.generator)
    report = Progress(epochs, len(batches), progress)
    run.step = first_step(run, compile, len(batches), epochs)
    if resume is not None:
        load_run(run, resume)
    for callback in run.callbacks:
        callback.on_begin(run)
    with Interruption() as interruption:
        try:
            while run.epoch < epochs and run.history.stopped is None:
                report.begin(run.epoch + 1)
                figures = _epoch(run, batches, augment, metrics, report, interruption)
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
        except BaseException as error:
            for callback in run.callbacks:
                callback.on_error(run, error)
            raise
        finally:
            report.close()
    for callback in run.callbacks:
        callback.on_end(run)
    return run.history


def _epoch(run: Run, batches: Minibatches, augment: Augment | None, metrics: dict[str, Metric], report: Progress,
           interruption: Interruption) -> dict[str, float] | None:
    """One pass over the data. The epoch's figures, or None if it was interrupted."""
    run.model.train()
    tensors = run.tensors()
    figures, place = Figures(metrics), home(run.model)
    for number, (rows,) in enumerate(batches, 1):
        if interruption.asked:
            return None
        x, y = (array[rows] for array in run.data)
        x = x if augment is None else _augmented(x, augment, run)
        prediction = taken(run, (leaf(move(x, place)), move(y, place)), tensors,
                           f"in epoch {run.epoch + 1}, batch {number}", rows)
        if (step := run.step.next()) is not run.step:
            run.step, tensors = step, run.tensors()
        figures.add(prediction, y, run.value)
        report.advance(figures.so_far() if report.due() else None)
    return figures.all()


def _augmented(x: Array, augment: Augment, run: Run) -> Array:
    """A batch's inputs, changed; they must be what data must be, and still belong to their targets."""
    changed = checked("augment(x)", augment(x, run.generator), run.model)
    if len(changed) != len(x):
        raise ValueError(f"augment gives {len(changed)} samples for {len(x)}; each goes with its target")
    return np.array(changed)
