"""What the step's Python can find: from the names in its code to variables, attributes and elements. 步骤读到的一切

    step ── code ──▶ names ──▶ globals, closures, defaults ──▶ attributes that some code names, elements ──▶ …
             ▲                                                        │
             └───────────── functions and methods among them ◀────────┘

Too little would be a replay on old facts, too much a step that never settles: an attribute that no code names, as a
list of losses kept beside a model, is left alone. What is read from files, clocks and the environment is not found.
"""

from __future__ import annotations

import dis
import os
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache, lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh.core import dtype
from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tape import ENGINE
from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.device import is_frozen
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer, Schedule
from tinygrad_zh.program.compiling.guards import PLAIN, Place
from tinygrad_zh.program.compiling.recorded import Recorded, Unsupported

_LONG = 1000
"""Elements of a list or dict that are opened; of more only their number is noticed."""
_SHORT = 16
"""Plain elements that are looked at one by one; of more, all at once."""
_LARGE = 2**20
"""Bytes of an array that are compared before each replay."""
_ASKS = {"getattr", "vars", "__dict__", "attrgetter", "eval", "exec", "globals", "locals"}
"""Code that names these may read any attribute."""
_CALLED = (types.FunctionType, staticmethod, classmethod, property)
_KEPT = {"_lr", "_rates", "state", "groups", "parameters"}
"""Attributes of an optimizer whose values are leaves, read anew in each replay."""
_DISTRIBUTED = (str(Path(os.__file__).parent), "site-packages", "dist-packages")


def places(step: Callable[..., Any], objects: Iterable[Any] = (), recorded: Recorded | None = None) -> list[Place]:
    """Everything that the step finds through its variables, and in these objects; with a recording also that leaves
    keep their accumulators and have no hooks, and where there was no gradient, for it may have been taken away again.

    Raises Unsupported, with a recording, for what is too much to look at.
    """
    walk, found = _walked(step, list(objects))
    if recorded is None:
        return found
    if walk.large:
        raise Unsupported("compile.why.large", name=walk.large[0])
    found += [Place(t, ".source", t.source, "requires_grad") for t, _ in recorded.leaves]
    met = [t for t, _ in recorded.leaves] + [p.value for p in found if isinstance(p.value, Tensor)] + walk.parameters
    accumulators = {id(t.source): t.source for t in met} | {id(a): a for a, _ in recorded.gradients}
    gradients = [a for a in accumulators.values() if isinstance(a, Accumulator)]
    found += [Place(a, ".grad", None, ".grad") for a in gradients if id(a) in recorded.none]
    found += [Place(a, ".grad is None", False, ".grad") for a, _ in recorded.before]
    found += [Place(a, ".hooks or None", None, "register_hook") for a, _ in recorded.gradients]
    found.append(Place(dtype, "._default", dtype.get_default_dtype(), "set_default_dtype"))
    return list({(id(p.holder), p.before, p.path): p for p in found}.values())


def _walked(step: Callable[..., Any], objects: list[Any]) -> tuple[_Walk, list[Place]]:
    """The places, and the walk that found them: repeated until the code on the way names nothing new."""
    names: frozenset[str] = frozenset()
    while True:
        walk = _Walk(step, names)
        found = [place for x in (step, *objects) for place in walk.open(x, getattr(x, "__name__", type(x).__name__))]
        if walk.named <= names:
            return walk, found
        names |= walk.named


