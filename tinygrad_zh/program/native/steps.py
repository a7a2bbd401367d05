"""A recorded tape as steps: formulas written out for the compiler, and calls that stay Python's.

    forward MatMul.forward(x0, w0) → v1       v1 = x0 @ w0                    a formula
    forward Transpose.forward(v1) → v2        v2 = v1.transpose((1, 0))       a view: costs nothing, wherever it is read
    forward Attention.forward(v5, …) → v8     a body written by hand, faster than what a compiler makes of the formula
    forward Dropout.forward(v9, rng=…) → v10  a call: a generator draws anew each time

What nothing reads in the end is left out. 从磁带到步骤
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_zh.core.mode import MODE, using
from tinygrad_zh.core.tape import Line
from tinygrad_zh.core.walk import cast, keep, sum_to
from tinygrad_zh.kernels import use_kernels
from tinygrad_zh.program.compiling.recorded import Recorded, arrays_of
from tinygrad_zh.program.inlining import Inlined, inlined

WHOLE = ("Attention", "MaskedAttention", "BlockedAttention", "BlockedMaskedAttention", "Conv2d", "MaxPool2d",
         "AvgPool2d", "Embedding", "ScatterAdd", "Dropout")
"""Ops whose bodies written by hand are always faster than their formulas, compiled."""

LARGE = ("LayerNorm", "Softmax", "LogSoftmax", "CrossEntropy")
"""Ops whose bodies are faster where there are so many numbers that a call from Python counts for little."""

MANY = 1 << 14


@dataclass
class Step:
    """One line of the tape. reads: names of the arrays that it is given; results: the names of what it gives, None for
    what nobody reads. statements: its formula, for the compiler. run: what Python calls otherwise; a view has both.
    reason: why Python calls it, a key of the catalog. single: it gives an array and no tuple."""

    line: Line
    reads: tuple[str, ...]
    results: tuple[str | None, ...]
    single: bool
    statements: list[ast.Assign] = field(default_factory=list)
    run: Callable[..., Any] | None = None
    reason: str = ""

    @property
    def writes(self) -> tuple[str, ...]:
        return tuple(name for name in self.results if name is not None)

    @property
    def is_view(self) -> bool:
        return self.run is not None and bool(self.statements)


class Steps(list[Step]):
    """The steps of a recorded program. values: what each name was, as the program has it (what the compiler stores has
    no gaps); same: names for what another name stands for; helpers: functions that statements call."""

    def __init__(self, recorded: Recorded, lowerable: Callable[[list[ast.Assign], Mapping[str, Any]], bool]) -> None:
        super().__init__()
        self.recorded = recorded
        self.lowerable = lowerable
        self.same: dict[str, str] = {}
        self.helpers: dict[str, Any] = {}
        self.values: dict[str, Any] = {recorded.name(a): np.require(a, requirements="C") for a in given(recorded)}
        self.targets = {recorded.name(array) for array in effects(recorded)}
        self._drawn = itertools.count()
        with use_kernels("numba"):
            self.kernels: Mapping[Any, Any] = MODE.get().kernels or {}
        for line in self._needed():
            self._take(line)

    def name(self, array: Any) -> str:
        """What the program calls an array of the recorded run."""
        name = self.recorded.name(array)
        return self.same.get(name, name)

    def _fresh(self, name: str) -> str:
        return f"{name}_{next(self._drawn)}"

    def _needed(self) -> list[Line]:
        """The lines that something in the end depends on, in order."""
        self._read = {id(array) for array in effects(self.recorded)}
        kept = []
        for line in reversed(self.recorded.lines):
            if line.function is not keep and any(id(o) in self._read for o in line.outputs):
                kept.append(line)
                self._read |= {id(a) for a in arrays_of((*line.arguments, *line.keywords.values()))}
        return kept[::-1]

    # ---- one line

    def _take(self, line: Line) -> None:
        reads = tuple(dict.fromkeys(map(self.name, arrays_of((*line.arguments, *line.keywords.values())))))
        if line.function is sum_to and self.values[reads[0]].shape == line.arguments[1]:  # the body did it already
            self.same[self.recorded.name(line.outputs[0])] = reads[0]
            return
        results: list[str | None] = []
        for output in line.outputs:
            name = None if output is None or id(output) not in self._read else self.name(output)
            results.append(None if name in self.values or name in results else name)
        if not any(results):  # it hands on what it was given
            return
        self.values |= {self.name(o): o for o, name in zip(line.outputs, results, strict=True) if name is not None}
        step = Step(line, reads, tuple(results), len(results) == 1)
        step.reason = "compile.called.by_hand" if _by_hand(line) else self._written_out(step)
        if step.reason:
            self._called(step)
        elif self._looks_at_its_argument(step):
            step.run = line.function
            self.values[step.writes[0]] = line.function(self.values[reads[0]], *line.arguments[1:], **line.keywords)
        else:
            for name in step.writes:
                self.values[name] = np.require(self.values[name], requirements="C")
        self.append(step)

    def _written_out(self, step: Step) -> str:
        """Give a step its statements; why it has none, as a key of the catalog."""
        if generators(step.line):
            return "compile.called.draws"
        try:
            statements, helpers = self._statements(step.line, step.results)
        except (ValueError, OSError, TypeError):  # no straight-line formula, or no source
            return "compile.called.unknown"
        if not self.lowerable(statements, {**self.values, **helpers}):
            return "compile.called.unknown"
        step.statements = statements
        self.helpers |= helpers
        return ""

    def _statements(self, line: Line, results: Sequence[str | None]) -> Inlined:
        function = line.function
        if function is sum_to:
            name = self.name(line.arguments[0])
            return Inlined([_assigned(results, _sum(name, self.values[name].shape, line.arguments[1]))], {})
        if function is cast:
            text = f"{self.name(line.arguments[0])}.astype({_dtype(np.dtype(line.arguments[1]))})"
            return Inlined([_assigned(results, text)], {})
        if not isinstance(function, FunctionType):  # np.ones_like, the seed
            return Inlined([_assigned(results, f"np.{function.__name__}({self.name(line.arguments[0])})")], {})
        arguments = [self._tree(a) for a in line.arguments]
        keywords = {name: self._tree(value) for name, value in line.keywords.items()}
        sums = self._sums_of_body(line, results)
        targets = [name and f"{name}_whole" if name in sums else name for name in results]
        found = inlined(function, arguments, keywords, targets, self._fresh)
        return Inlined([*found.statements, *sums.values()], found.helpers)

    def _sums_of_body(self, line: Line, results: Sequence[str | None]) -> dict[str, ast.Assign]:
        """In a run with kernels: the sums over what was broadcast that a body has done, and its formula has not."""
        if line.kind != "backward" or line.function not in self.kernels:
            return {}
        with np.errstate(all="ignore"), using(grad=False, tape=None, kernels=None):
            given = line.function(*map(self.replaced, line.arguments), **line.keywords)
        given = given if type(given) is tuple else (given,)
        return {name: _assigned([name], _sum(f"{name}_whole", whole.shape, self.values[name].shape))
                for name, whole in zip(results, given, strict=True)
                if name is not None and whole.shape != self.values[name].shape}

    def _tree(self, x: Any) -> ast.expr:
        """An argument as an expression."""
        if isinstance(x, np.ndarray):
            return ast.Name(self.name(x), ast.Load())
        if isinstance(x, (tuple, list)):
            return ast.Tuple([self._tree(part) for part in x], ast.Load())
        if isinstance(x, slice):
            return ast.Slice(*[None if part is None else ast.Constant(part) for part in (x.start, x.stop, x.step)])
        if isinstance(x, np.dtype):
            return ast.parse(_dtype(x), mode="eval").body
        if x is None or x is Ellipsis or isinstance(x, (bool, int, float, str)):
            return ast.Constant(x)
        raise ValueError(f"a {type(x).__name__} is nothing that the compiler knows")

    def _looks_at_its_argument(self, step: Step) -> bool:
        """Whether a step gives a view of what it is given, which whoever reads it may as well take from there."""
        outputs, arguments = step.line.outputs, step.line.arguments
        return (len(outputs) == 1 and len(step.reads) == 1 and step.writes[0] not in self.targets
                and isinstance(arguments[0], np.ndarray) and owner(outputs[0]) is owner(arguments[0]))

    def _called(self, step: Step) -> None:
        """A step that Python runs. It runs once here: what a body gives may lie in memory otherwise than what the
        formula gave, or have its broadcasting undone already."""
        line = step.line
        step.run = self.kernels.get(line.function, line.function)
        states = [(g, g.bit_generator.state) for g in generators(line)]
        try:
            with np.errstate(all="ignore"), using(grad=False, tape=None, kernels=self.kernels):
                results = step.run(*map(self.replaced, line.arguments), **line.keywords)
        finally:
            for generator, state in states:
                generator.bit_generator.state = state
        step.single = type(results) is not tuple
        for name, value in zip(step.results, (results,) if step.single else results, strict=True):
            if name is not None:
                self.values[name] = np.asarray(value)

    def replaced(self, x: Any) -> Any:
        """An argument with the program's values in place of the recorded ones."""
        if isinstance(x, np.ndarray):
            return self.values[self.name(x)]
        return type(x)(map(self.replaced, x)) if type(x) in (tuple, list) else x


