"""Whether the steps of a run are compiled: what `fit(…, compile="auto")` means. 训练步是否编译

Compiled steps are equal to the others to rounding, no more. So "auto" asks neither a clock nor what a cache has, nor
how many epochs there will be: two runs with one seed are one run, whose first epochs are those of a longer one, and
which can be resumed to the byte. The replay of the formulas is equal to the bit, and may be chosen by anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.tape import Tape, recording
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.i18n import text
from tinygrad_zh.train.arrays import home
from tinygrad_zh.train.step import Compiled, Step

if TYPE_CHECKING:
    from tinygrad_zh.train.fit import Run

Compile = Literal["auto", "formulas", "numba"] | bool
"""Always or never, by the kernels that tz.compile knows (True: "numba"), or where it pays."""

WAYS = ("auto", "formulas", "numba", True, False)

_PREFERRED: ContextVar[Compile] = ContextVar("tinygrad_zh.compile", default="auto")


@contextmanager
def compiling(way: Compile) -> Iterator[None]:
    """Within the block "auto" means this, for every fit, whoever calls it. 中文：指定训练步的编译方式。"""
    token = _PREFERRED.set(known(way))
    try:
        yield
    finally:
        _PREFERRED.reset(token)


def known(way: Any) -> Compile:
    """Raises ValueError for what is no way."""
    if not any(way is one or (isinstance(way, str) and way == one) for one in WAYS):
        raise ValueError(f'compile is "auto", True, False, "formulas" or "numba", not {way!r}')
    return way


def first_step(run: Run, way: Compile, batches: int, epochs: int) -> Step:
    """The first step of a run; `.next()` is the step after it. batches: in an epoch."""
    parts = run.model, run.loss, run.optimizer
    way = _PREFERRED.get() if way == "auto" else way
    if way is False:
        return _told(run, "off", Step(*parts))
    if way != "auto":
        kernels = "formulas" if way == "formulas" else "numba"
        return _told(run, f"asked_{kernels}", Compiled(*parts, kernels))
    if MODE.get().tape is not None:
        return _told(run, "recorded", Step(*parts))
    if home(run.model) != "cpu":
        return _told(run, "cuda", Step(*parts))
    stranger = _stranger(run)
    if stranger is not None:
        return _told(run, "stranger", Step(*parts), name=stranger)
    if batches * epochs < FEW:
        return _told(run, "short", Step(*parts), steps=batches * epochs)
    return Measured(run, batches, epochs)


def _told(run: Run, why: str, step: Step, **values: Any) -> Step:
    """Note the choice where the user can ask for it."""
    run.history.compiled = text(f"fit.compiled.{why}", **values)
    return step


# ---- code of others: a replay would not do what it does besides computing


def _stranger(run: Run) -> str | None:
    """The first of layers, loss and optimizer that is not this package's; these are known to do nothing but compute."""
    for _, module in run.model.named_modules():
        if not all(map(_ours, (type(module), type(module).forward, type(module).__call__))):
            return type(module).__name__
    if not _ours(run.loss):
        return getattr(run.loss, "__qualname__", type(run.loss).__name__)
    return None if _ours(type(run.optimizer)) else type(run.optimizer).__name__


def _ours(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    return str(getattr(function, "__module__", None)).startswith("tinygrad_zh.")


# ---- does it pay? Seconds, measured on two cores of a server; another machine shifts all of them alike.

FEW = 200
"""Steps below which nothing can pay."""

COMPILED_LINE, COMPILED_NUMBER = 3e-6, 0.6e-9
"""What compiling saves of a step, for each line of its tape, and for each number that a line computes."""

WORTH = 1.0
"""What it must save of an epoch: several epochs pay for the 3 to 10 seconds that it takes once on a machine."""

REPLAYED_LINE = 2.5e-6
"""What the replay of its formulas saves, for each line."""

RECORDING = 0.1
"""What it takes to record a step."""


class Measured(Step):
    """A step as it is written, and how much it computes; then the choice is made."""

    def __init__(self, run: Run, batches: int, epochs: int) -> None:
        super().__init__(run.model, run.loss, run.optimizer)
        self.run, self.batches, self.epochs = run, batches, epochs
        self.tape = Tape()

    def forward(self, x: Tensor, y: Any) -> tuple[Tensor, Tensor]:
        return self._measured(super().forward, x, y)

    def backward(self, value: Tensor) -> None:
        self._measured(super().backward, value)

    def update(self) -> None:
        self._measured(super().update)

    def _measured(self, part: Callable[..., Any], *arguments: Any) -> Any:
        with recording(self.tape):
            return part(*arguments)

    def next(self) -> Step:
        parts = self.run.model, self.run.loss, self.run.optimizer
        lines = len(self.tape)
        numbers = sum(getattr(output, "size", 0) for line in self.tape for output in line.outputs)
        saved = self.batches * (COMPILED_LINE * lines + COMPILED_NUMBER * numbers)
        if saved > WORTH and find_spec("numba") is not None:
            return _told(self.run, "numba", Compiled(*parts, "numba"))
        if self.batches * self.epochs * REPLAYED_LINE * lines > RECORDING:
            return _told(self.run, "formulas", Compiled(*parts, "formulas"))
        return _told(self.run, "short", Step(*parts), steps=self.batches * self.epochs)
