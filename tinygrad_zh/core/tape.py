"""The tape: a list of what was done, one line a formula that ran.

Stepping, unrolling, compiling, profiling and counting launches all read this one list. It is written
only inside `with record():`; otherwise a call pays one comparison with None.

    kind          function          arguments        outputs            info
    forward       Op.forward        input arrays     outputs and aux    op, where, modules
    seed          np.ones_like      the root's value the first gradient tensor
    backward      Op.backward…      as it names them partials           op, slots, forward (the line)
    sum_to        sum_to            partial, shape   its reduction      op, slot, forward
    cast          cast              partial, dtype   its conversion     op, slot, forward
    accumulate    add               before, partial  after              op, slot, forward
    gradient      keep or add       [before,] total  the new .grad      source (the leaf's)
    assign        assign            old, new         the new value      tensor
    hook          the user's hook   the gradient     what replaces it   –
    read          read              the value        the value          tensor
    enter, leave  Module.forward    –                result (leave)     module
    error         Op.forward…       input arrays     –                  op, error, where

Every line up to assign is its function on its arguments: function(*arguments, **keywords) gives the outputs
again, to the bit. An error outside of any formula has neither function nor op.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.core.mode import using

if TYPE_CHECKING:
    from tinygrad_zh.core.tensor import Tensor

_PACKAGE = Path(__file__).parents[1]  # as it was imported, links and all: code objects say the same
_ENGINE = tuple(str(_PACKAGE / part)
                for part in ("core", "ops", "functional.py", "derivatives.py", "nn", "optim", "train"))


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

    `leaves` tells which tensor an array from outside belongs to, by the array's id.
    """

    def __init__(self, title: str = "") -> None:
        super().__init__()
        self.title = title
        self.leaves: dict[int, Tensor] = {}
        self.modules: list[Any] = []

    def write(self, kind: str, function: Any, arguments: Any, keywords: Any, outputs: Any, **info: Any) -> Line:
        line = Line(kind, function, arguments, keywords, outputs, info)
        self.append(line)
        return line

    def forward(self, op: Any, inputs: Any, arrays: Any, attributes: Any, outputs: Any, states: Any) -> Line:
        for x, array in zip(inputs, arrays, strict=True):
            if hasattr(x, "source") and type(x.source) is not tuple:
                self.leaves.setdefault(id(array), x)
        return self.write("forward", op.forward, arrays, attributes, outputs,
                          op=op, where=_where(), modules=tuple(self.modules), states=states)

    def error(self, function: Any, arguments: Any, keywords: Any, op: Any, error: Exception) -> Line:
        return self.write("error", function, arguments, keywords, (), op=op, error=error, where=_where())

    def of(self, kind: str) -> list[Line]:
        """The lines of one kind."""
        return [line for line in self if line.kind == kind]


def _where() -> tuple[str, int, str] | None:
    """The line of the user's program: the nearest frame outside the engine."""
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(_ENGINE):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


@contextmanager
def record(*, title: str = "") -> Iterator[Tape]:
    """Write down every formula that runs in this block, forward, backward and update. 中文：记录计算过程（磁带）。

    Yields the `Tape`, a list of `Line`. An error inside the block is the last line, and passes on. A `record` inside
    another takes its lines for itself.

    >>> import tinygrad_zh as tz
    >>> x = tz.tensor(3.0, requires_grad=True)
    >>> with tz.record() as tape:
    ...     (x * x + x).backward()
    >>> [line.info["op"].__name__ for line in tape if line.kind == "forward"]
    ['Mul', 'Add']
    >>> x.grad.item()
    7.0
    """
    tape = Tape(title)
    with using(tape=tape):
        try:
            yield tape
        except Exception as error:
            if not tape or tape[-1].info.get("error") is not error:
                tape.error(None, (), {}, None, error)
            raise