class _Walk:
    """Goes to each object once. `names`: what some code names; `named`: what the code on this walk did."""

    def __init__(self, step: Any, names: frozenset[str]) -> None:
        self.step, self.package, self.names = step, _package(step), names
        self.named: set[str] = set()
        self.everything = not names.isdisjoint(_ASKS)
        self.seen: dict[int, Any] = {}
        self.classes: set[tuple[type[Any], bool]] = set()
        self.parameters: list[Tensor] = []  # of optimizers
        self.large: list[str] = []  # names of arrays

    def at(self, holder: Any, path: str, value: Any, name: str) -> Iterator[Place]:
        """A variable, an attribute or an element, and what is in it."""
        if not isinstance(value, types.ModuleType):
            yield Place(holder, path, value, name)
        yield from self.open(value, name)

    def open(self, value: Any, name: str) -> Iterator[Place]:
        """What an object holds."""
        if isinstance(value, (*PLAIN, Tensor)) or id(value) in self.seen:
            return
        self.seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            yield from self._function(value)
        elif isinstance(value, types.MethodType):
            yield from self.open(value.__self__, name.removesuffix(f".{value.__name__}"))
            yield from self.open(value.__func__, name)
        elif isinstance(value, (staticmethod, classmethod)):
            yield from self.open(value.__func__, name)
        elif isinstance(value, property):
            yield from self.open(value.fget, name)
        elif isinstance(value, partial):
            for part in (value.func, value.args, value.keywords):
                yield from self.open(part, name)
        elif isinstance(value, types.ModuleType):
            yield from self._module(value, name)
        elif isinstance(value, type):  # the code may make one
            yield from self._class(value, made_anew=True)
        elif isinstance(value, (list, tuple, deque)):
            yield from self._sequence(value, name)
        elif isinstance(value, dict):
            yield from self._dict(value, name)
        elif isinstance(value, set):
            yield Place(value, ")", set(value), name, "set(")
        elif isinstance(value, np.ndarray):
            yield from self._array(value, name)
        else:
            yield from self._object(value, name)

    # ---- code

    def _function(self, function: types.FunctionType) -> Iterator[Place]:
        if function is not self.step and not self._users(function.__code__.co_filename, function.__module__):
            return
        code = function.__code__
        yield Place(function, ".__code__", code, function.__name__)
        self.named |= _named(code)
        for attribute in ("__defaults__", "__kwdefaults__"):
            if getattr(function, attribute):
                yield from self.at(function, f".{attribute}", getattr(function, attribute), function.__name__)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # not bound yet
                continue
            yield from self.at(cell, ".cell_contents", value, name)
        for name in _globals(code):
            if name in function.__globals__:
                yield from self.at(function.__globals__, f"[{name!r}]", function.__globals__[name], name)

    def _class(self, made: type[Any], *, made_anew: bool = False) -> Iterator[Place]:
        """The methods and values that are named; Python itself calls those of two underscores."""
        for base in made.__mro__:
            if (base, made_anew) in self.classes or not self._users(_file(base.__module__), base.__module__):
                continue
            self.classes.add((base, made_anew))
            namespace = vars(base)
            for name, value in namespace.items():
                special = name.startswith("__")
                if isinstance(value, _CALLED):
                    called = made_anew or name not in ("__init__", "__new__")
                    wanted = called if special or issubclass(made, Op) else self._is_named(name, made)
                else:
                    wanted = not special and self._is_named(name, made)
                if wanted and not isinstance(value, types.MemberDescriptorType):
                    yield from self.at(namespace, f"[{name!r}]", value, f"{made.__name__}.{name}")

    def _module(self, module: types.ModuleType, name: str) -> Iterator[Place]:
        if self._users(_file(module.__name__), module.__name__):
            for attribute in sorted(self.names & vars(module).keys()):
                yield from self.at(vars(module), f"[{attribute!r}]", vars(module)[attribute], f"{name}.{attribute}")

    def _users(self, file: str, module: str | None) -> bool:
        """Whether code is the user's: neither the engine's nor a library's, but for the library of the step itself."""
        if not file or file.startswith((*ENGINE, "<frozen")):
            return False
        mine = (module or "").partition(".")[0] == self.package
        return mine or not (file.startswith(str(Path(ENGINE[0]).parent)) or
                            any(part in file for part in _DISTRIBUTED))

    def _is_named(self, attribute: str, made: type[Any]) -> bool:
        return self.everything or attribute in self.names or (
            issubclass(made, (Module, Optimizer, Schedule)) and attribute in _named_by_engine(made))

    # ---- data

    def _sequence(self, values: Any, name: str) -> Iterator[Place]:
        if len(values) > _SHORT and all([isinstance(x, PLAIN) for x in values]):
            yield Place(values, ")", list(values), name, "list(")
            return
        if not isinstance(values, tuple):
            yield Place(values, ")", len(values), name, "len(")
        for i, part in enumerate(islice(values, _LONG)):
            if not (isinstance(values, tuple) and isinstance(part, PLAIN)):
                yield from self.at(values, f"[{i}]", part, f"{name}[{i}]")

    def _dict(self, values: dict[Any, Any], name: str) -> Iterator[Place]:
        yield Place(values, ")", list(values), name, "list(")
        for key, part in islice(values.items(), _LONG):
            if isinstance(key, (bool, int, str, bytes, type(None))):
                yield from self.at(values, f"[{key!r}]", part, f"{name}[{key!r}]")
            else:  # a key that has no text
                yield Place(values, f".values())[{list(values).index(key)}]", part, name, "list(")
                yield from self.open(part, name)

    def _array(self, array: Any, name: str) -> Iterator[Place]:
        """What is written into it is noticed by its bytes; nobody may write into a frozen one."""
        if array.nbytes > _LARGE and not is_frozen(array):
            self.large.append(name)
        elif not is_frozen(array):
            yield Place(array, ".tobytes()", array.tobytes(), name)

    def _object(self, value: Any, name: str) -> Iterator[Place]:
        made = type(value)
        variables = getattr(value, "__dict__", None)
        if isinstance(variables, dict) and "__wrapped__" in variables:  # it remembers results, or is a compiled step
            yield from self.open(variables["__wrapped__"], name)
            return
        if isinstance(value, Optimizer):
            self.parameters += value.parameters
            yield Place(value, ".parameters)", len(value.parameters), f"{name}.parameters", "len(")
        if isinstance(value, Module):
            yield Place(value, ".training", value.training, f"{name}.training")
        if isinstance(variables, dict) and (
                isinstance(value, Module) or self._users(_file(made.__module__), made.__module__)):
            yield Place(value, ".__dict__)", len(variables), name, "len(")
        for attribute, part in _attributes(value):
            if isinstance(value, Optimizer) and attribute in _KEPT:
                continue
            if self._is_named(attribute, made) or (isinstance(value, Module) and _part_of_a_model(part)):
                yield from self.at(value, f".{attribute}", part, f"{name}.{attribute}")
        yield from self._class(made)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    """An object's variables and slots."""
    variables = getattr(value, "__dict__", None)
    found = dict(variables) if isinstance(variables, dict) else {}
    for base in type(value).__mro__:
        for name, member in vars(base).items():
            if isinstance(member, types.MemberDescriptorType) and name.isidentifier() and hasattr(value, name):
                found.setdefault(name, getattr(value, name))
    return ((name, part) for name, part in found.items() if name.isidentifier() and name != "training")


