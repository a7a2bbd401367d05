"""The probe: a few fixed samples go forward and backward through the network as it is, and nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, default_generator, grad, tensor
from tinygrad_zh.core.mode import using
from tinygrad_zh.nn import Module
from tinygrad_zh.stepper.recording import Trace, record


@contextmanager
def untouched(model: Module) -> Iterator[None]:
    """Within the block the model infers; after it modes, values, gradients and generators are as before, to the bit.

    Values are immutable, so that to keep them is to keep references.
    """
    modules = [module for _, module in model.named_modules()]
    modes = [module.training for module in modules]
    leaves = [(t, t.array, t.grad) for _, t in model.named_tensors() if t.is_leaf]
    generators = [value for module in modules for value in vars(module).values()
                  if isinstance(value, np.random.Generator)]
    states = [(each, each.bit_generator.state) for each in (default_generator(), *generators)]
    model.eval()
    try:
        yield
    finally:
        for module, training in zip(modules, modes, strict=True):
            module.training = training
        for t, array, gradient in leaves:
            if t.array is not array:
                t.assign(array)
            if t.requires_grad and t.grad is not gradient:
                t.grad = gradient
        for generator, state in states:
            generator.bit_generator.state = state


class Probe:
    """Fixed samples (x, y) and a loss(ŷ, y)."""

    def __init__(self, x: Any, y: Any, loss: Callable[[Any, Any], Tensor]) -> None:
        self.x, self.y, self.loss = tensor(np.array(x)), np.array(y), loss

    def run(self, model: Module, title: str) -> tuple[Trace, Exception | None]:
        """∂L/∂W of every parameter, recorded, and what was raised: then the trace ends with the formula that failed.

        The gradients that training uses are not touched.
        """
        recording = record(title=title)
        try:
            with untouched(model), using(grad=True), recording as trace:
                loss = self.loss(model(self.x), self.y)
                grad(loss, model.parameters(), allow_unused=True)
        except Exception as error:
            return trace, error
        return trace, None
