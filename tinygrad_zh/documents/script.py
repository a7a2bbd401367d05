"""A program of the user's, run as `python FILE` runs it, or one function of it, and recorded on the way. 运行并记录"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

from tinygrad_zh.core.tape import Line, recording
from tinygrad_zh.i18n import text
from tinygrad_zh.stepper import Trace

STEPS = 5000
MEMORY = 2**30  # bytes of results
COUNTED = ("forward", "seed", "backward", "sum_to", "cast", "hook")  # the lines that become steps of their own


class Enough(BaseException):
    """Ends the program, whose own `except Exception` is not meant to catch it. It says of what there is enough."""


class BoundedTrace(Trace):
    """A trace that ends the program when it has the steps that were asked for, or holds too much memory."""

    def __init__(self, title: str, steps: int) -> None:
        super().__init__(title)
        self.steps, self.memory = steps, MEMORY

    def write(self, kind: str, function: Any, arguments: Any, keywords: Any, outputs: Any, **info: Any) -> Line:
        if kind != "error" and (self.steps <= 0 or self.memory <= 0):
            raise Enough("steps" if self.steps <= 0 else "memory")
        if kind in COUNTED:
            self.steps -= len(outputs) if kind == "backward" else 1
        self.memory -= sum(getattr(output, "nbytes", 0) for output in outputs)
        return super().write(kind, function, arguments, keywords, outputs, **info)


class Recorded(NamedTuple):
    """What was recorded, how the program ended (None: as it should, or what it raised), and what it has defined."""

    trace: Trace
    ended: BaseException | None
    module: ModuleType


def record_script(path: Path, words: Sequence[str] = (), steps: int = STEPS) -> Recorded:
    """Run a file as `python FILE words…` does, and record it.

    Raises ValueError for a file that is no Python. Ctrl-C passes on; any other end of the program is in the result.
    """
    code = _compiled(path)
    trace = BoundedTrace(path.name, steps)
    with _started(path, words, "__main__") as module:
        ended = _end_of(lambda: _recorded(trace, lambda: exec(code, vars(module))))
    own = [value for value in vars(module).values() if isinstance(value, Trace)]
    longest = max([trace, *own], key=len)  # a program with a tz.record() of its own has its lines there
    return Recorded(longest, ended, module)


def record_function(path: Path, name: str, words: Sequence[str] = (), steps: int = STEPS) -> Recorded:
    """Import a file and record the call of one of its functions, without arguments.

    Raises ValueError for a file that is no Python, and for a function that is not there or needs arguments.
    """
    code = _compiled(path)
    trace = BoundedTrace(f"{path.name}:{name}", steps)
    with _started(path, words, "__step__") as module:
        ended = _end_of(lambda: exec(code, vars(module)))
        if ended is None:
            function = _function(path, module, name)
            ended = _end_of(lambda: _recorded(trace, function))
    return Recorded(trace, ended, module)


@contextmanager
def opened_function(path: Path, name: str, words: Sequence[str] = ()) -> Iterator[Callable[[], Any]]:
    """One of a file's functions, to be called without arguments; what the file itself raises passes on.

    Raises ValueError for a file that is no Python, and for a function that is not there or needs arguments.
    """
    code = _compiled(path)
    with _started(path, words, "__step__") as module:
        exec(code, vars(module))
        yield _function(path, module, name)


def _compiled(path: Path) -> CodeType:
    try:
        return compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        reason = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise ValueError(text("cli.step.no_python", path=path, line=line, reason=reason)) from None


@contextmanager
def _started(path: Path, words: Sequence[str], name: str) -> Iterator[ModuleType]:
    """What `python FILE words…` makes of a process: its arguments, its first folder of modules, its main module."""
    module = ModuleType(name)
    module.__file__ = str(path)
    argv, folders, main, here = sys.argv, list(sys.path), sys.modules.get(name), os.getcwd()
    sys.argv, sys.modules[name] = [str(path), *words], module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        yield module
    finally:
        sys.argv, sys.path[:] = argv, folders
        os.chdir(here)
        if main is None:
            del sys.modules[name]
        else:
            sys.modules[name] = main


def _recorded(trace: Trace, run: Callable[[], Any]) -> None:
    with recording(trace):
        run()


def _end_of(run: Callable[[], Any]) -> BaseException | None:
    try:
        run()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return error
    return None


def _function(path: Path, module: ModuleType, name: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if not callable(function):
        there = [key for key, value in vars(module).items() if inspect.isfunction(value)
                 and value.__module__ == module.__name__ and not _needed(value)]
        raise ValueError(text("cli.step.no_function", path=path, name=name, functions=", ".join(there) or "–"))
    if needed := _needed(function):
        raise ValueError(text("cli.step.arguments", path=path, name=name, arguments=", ".join(needed)))
    return function


def _needed(function: Callable[..., Any]) -> list[str]:
    """The parameters that must be given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in, without a signature
        return []
    return [p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