def _part_of_a_model(value: Any) -> bool:
    """Whether the engine finds it in a module without naming it: parameters, state and parts."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
    return any(isinstance(part, (Tensor, Module)) for part in islice(parts, _LONG))


# ---- what code names


@lru_cache(1000)
def _named(code: types.CodeType) -> frozenset[str]:
    """The attributes and globals, and what could be a name among the texts, of functions within it too."""
    found = {*code.co_names, *(x for x in code.co_consts if isinstance(x, str) and x.isidentifier())}
    return frozenset(found.union(*[_named(x) for x in code.co_consts if isinstance(x, types.CodeType)]))


@lru_cache(1000)
def _globals(code: types.CodeType) -> tuple[str, ...]:
    """The global names that a function looks up, those of functions within it too."""
    names = [i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names += _globals(constant)
    return tuple(dict.fromkeys(names))


def _named_by_engine(made: type[Any]) -> frozenset[str]:
    """What the engine's own methods of a class name."""
    bases = [base for base in made.__mro__ if _file(base.__module__).startswith(ENGINE)]
    return frozenset().union(*map(_named_by_methods, bases))


@cache
def _named_by_methods(base: type[Any]) -> frozenset[str]:
    functions = [x for x in vars(base).values() if isinstance(x, types.FunctionType)]
    return frozenset().union(*[_named(f.__code__) for f in functions])


def _file(module: str) -> str:
    """The file of a module; what a notebook defines has none, and is not nothing."""
    return getattr(sys.modules.get(module), "__file__", None) or ("<main>" if module == "__main__" else "")


def _package(step: Any) -> str:
    """The package that the step was written in."""
    while isinstance(step, partial):
        step = step.func
    return (getattr(step, "__module__", None) or type(step).__module__).partition(".")[0]
