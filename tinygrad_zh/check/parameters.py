"""The gradients of a model's parameters, where they stand, against differences of its loss. 检验模型参数"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_zh.check.blame import Layers, ops_to_blame
from tinygrad_zh.check.checking import check
from tinygrad_zh.check.problem import TensorProblem
from tinygrad_zh.check.repeatable import Repeatable
from tinygrad_zh.check.report import Failure, Report
from tinygrad_zh.core import Tensor
from tinygrad_zh.core.mode import using

LARGEST_STEP = 2.0**-9  # a larger one would carry some of a layer's many units across their kinks


def check_parameters(loss: Callable[[], Tensor], parameters: Mapping[str, Tensor], *, samples: int = 40, seed: int = 0,
                     rtol: float = 1e-7) -> Report:
    """∂L/∂w of a model's parameters against differences of L. 中文：检验模型参数的梯度。

    loss: computes the loss of one batch, a tensor of one element, with these parameters. parameters: name ↦ leaf, as
    `dict(model.named_parameters())`. Of each, `samples` elements are moved (half of them where the gradient is
    largest), and all at once along random directions. `check_model` is the same for a module and a batch.

    While it runs the parameters hold float64 values, so that differences mean something; float32 gradients are then
    compared with these. Afterwards, even after an exception, every parameter is as it was, to the bit, with its
    `.grad`; what the loss assigns (running statistics) and draws (dropout) is undone after each evaluation. Where a
    gradient is wrong each op of the pass is checked on its own, and the report names the one to blame.

    Raises TypeError for what is no floating leaf and for a loss that is not one number.

    >>> import tinygrad_zh as tz
    >>> from tinygrad_zh.check import check_parameters
    >>> w = tz.tensor([1.0, -2.0], requires_grad=True)
    >>> bool(check_parameters(lambda: (w * w).sum(), {"w": w}))
    True
    """
    if not parameters:
        raise TypeError("check_parameters needs at least one parameter: dict(model.named_parameters())")
    for name, w in parameters.items():
        if not (isinstance(w, Tensor) and w.is_leaf and w.dtype.kind == "f"):
            kind = f"{w.dtype} tensor" if isinstance(w, Tensor) else type(w).__name__
            raise TypeError(f"check_parameters: {name} is a {kind}; a parameter is a floating leaf tensor")
    return check_leaves("loss", loss, parameters, {}, samples, seed, rtol)


def check_leaves(title: str, loss: Callable[[], Tensor], leaves: Mapping[str, Tensor], layers: Layers,
                 samples: int | Sequence[int], seed: int, rtol: float) -> Report:
    """The report on ∂L/∂leaf, with what is odd and, if a gradient is wrong, the op to blame.

    samples: elements to move of each leaf, one limit for all or one a leaf. layers: what the modules are called.
    """
    unique: dict[int, tuple[str, Tensor]] = {}
    for name, w in leaves.items():
        unique.setdefault(id(w), (name, w))
    names, tensors = zip(*unique.values(), strict=True)
    with using(tape=None), np.errstate(all="ignore"):
        problem = TensorProblem(substituted(single(loss), tensors), [w.array for w in tensors], title, names)
        report = check(problem, upstream=1.0, seed=seed, rtol=rtol, max_elements=samples, largest_step=LARGEST_STEP)
        report = replace(report, warnings=tuple(unused(report, names)))
        if report:
            return report
        wrong = {failure.name for failure in report.failures} - {""}
        precise = all(failure.check != "precision" for failure in report.failures)
        dtype = np.dtype(np.float64) if precise else tensors[0].dtype
        return replace(report, failures=(*ops_to_blame(problem, wrong, layers, seed, dtype), *report.failures))


def unused(report: Report, names: Sequence[str]) -> Iterator[Failure]:
    """The parameters whose gradient is 0, rightly: nothing is wrong, and yet they do not learn."""
    for name in names:
        rows = [row for row in report.comparisons if row.name == name]
        if rows and all(row.passed and row.analytic == 0 for row in rows):
            yield Failure("unused", name, "unused")


def single(loss: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The loss, repeatable, as a 0-d tensor."""
    repeatable = Repeatable(loss)

    def function() -> Tensor:
        value = repeatable()
        if not isinstance(value, Tensor) or value.size != 1:
            shape = f"of shape {value.shape}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"gradients are checked of a loss, a tensor of one element, not {shape}")
        return value.reshape(())

    return function


def substituted(loss: Callable[[], Tensor], tensors: tuple[Tensor, ...]) -> Callable[..., Any]:
    """The loss as a function of its parameters: each lends its place to a stand-in while the loss is computed."""

    def function(*standins: Tensor) -> Tensor:
        before = [(w, w.array, w.source) for w in tensors]
        try:
            for w, standin in zip(tensors, standins, strict=True):
                w.array, w.source = standin.array, standin.source
            return loss()
        finally:
            for w, array, source in before:
                w.array, w.source = array, source

    return function
