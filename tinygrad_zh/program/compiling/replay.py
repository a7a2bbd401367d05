"""The replay with formulas: the recorded lines as one flat Python function. 用公式重放

    v3 = MatMul_forward(x0, p0)                  the formula itself, or a kernel's body, on plain arrays
    v4 = Add_forward(v3, p1)
    del v3                                       freed after its last use
    …
    A0.grad = t0; P0.array = v27; finished += 1  effects last, all of them: nothing can be raised between two stores

The same functions on the same values in the same order give the same bits as the step itself. What is saved is all that
is around them: modules, checks, tensors, the graph and the walk.
"""

from __future__ import annotations

import itertools
import linecache
import math
import re
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tape import Line
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.device import freeze, is_frozen, stray
from tinygrad_zh.program.compiling.recorded import Changed, Recorded, arrays_of
from tinygrad_zh.program.compiling.shadows import root

Bodies = Mapping[Callable[..., Any], Callable[..., Any]]

_serial = itertools.count()


def replay(recorded: Recorded, bodies: Bodies | None = None) -> Any:
    """program(arrays) → arrays: the recorded step again, on other inputs. bodies: what runs in the place of a formula.

    All or nothing: raises Changed, or what a formula raises, before any leaf has changed. program.finished(): how often
    it has run to its end.
    """
    writer = _Writer(recorded, bodies or {})
    names = writer.namespace
    program: Any = defined("replay", writer.source(), names)
    program.finished = lambda: names["finished"]
    return program


