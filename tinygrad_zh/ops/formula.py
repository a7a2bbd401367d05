"""An op's formula as text, read from its docstring: the one place where it is written for people.

    σ(x) = 1 / (1 + e⁻ˣ)              the first line
    ∂L/∂x = ∂L/∂y · y (1 − y)         one line a partial
    中文：S 型函数                     the Chinese term
                                      (a blank line)
    Notes and sources.
"""

from __future__ import annotations

import inspect
from textwrap import dedent
from typing import Any, NamedTuple

from tinygrad_zh.core.op import Op


class Formula(NamedTuple):
    """What an op computes, its partials, its Chinese term, and notes with the source."""

    forward: str
    partials: tuple[str, ...]
    chinese: str
    notes: str


def formula(op: Any) -> Formula:
    """The parts of an op's docstring. Raises ValueError for an op that does not say its formula."""
    head, _, notes = inspect.cleandoc(op.__doc__ or "").partition("\n\n")
    first, *rest = head.splitlines() or [""]
    if not first:
        raise ValueError(f"{op.__name__} has no docstring; its first line is the formula")
    chinese = [line.removeprefix("中文：") for line in rest if line.startswith("中文：")]
    return Formula(first, tuple(line for line in rest if line.startswith("∂")), "".join(chinese), notes)


def all_ops() -> list[Any]:
    """Every op of this package, in the order of the files and of the lines in them."""
    return [op for op in Op.__subclasses__() if op.__module__.startswith("tinygrad_zh.ops.")]


def source(op: Any) -> str:
    """The op's forward and backward as they are run, docstring left out."""
    functions = [getattr(op, name) for name in ("forward", *op.backwards)]
    return "\n".join(dedent(inspect.getsource(function)) for function in functions)
