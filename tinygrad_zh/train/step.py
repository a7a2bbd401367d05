"""One step of training: prediction, loss, gradients; a look at them; the update. 训练一步"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.device import move
from tinygrad_zh.program.compiling import compile
from tinygrad_zh.train.arrays import Array
from tinygrad_zh.train.figures import amount, single
from tinygrad_zh.train.whole import whole

if TYPE_CHECKING:
    from tinygrad_zh.nn import Module
    from tinygrad_zh.optim import Optimizer
    from tinygrad_zh.train.fit import Run


class Step:
    """The parts of a step, as one writes them."""

    whole = False  # whether each part is taken whole or not at all by itself

    def __init__(self, model: Module, loss: Callable[[Any, Any], Tensor], optimizer: Optimizer) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer

    def forward(self, x: Tensor, y: Any) -> tuple[Tensor, Tensor]:
        """The prediction and the loss."""
        prediction = self.model(x)
        return prediction, self.loss(prediction, y)

    def backward(self, value: Tensor) -> None:
        """The gradients of this step alone."""
        self.optimizer.zero_grad()
        value.backward()

    def update(self) -> None:
        self.optimizer.step()

    def next(self) -> Step:
        """What takes the step after this one."""
        return self


class Compiled(Step):
    """The same in two programs that are replayed. The gradients come with the loss; the targets are tensors.

    A weight or gradient that somebody holds while a program runs is left to him, and the program moves to other memory.
    So nobody here does.
    """

    whole = True

    def __init__(self, model: Module, loss: Callable[[Any, Any], Tensor], optimizer: Optimizer, kernels: str) -> None:
        super().__init__(model, loss, optimizer)

        def gradients(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            prediction = model(x)
            value = single(loss(prediction, y))
            optimizer.zero_grad()
            value.backward()
            return prediction, value

        gradients.__module__ = getattr(loss, "__module__", __name__)  # whose variables a program is made for
        self.forward = compile(gradients, kernels=kernels)  # type: ignore[method-assign]
        self.update = compile(optimizer.step, kernels=kernels)  # type: ignore[method-assign]

    def backward(self, value: Tensor) -> None:
        pass


def taken(run: Run, batch: tuple[Tensor, Any], tensors: Sequence[Tensor], where: str, rows: Array) -> Tensor:
    """The prediction for a batch, after a step on it that is taken whole or not at all."""
    step = run.step
    with whole(tensors):
        prediction, value = step.forward(*batch)
        run.value = amount(value)
        if not math.isfinite(run.value):
            raise _not_finite(f"the loss is {run.value}", where, rows)
        step.backward(value)
        for callback in run.callbacks:
            callback.on_step(run)
        bad = broken(run.optimizer.parameters)
        if bad:
            i, p = bad[0], run.optimizer.parameters[bad[0]]
            raise _not_finite(f"the gradient of the optimizer's parameter {i}, {p.shape}, is not finite", where, rows)
        step.update()
    return prediction


def broken(parameters: Sequence[Tensor]) -> list[int]:
    """Which parameters have gradients that are not finite.

    On the CPU Σ g² is asked for first: it is finite only where every g is, and quicker to have. Otherwise, and where it
    overflows, each number is looked at, of all parameters together: a GPU has to be waited for.
    """
    gradients = {i: p.grad.array for i, p in enumerate(parameters) if p.grad is not None}
    if all([type(g) is np.ndarray and math.isfinite(np.vdot(g, g)) for g in gradients.values()]):
        return []
    finite = move(np.stack([np.isfinite(g).all() for g in gradients.values()]), "cpu")
    return [i for i, ok in zip(gradients, finite, strict=True) if not ok]


def _not_finite(what: str, where: str, rows: Array) -> FloatingPointError:
    samples = ", ".join(map(str, rows[:8])) + (", …" if len(rows) > 8 else "")
    return FloatingPointError(f"{what} {where} (samples {samples}); this step was not taken; "
                              "try a smaller learning rate or gradient clipping; "
                              "tz.check.autopsy(lambda: loss(model(x), y)) says where it began")