def defined(name: str, source: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    """The function of that name which a text defines. A debugger that stops in it shows the text."""
    file = f"<tz.compile {name} {next(_serial)}>"
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    exec(compile(source, file, "exec"), namespace)
    function: Callable[..., Any] = namespace.pop(name)
    weakref.finalize(function, linecache.cache.pop, file, None)
    return function


class _Writer:
    """Writes the text, and collects what its names stand for."""

    def __init__(self, recorded: Recorded, bodies: Bodies) -> None:
        self.recorded = recorded
        self.bodies = bodies
        self.namespace: dict[str, Any] = {
            "Tensor": Tensor, "Changed": Changed, "ndarray": np.ndarray, "asarray": np.asarray, "freeze": freeze,
            "owned": _owned, "stray": stray, "finished": 0, "default_generator": default_generator,
        }
        self.names: dict[int, str] = {}  # of functions and constants, by id
        self.inputs = {id(root(x)) for x in recorded.inputs}

    def source(self) -> str:
        recorded = self.recorded
        body = [*self._begin(), *self._checks(0)]
        last = self._last_uses()
        for number, line in enumerate(recorded.lines):
            body += self._line(line)
            body += [f"del {', '.join(last[number])}"] if number in last else []
            body += self._reads(number + 1)
        body += [*self._checks(None), *self._end()]
        return "def replay(arrays):\n    global finished\n" + "".join(f"    {line}\n" for line in body)

    # ---- before the lines

    def _begin(self) -> list[str]:
        recorded = self.recorded
        lines = []
        if recorded.inputs:
            lines.append(f"[{', '.join(map(recorded.name, recorded.inputs))}] = arrays")
        for t, array in recorded.leaves:
            name = recorded.name(array)
            lines += [f"{name} = {self._bound(t)}.array", f"if type({name}) is not ndarray: raise Changed"]
        for accumulator, array in recorded.before:
            lines.append(f"{recorded.name(array)} = {self._bound(accumulator)}.grad.array")
        if any(x is default_generator() for line in recorded.lines for x in line.keywords.values()
               if isinstance(x, np.random.Generator)):
            lines.append("generator = default_generator()")
        return lines + self._reads(0)

    def _checks(self, number: int | None) -> list[str]:
        """The bounds of labels and tokens: of those that come from outside before the first line (number 0)."""
        return [f"if stray({name}, {self._told(b.least)}, {self._told(b.most)}) is not None: raise Changed"
                for b in self.recorded.bounds for name in [self.recorded.name(b.array)]
                if (name[0] == "v") == (number is None)]

    def _reads(self, number: int) -> list[str]:
        """What Python looked at after so many lines has to be what it was."""
        return [f"if {self.recorded.name(r.array)}.tobytes() != {self._bound(r.array.tobytes())}: raise Changed"
                for r in self.recorded.reads if r.after == number]

    # ---- the lines

    def _line(self, line: Line) -> list[str]:
        if not self._computes(line):
            return []
        arguments = [self._told(x) for x in line.arguments]
        if line.kind in ("accumulate", "gradient"):
            call = " + ".join(arguments)
        else:
            arguments += [f"{name}={self._told(x)}" for name, x in line.keywords.items()]
            call = f"{self._function(line)}({', '.join(arguments)})"
        names = [self._target(x) for x in line.outputs]
        numbers = [name for name, x in zip(names, line.outputs, strict=True) if x is not None and x.ndim == 0]
        several = not line.info["op"].single if line.kind == "forward" else _joint(line)
        if not several and numbers:  # of a 0-d array NumPy makes a number
            return [f"{names[0]} = asarray({call})"]
        left = f"[{', '.join(names)}]" if several else names[0]
        return [f"{left} = {call}", *[f"{name} = asarray({name})" for name in numbers]]

    def _computes(self, line: Line) -> bool:
        """Whether a line gives anything but its own arguments, as the backward of a sum does."""
        given = {id(x) for x in arrays_of(line.arguments)}
        return not all(x is None or id(x) in given for x in line.outputs)

    def _target(self, array: Any) -> str:
        return "_" if array is None else self.recorded.name(array)

    def _function(self, line: Line) -> str:
        function = self.bodies.get(line.function, line.function)
        return self._bound(function, re.sub(r"\W", "", "_".join(line.function.__qualname__.split(".")[-2:])))

    def _told(self, x: Any) -> str:
        """An argument as it is written."""
        if isinstance(x, tuple) or (isinstance(x, list) and any(True for _ in arrays_of(x))):
            return f"({''.join(self._told(part) + ', ' for part in x)})"
        if id(x) in self.recorded.names and not (self.recorded.name(x)[0] == "c"):
            return self.recorded.name(x)
        if isinstance(x, np.random.Generator) and x is default_generator():
            return "generator"
        if x is None or type(x) in (bool, int, str) or (type(x) is float and math.isfinite(x)):
            return repr(x)
        return self._bound(x)

    def _bound(self, x: Any, name: str = "k") -> str:
        """The name under which the text finds an object."""
        if id(x) not in self.names:
            taken = itertools.chain([name] if name != "k" else [], (f"{name}{i}" for i in itertools.count()))
            self.names[id(x)] = next(n for n in taken if n not in self.namespace)
            self.namespace[self.names[id(x)]] = x
        return self.names[id(x)]

    def _last_uses(self) -> dict[int, list[str]]:
        """What can be forgotten after each line: results that neither a later line, nor a check, nor anybody needs."""
        recorded = self.recorded
        last: dict[str, int] = {}
        for number, line in enumerate(recorded.lines):
            if not self._computes(line):
                continue
            for array in arrays_of([*line.outputs, *line.arguments, *line.keywords.values()]):
                last[recorded.name(array)] = number
        kept = [*recorded.outputs, *[r.array for r in recorded.reads], *[b.array for b in recorded.bounds],
                *[a for _, a in recorded.assigned], *[a for _, a in recorded.gradients if a is not None]]
        for array in kept:
            last.pop(recorded.name(array), None)
        forgotten: dict[int, list[str]] = {}
        for name, number in last.items():
            if name[0] == "v":
                forgotten.setdefault(number, []).append(name)
        return forgotten

    # ---- after the lines

    def _end(self) -> list[str]:
        recorded = self.recorded
        escaping = {recorded.name(array): array for array in [
            *recorded.outputs, *[a for _, a in recorded.assigned],
            *[a for _, a in recorded.gradients if a is not None]]}
        lines = [f"{name} = {'owned' if id(root(array)) in self.inputs else 'freeze'}({name})"
                 for name, array in escaping.items() if name[0] in "vx"]
        stores = []
        for i, (accumulator, array) in enumerate(recorded.gradients):
            if array is not None:
                lines.append(f"t{i} = Tensor({self._escaping(array)})")
            stores.append(f"{self._bound(accumulator)}.grad = {'None' if array is None else f't{i}'}")
        stores += [f"{self._bound(t)}.array = {self._escaping(array)}" for t, array in recorded.assigned]
        return [*lines, *stores, "finished += 1", f"return [{', '.join(map(self._escaping, recorded.outputs))}]"]

    def _escaping(self, array: Any) -> str:
        name = self.recorded.name(array)
        return self._bound(array) if name[0] == "c" else name


def _joint(line: Line) -> bool:
    """Whether a backward gives a tuple, a partial for each input."""
    return line.kind == "backward" and (len(line.outputs) > 1 or line.info["op"].variadic)


def _owned(array: Any) -> Any:
    """What is kept of an input, which is the caller's: a copy, unless nobody can write to it."""
    return array if is_frozen(array) else freeze(array.copy())
