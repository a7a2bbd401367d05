"""What a program was made for, besides shapes: what the step finds in its variables, modules and gradients. 守卫

A replay does not run Python. So whatever Python would look up, and find to be another than in the recording, has to be
noticed before: a layer in eval(), another dropout rate, a parameter that was replaced, a gradient that is there now.
Each of these is a comparison of two references, and they are written out in one line after the other.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer, Schedule
from tinygrad_zh.program.compiling.recorded import Recorded

_PLAIN = (bool, int, float, str, type(None))
_OPENED = (Module, Optimizer, Schedule)
_LONG = 1000


class Place(NamedTuple):
    """Where Python finds something: holder and path make the expression, `name` is what the user's program calls it."""

    holder: Any
    path: str
    value: Any
    name: str

    def now(self) -> Any:
        """What is found there now; the place itself if it is gone."""
        try:
            return eval(f"holder{self.path}", {"holder": self.holder})
        except (AttributeError, LookupError, ValueError):
            return self

    def same(self) -> bool:
        """Whether it still is what it was."""
        return same(self.now(), self.value)


def same(now: Any, then: Any) -> bool:
    """One object, or two equal plain values of one type."""
    return now is then or (type(now) is type(then) and isinstance(then, _PLAIN) and now == then)


def places(step: Callable[..., Any], modules: Iterable[Any] = (), recorded: Recorded | None = None) -> list[Place]:
    """Everything that the step finds through its variables, and in the modules that ran; with a recording also that
    leaves keep their accumulators, and where there was no gradient, for it may have been taken away again."""
    walk = _Walk(getattr(_function(step), "__module__", None))
    found = [*walk.of_callable(step)]
    for module in modules:
        found += walk.inside(module, type(module).__name__)
    if recorded is None:
        return found
    found += [Place(t, ".source", t.source, "requires_grad") for t, _ in recorded.leaves]
    met = [t for t, _ in recorded.leaves] + [p.value for p in found if isinstance(p.value, Tensor)] + walk.parameters
    accumulators = {id(t.source): t.source for t in met} | {id(a): a for a, _ in recorded.gradients}
    gradients = [a for a in accumulators.values() if isinstance(a, Accumulator)]
    found += [Place(a, ".grad", None, ".grad") for a in gradients if id(a) in recorded.none]
    found += [Place(a, ".grad is None", False, ".grad") for a, _ in recorded.before]
    return list({(id(p.holder), p.path): p for p in found}.values())


def _function(step: Any) -> Any:
    while not isinstance(step, types.FunctionType):
        inner = getattr(step, "__func__", None) or getattr(step, "func", None) or getattr(step, "__wrapped__", None)
        if inner is None:
            return type(step).__call__ if isinstance(type(step).__call__, types.FunctionType) else step
        step = inner
    return step


class _Walk:
    """Goes from variable to attribute to element, to each object once. Of the engine it opens layers, optimizers and
    schedules, else what was written in the same package as the step."""

    def __init__(self, module: str | None) -> None:
        self.package = (module or "").partition(".")[0]
        self.seen: set[int] = set()
        self.parameters: list[Tensor] = []  # of optimizers

    def of_callable(self, step: Any) -> Iterator[Place]:
        """The variables of a function, those of its class if it is a method, and its arguments if it is partial."""
        for name in ("__self__", "args", "keywords"):
            inner = getattr(step, name, None)
            if inner is not None and not isinstance(inner, types.ModuleType):
                yield from self.inside(inner, name)
        if not isinstance(step, types.FunctionType) and hasattr(step, "__dict__"):
            yield from self.inside(step, type(step).__name__)
        function = _function(step)
        if isinstance(function, types.FunctionType):
            yield from self._variables(function)

    def _variables(self, function: types.FunctionType) -> Iterator[Place]:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            yield from self._at(cell, ".cell_contents", value, name)
        for name in _names(function.__code__):
            if name in function.__globals__:
                yield from self._at(function.__globals__, f"[{name!r}]", function.__globals__[name], name)

    def _at(self, holder: Any, path: str, value: Any, name: str) -> Iterator[Place]:
        if isinstance(value, types.FunctionType):
            if self._own(value):
                yield Place(holder, path, value, name)
                if id(value) not in self.seen:
                    self.seen.add(id(value))
                    yield from self._variables(value)
        elif isinstance(value, (*_PLAIN, *_OPENED, Tensor, np.ndarray, np.random.Generator)):
            yield Place(holder, path, value, name)
            yield from self.inside(value, name)
        elif isinstance(value, (list, tuple, dict)) or self._own(type(value)):
            yield from self.inside(value, name)
        elif hasattr(value, "__wrapped__"):  # a step that is compiled itself
            yield from self.of_callable(value)

    def inside(self, value: Any, name: str) -> Iterator[Place]:
        """What an object holds."""
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        if isinstance(value, (list, tuple)):
            for i, part in enumerate(value[:_LONG]):
                if not isinstance(part, _PLAIN):  # a list that grows, of losses, is none of the step's inputs
                    yield from self._at(value, f"[{i}]", part, f"{name}[{i}]")
        elif isinstance(value, dict):
            for key, part in list(value.items())[:_LONG]:
                if isinstance(key, (str, int)) and not isinstance(part, _PLAIN):
                    yield from self._at(value, f"[{key!r}]", part, f"{name}[{key!r}]")
        elif isinstance(value, Module):
            yield Place(value, ".training", value.training, f"{name}.training")
            yield from self._attributes(value, name)
        elif isinstance(value, Optimizer):
            self.parameters += value.parameters
            yield from (place for place in self._attributes(value, name) if isinstance(place.value, _PLAIN))
        elif isinstance(value, Schedule) or (hasattr(value, "__dict__") and self._own(type(value))):
            yield from self._attributes(value, name)

    def _own(self, made: Any) -> bool:
        """Whether a function or class was written in the step's package."""
        return (getattr(made, "__module__", None) or "").partition(".")[0] == self.package

    def _attributes(self, owner: Any, name: str) -> Iterator[Place]:
        for attribute, value in vars(owner).items():
            if not attribute.startswith("_") and attribute.isidentifier() and attribute != "training":
                yield from self._at(owner, f".{attribute}", value, f"{name}.{attribute}")


def _names(code: types.CodeType) -> list[str]:
    """The global names that a function looks up, those of functions within it too."""
    names = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _names(constant)
    return list(dict.fromkeys(names))
