"""What `fit` is given besides data: found wrong before the first step, not after an hour's epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer
from tinygrad_zh.train.arrays import Array
from tinygrad_zh.train.callbacks import Callback

Augment = Callable[[Array, np.random.Generator], Any]


def check(model: Module, optimizer: Optimizer, callbacks: Sequence[Callback],
          generator: np.random.Generator | None, augment: Augment | None, epochs: int) -> None:
    """Raises TypeError for what is of the wrong kind; ValueError for no epoch, or another model's optimizer."""
    if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)):
        raise TypeError(f"epochs is a whole number, not {epochs!r}")
    if epochs < 1:
        raise ValueError(f"epochs is a number ≥ 1, not {epochs}")
    if generator is not None and not isinstance(generator, np.random.Generator):
        raise TypeError(f"generator is a NumPy Generator, such as tz.manual_seed(0) gives, not {generator!r}")
    if augment is not None and not callable(augment):
        raise TypeError(f"augment is a function (x, generator) → x, not {type(augment).__name__}")
    for what, kind, values in (("the optimizer is an Optimizer", Optimizer, [optimizer]),
                               ("a callback is a Callback", Callback, callbacks)):
        for value in values:
            if not isinstance(value, kind):
                hint = f"; write {value.__name__}(…)" if isinstance(value, type) else ""
                raise TypeError(f"{what}, not {value!r:.80}{hint}")
    ours = {id(p) for p in model.parameters()}
    if not any(id(p) in ours for p in optimizer.parameters):
        raise ValueError("the optimizer holds none of this model's parameters, so nothing would be learnt; "
                         "make it with model.parameters()")