def _sum(name: str, size: tuple[int, ...], shape: tuple[int, ...]) -> str:
    """What sum_to does to an array of this size: it chooses by shapes, which are known here."""
    lead = len(size) - len(shape)
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and size[i + lead] != 1)
    over = f".sum(axis={tuple(range(lead))})" if lead else ""
    return name + over + (f".sum(axis={stretched}, keepdims=True)" if stretched else "")


def _assigned(targets: Sequence[str | None], text: str) -> ast.Assign:
    statement = ast.parse(f"{targets[0]} = {text}").body[0]
    assert isinstance(statement, ast.Assign)
    return statement


def _dtype(dtype: np.dtype[Any]) -> str:
    return "np.bool_" if dtype == np.bool_ else f"np.{dtype.name}"


def generators(line: Line) -> list[np.random.Generator]:
    """Those that a line draws from."""
    return [x for x in line.keywords.values() if isinstance(x, np.random.Generator)]


def given(recorded: Recorded) -> list[Any]:
    """The arrays that a program begins with."""
    return [*recorded.inputs, *(a for _, a in (*recorded.leaves, *recorded.before)),
            *(c.value for c in recorded.constants if isinstance(c.value, np.ndarray))]


def _by_hand(line: Line) -> bool:
    """Whether a body written by hand is to be taken."""
    op = line.info.get("op")
    if line.kind not in ("forward", "backward") or op is None:
        return False
    return op.__name__ in WHOLE or (op.__name__ in LARGE and max(a.size for a in arrays_of(line.arguments)) >= MANY)


def effects(recorded: Recorded) -> list[Any]:
    """The arrays that a program hands out, keeps, or looks at."""
    return [*recorded.outputs, *(read.array for read in recorded.reads),
            *(a for _, a in (*recorded.assigned, *recorded.gradients) if a is not None)]


def owner(array: Any) -> Any:
    """The array whose memory this one looks at."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array
