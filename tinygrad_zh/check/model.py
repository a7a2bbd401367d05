"""check_model: all the gradients of a real model on one batch, and where a wrong one comes from. 检验整个模型"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from tinygrad_zh.check.parameters import check_leaves
from tinygrad_zh.check.report import Report
from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.i18n import text
from tinygrad_zh.nn import Module
from tinygrad_zh.train.arrays import checked
from tinygrad_zh.train.interrupt import Interruption
from tinygrad_zh.train.progress import bar

LEAST = 2  # elements of a parameter: the one with the largest gradient, and one anywhere
EVALUATIONS = 3  # of the loss for one comparison, as a rule


def check_model(model: Module, batch: Sequence[Any], loss: Callable[[Any, Any], Tensor], *, samples: int = 100,
                seed: int = 0, rtol: float = 1e-7, progress: str = "auto") -> Report:
    """∂L/∂w of every parameter of a model, against differences of L on one batch. 中文：检验整个模型的梯度。

    batch: (inputs, targets), or (inputs, …, targets) for a model of several inputs. loss: loss(model(inputs), targets)
    is one number, as in `fit`. samples: elements to move, of all parameters together; each gets an even share, at
    least two, half of it where the gradient is largest. All elements of each parameter are moved at once, too, so
    that one outside the sample shows, and is then searched for. progress: "auto" shows a bar on a terminal, "none"
    nothing.

    The mode is the model's own: in training dropout drops, with the same mask each time. Frozen tensors are constants;
    a parameter that several layers share counts once; one that has no influence is a warning of the report. While the
    check runs, values are float64; afterwards, also after Ctrl-C, parameters, gradients, running statistics and
    generators are what they were.

    Where a gradient is wrong, each op of the pass is checked on its own with the numbers that it had there, and the
    report names the op to blame, with its layer, before the parameters that show it.

    Raises TypeError for arguments of the wrong kind, a model without parameters, and a loss that is not one number;
    ValueError for parameters or data with nan or ∞.

    >>> import numpy as np, tinygrad_zh as tz
    >>> from tinygrad_zh import nn
    >>> class Half(tz.Op):
    ...     def forward(x): return np.tanh(x)
    ...     def backward(dy, y): return dy * (1 - y * y) / 2
    >>> class Activation(nn.Module):
    ...     def forward(self, x): return Half(x)
    >>> _ = tz.manual_seed(0)
    >>> model = nn.Sequential(nn.Dense(3, 4), Activation(), nn.Dense(4, 2))
    >>> batch = np.ones((5, 3)), np.array([0, 1, 1, 0, 1])
    >>> report = tz.check.check_model(model, batch, tz.functional.cross_entropy)
    >>> [(failure.op or failure.name, failure.layer) for failure in report.failures]
    [('Half', '1 (Activation)'), ('0.W', '0 (Dense)'), ('0.b', '0 (Dense)')]
    """
    parameters = parameters_of(model)
    if progress not in ("auto", "none"):
        raise ValueError(f'check_model: progress is "auto" or "none", not {progress!r}')
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(f"check_model: samples is a whole number from 1 up, not {samples!r}")
    layers = {id(module): f"{path} ({type(module).__name__})" if path else type(module).__name__
              for path, module in model.named_modules()}
    limits = shares([w.size for w in parameters.values()], samples)
    function = loss_of(model, batch, loss, next(iter(parameters.values())))
    total = EVALUATIONS * (sum(limits) + 2 * len(limits))
    terminal = sys.stderr if progress == "auto" and sys.stderr.isatty() else None
    shown = nullcontext() if terminal is None else closing(bar(terminal, total, text("check.progress")))
    with Interruption() as interruption, shown as progress_bar:

        def watched() -> Tensor:
            if interruption.asked:
                raise KeyboardInterrupt
            if progress_bar is not None:
                progress_bar.update()
            return function()

        report = check_leaves(type(model).__name__, watched, parameters, layers, limits, seed, rtol)
    if interruption.asked:
        raise KeyboardInterrupt
    owners = {id(w): layers[id(module)] for _, module in reversed(list(model.named_modules()))
              for _, w in module.own_tensors()}
    where = {name: owners[id(w)] for name, w in parameters.items()}
    return replace(report,
                   failures=tuple(f if f.op else replace(f, layer=where.get(f.name, "")) for f in report.failures),
                   warnings=tuple(replace(w, layer=where[w.name]) for w in report.warnings))


def parameters_of(model: Any) -> dict[str, Tensor]:
    """The parameters by path. Raises TypeError where there are none, ValueError where one is not finite."""
    if not isinstance(model, Module):
        raise TypeError(f"check_model: the model is a tz.nn.Module, not {type(model).__name__}; for a loss without one "
                        "there is check_parameters")
    parameters = dict(model.named_parameters())
    if not parameters:
        raise TypeError(f"check_model: {type(model).__name__} has no parameter to check, a tensor that requires a "
                        "gradient")
    for name, w in parameters.items():
        bad = np.argwhere(~np.isfinite(w.numpy()))
        if len(bad):
            place = tuple(bad[0].tolist())
            raise ValueError(f"check_model: parameter {name} is {w.numpy()[place]} at {list(place)} ({len(bad)} of "
                             f"{w.size} elements are not finite); there is no slope to measure there")
    return parameters


def shares(sizes: Sequence[int], samples: int) -> list[int]:
    """How many elements of each parameter to move: the same of all, and what the small ones leave goes to the rest."""
    limits = [0] * len(sizes)
    for done, i in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        limits[i] = min(sizes[i], max(LEAST, samples // (len(sizes) - done)))
        samples = max(0, samples - limits[i])
    return limits


def loss_of(model: Module, batch: Sequence[Any], loss: Callable[[Any, Any], Tensor], w: Tensor) -> Callable[[], Tensor]:
    """The loss of the batch, its floating data in the precision that the parameter w has at the moment."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError("check_model: batch is (inputs, targets), or (inputs, …, targets) for a model of several "
                        f"inputs, not {type(batch).__name__}{f' of {len(batch)}' if isinstance(batch, tuple) else ''}")
    if not callable(loss):
        raise TypeError(f"check_model: loss is a function of predictions and targets, not {type(loss).__name__}")
    names = [*(f"input {i}" for i in range(len(batch) - 1)), "targets"]
    arrays = [None if x is None else checked(name, x, model) for name, x in zip(names, batch, strict=True)]

    @cache
    def data(dtype: Any) -> tuple[list[Any], Any]:
        *inputs, targets = [x if x is None or x.dtype.kind != "f" else x.astype(dtype) for x in arrays]
        return [None if x is None else leaf(x) for x in inputs], targets

    def function() -> Tensor:
        inputs, targets = data(np.finfo(w.dtype).dtype)
        return loss(model(*inputs), targets)

    return function


