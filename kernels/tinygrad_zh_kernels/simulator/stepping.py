"""What one thread does, line by line: the values that each line assigned, and what it told and heard at barriers.

Python's own tracing is on while that thread runs and at no other time. To look around in a thread yourself, write
`if cuda.grid(1) == 3: breakpoint()` into the kernel: the debugger stops there, in that thread alone.
"""

from __future__ import annotations

import linecache
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from tinygrad_zh_kernels.emulator import Step
from tinygrad_zh_kernels.simulator.memory import Now, Watched


class Steps:
    """The steps of a thread, which calls `on` when it goes on and `off` when it waits or ends.

    codes: of the kernel and its device functions; in what these call nobody steps.
    """

    def __init__(self, now: Now, kernel: str, codes: frozenset[CodeType]) -> None:
        self.done: list[Step] = []
        self._now, self._kernel, self._codes = now, kernel, codes
        self._line: dict[FrameType, int] = {}
        self._known: dict[FrameType, dict[str, Any]] = {}
        self._before: Any = None

    def on(self) -> None:
        """From here on it is the watched thread that runs."""
        self._now.watched = True
        self._before = sys.gettrace()
        sys.settrace(self._called)

    def off(self) -> None:
        """From here on it is another one, or nobody."""
        if self._now.watched:
            sys.settrace(self._before)
            self._now.watched = False

    def _called(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if frame.f_code not in self._codes:
            return None
        self._known[frame] = dict(frame.f_locals)
        return self._happened

    def _happened(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        """A line is about to run, or the function returns: the line before it is done."""
        if event in ("line", "return") and frame in self._line:
            line = self._line.pop(frame)
            file = frame.f_code.co_filename
            source = linecache.getline(file, line).strip()
            values = self._assigned(frame, source)
            if event == "return" and argument is not None:
                values["return"] = _shown(argument)
            events = "; ".join(self._now.events) or None
            self._now.events.clear()
            self.done.append(Step(0, self._kernel, line, source, values, events, Path(file).name))
        if event == "line":
            self._line[frame] = frame.f_lineno
        return self._happened

    def _assigned(self, frame: FrameType, source: str) -> dict[str, Any]:
        """The variables and the elements of arrays that a line assigned, by name."""
        known, variables = self._known[frame], dict(frame.f_locals)
        self._known[frame] = variables
        target = _TARGET.match(source)
        values = {name: value for name, value in variables.items()
                  if name not in known or not _same(value, known[name]) or (target and target[1] == name)}
        values |= self._now.stored
        self._now.stored.clear()
        return {name: _shown(value) for name, value in values.items()}


_TARGET = re.compile(r"(\w+)\s*(?://|<<|>>|[-+*/%&|^])?=(?!=)")


def _same(a: Any, b: Any) -> bool:
    return a is b or (type(a) is type(b) and not isinstance(a, Watched) and bool(a == b))


def _shown(value: Any) -> Any:
    """A number as Python's own; an array by its type and shape."""
    if isinstance(value, Watched):
        return f"{value.dtype} {value.shape}"
    return value.item() if isinstance(value, np.generic) else value
