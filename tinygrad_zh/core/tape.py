"""The tape: a list of what was done, one line a formula that ran.

Stepping, unrolling, compiling, profiling and counting launches all read this one list. It is written
only inside `with record():`; otherwise a call pays one comparison with None.

    kind          function          arguments        outputs            info
    forward       Op.forward        input arrays     outputs and aux    op, where, modules, sources, …
    seed          np.ones_like      the root's value the first gradient tensor  (or keep, of a seed that was given)
    backward      Op.backward…      as it names them partials           op, slots, forward (the line)
    sum_to        sum_to            partial, shape   its reduction      op, slot, forward
    cast          cast              partial, dtype   its conversion     op, slot, forward
    accumulate    add               before, partial  after              op, slot, forward
    gradient      keep or add       [before,] total  the new .grad      source (the leaf's)
    assign        assign            old, new         the new value      tensor
    hook          the user's hook   the gradient     what replaces it   –
    read          read              the value        the value          tensor
    enter, leave  Module.forward    –                result (leave)     module, depth (enter)
    error         Op.forward…       input arrays     –                  op, error, where

Every line up to assign is its function on its arguments: function(*arguments, **keywords) gives the outputs
again, to the bit. An error outside of any formula has neither function nor op.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from tinygrad_zh.core.mode import MODE, using

if TYPE_CHECKING:
    from tinygrad_zh.core.tensor import Tensor

_PACKAGE = Path(__file__).parents[1]  # as it was imported, links and all: code objects say the same
ENGINE = tuple(str(_PACKAGE / part)
               for part in ("core", "ops", "functional.py", "derivatives.py", "nn", "optim", "program", "train"))
"""Files whose frames are not the user's program."""


class Line:
    """One line of the program that a tape is."""

    __slots__ = ("arguments", "function", "info", "keywords", "kind", "outputs")

    def __init__(self, kind, function, arguments, keywords, outputs, info):
        self.kind = kind
        self.function = function
        self.arguments = arguments
        self.keywords = keywords
        self.outputs = outputs
        self.info = info

    def __repr__(self) -> str:
        shapes = ", ".join(str(getattr(a, "shape", a)) for a in self.arguments)
        return f"{self.kind} {getattr(self.function, '__qualname__', self.function)}({shapes})"


class Tape(list[Line]):
    """The lines in the order in which they ran; arrays are shared, never copied: values are immutable.

    `leaves` tells which tensor an array from outside belongs to, by the array's id, and `names` what the user's program
    calls it. `complete`: every formula that ran is a line; gradients that can be differentiated again are not.
    """

    def __init__(self, title: str = "") -> None:
        super().__init__()
        self.title = title
        self.leaves: dict[int, Tensor] = {}
        self.names: dict[int, str] = {}
        self.modules: list[Any] = []
        self.complete = True

    def write(self, kind: str, function: Any, arguments: Any, keywords: Any, outputs: Any, **info: Any) -> Line:
        line = Line(kind, function, arguments, keywords, outputs, info)
        self.append(line)
        return line

    def forward(self, op: Any, inputs: Any, arrays: Any, attributes: Any, outputs: Any, before: Any) -> Line:
        """One application of an op. before: the time and the generators' states before its formula ran."""
        began, states = before
        seconds = perf_counter() - began
        frame = _user_frame()
        for x, array in zip(inputs, arrays, strict=True):
            source = getattr(x, "source", None)
            if hasattr(x, "source") and type(source) is not tuple:
                self.leaves.setdefault(id(array), x)
            recorded = type(source) is tuple and source[0].line is not None
            if hasattr(array, "dtype") and not recorded and id(array) not in self.names:
                self.names[id(array)] = name_of(x, frame)
        at = None if frame is None else (frame.f_code, frame.f_lasti)
        return self.write("forward", op.forward, arrays, attributes, outputs, op=op, where=_where(frame), at=at,
                          modules=tuple(self.modules), sources=tuple(map(recorded_source, inputs)),
                          grad=MODE.get().grad, states=states, seconds=seconds)

    def error(self, function: Any, arguments: Any, keywords: Any, op: Any, error: Exception) -> Line:
        return self.write("error", function, arguments, keywords, (), op=op, error=error, where=_where(_user_frame()))

    def of(self, kind: str) -> list[Line]:
        """The lines of one kind."""
        return [line for line in self if line.kind == kind]


T = TypeVar("T", bound=Tape)


def _user_frame() -> FrameType | None:
    """The nearest frame outside the engine."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back  # type: ignore[assignment]
    return frame


def _where(frame: FrameType | None) -> tuple[str, int, str] | None:
    """The line of the user's program: file, number, function."""
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def name_of(x: Any, frame: FrameType | None) -> str:
    """What the user's program calls x there: a variable, an element of one, an attribute of self, or a global."""
    if frame is None:
        return ""
    variables = frame.f_locals
    for name, value in variables.items():
        if value is x:
            return name
    for name, value in variables.items():
        if isinstance(value, (list, tuple)):
            for i, element in enumerate(value[:1000]):
                if element is x:
                    return f"{name}[{i}]"
    for name, value in getattr(variables.get("self"), "__dict__", {}).items():
        if value is x:
            return name
    return next((name for name in frame.f_code.co_names if frame.f_globals.get(name) is x), "")


def recorded_source(x: Any) -> Any:
    """Where the gradient of an input goes: an Accumulator, (the line that made it, which output), or None."""
    source = getattr(x, "source", None)
    if type(source) is not tuple:
        return source
    call, index = source
    return (call if call.line is None else call.line), index


@contextmanager
def recording(tape: T) -> Iterator[T]:
    """Write on this tape every formula that runs in the block. An error is its last line, and passes on."""
    with using(tape=tape):
        try:
            yield tape
        except Exception as error:
            if not tape or tape[-1].info.get("error") is not error:
                tape.error(None, (), {}, None, error)
            raise


def record(*, title: str = "") -> AbstractContextManager[Tape]:
    """Write down every formula that runs in this block, forward, backward and update. 中文：记录计算过程（磁带）。

    Gives the `Tape`, a list of `Line`. An error inside the block is the last line, and passes on. A `record` inside
    another takes its lines for itself.
    """
    return recording(Tape(title))
