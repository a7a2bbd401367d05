"""A function made repeatable: each call draws the same random numbers and leaves nothing changed behind.

Dropout draws a mask and batch norm assigns its running statistics. Differences need the same function every time;
the tape of the first call names every generator that was drawn from and every tensor that was assigned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_zh.core import Tape, Tensor, record


class Repeatable:
    """`function`, with the effects of each call undone. 中文：可重复的函数。"""

    def __init__(self, function: Callable[..., Any]):
        self.function = function
        self.undo: Callable[[], None] | None = None

    def __call__(self, *arguments: Any) -> Any:
        if self.undo is not None:
            try:
                return self.function(*arguments)
            finally:
                self.undo()
        with record() as tape:
            try:
                return self.function(*arguments)
            finally:
                self.undo = undo_of(tape)
                self.undo()


def undo_of(tape: Tape) -> Callable[[], None]:
    """What puts the generators and the assigned tensors of a tape back to where they were before it."""
    states: dict[int, tuple[Any, Any]] = {}
    values: dict[int, tuple[Tensor, Any]] = {}
    for line in tape:
        if line.kind == "forward":
            for name, state in (line.info["states"] or {}).items():
                generator = line.keywords[name]
                states.setdefault(id(generator), (generator, state))
        elif line.kind == "assign":
            tensor = line.info["tensor"]
            values.setdefault(id(tensor), (tensor, line.arguments[0]))

    def undo() -> None:
        for generator, state in states.values():
            generator.bit_generator.state = state
        for tensor, value in values.values():
            tensor.array = value

    return undo
