"""What the user's program calls a result: the name that the expression is bound to in which the op ran. 变量名"""

from __future__ import annotations

import ast
import linecache
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import takewhile, zip_longest
from types import CodeType
from typing import Any

from tinygrad_zh import functional
from tinygrad_zh.core.tape import Line

Position = tuple[int | None, int | None, int | None, int | None]

_FUNCTIONS = {name.replace("_", ""): name for name in functional.__all__}


def name_of_op(op: str) -> str:
    """What a result is called that the program gives no name: the function that computed it."""
    return _FUNCTIONS.get(op.lower(), re.sub("(?<=[a-z])(?=[A-Z])", "_", op).lower())


def result_names(lines: Sequence[Line]) -> dict[int, tuple[str, ...]]:
    """{the id of a forward line: the names that its results are bound to}.

    All ops of one expression (a layer's, a loss's) were called from one place in the program; the last of them has
    the value that the expression had. In a loop the place comes again, and so does the first op that ran there.
    """
    found: dict[int, tuple[str, ...]] = {}
    first: Line | None = None
    for line, after in zip_longest(lines, lines[1:]):
        first = first or line
        if after is None or after.info["at"] != line.info["at"] or _begins_again(first, after):
            names = _bound_at(line.info["at"])
            if names:
                found[id(line)] = names
            first = None
    return found


def names_around(lines: Sequence[Line]) -> dict[int, tuple[str, ...]]:
    """The same of calls further out, of layers too: {the id of a line: the names that the outermost call is bound to
    whose last op the line is}. q, k = cut(query(x)), cut(key(x)) names what `cut` gives."""
    found: dict[int, tuple[str, ...]] = {}
    for line, after in zip_longest(lines, lines[1:]):
        calls = line.info.get("calls", ())
        following = [] if after is None else after.info.get("calls", ())
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(calls, following, strict=False)))
        for call in calls[shared:]:
            names = _bound_at(call)
            if names:
                found[id(line)] = names
                break
    return found


def _begins_again(first: Line, after: Line) -> bool:
    """Whether the place of the first op came again, in a loop: not if a model that was called there goes on to its
    next part, which may begin with the same op."""
    if after.info["op"] is not first.info["op"]:
        return False
    stacks = first.info["modules"], after.info["modules"]
    around = [m for m, _ in takewhile(lambda pair: pair[0] is pair[1], zip(*stacks, strict=False))]
    in_a_model = around and type(around[-1]).forward.__code__ is not after.info["at"][0]
    return not in_a_model or stacks[0] == stacks[1]


def _bound_at(at: tuple[CodeType, int] | None) -> tuple[str, ...]:
    """The names that the expression at this place of the program is bound to."""
    return () if at is None else _bindings(at[0].co_filename).get(_positions(at[0])[at[1] // 2], ())


@cache
def _positions(code: CodeType) -> tuple[Position, ...]:
    """Of each instruction: first line, last line, first column, last column."""
    return tuple(code.co_positions())


@cache
def _bindings(path: str) -> dict[Position, tuple[str, ...]]:
    """{the position of an expression: the names that an assignment binds to its value}"""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a notebook's cell with magics, a damaged file
        return {}
    return {_position(expression): names for node in ast.walk(tree) for expression, names in _bound_by(node)}


def _bound_by(node: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node, (node.target.id,)
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    value = getattr(node, "value", None)
    if value is None or len(targets) != 1 or not isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
        return
    parts = targets[0].elts if isinstance(targets[0], ast.Tuple) else targets
    names = [part.id if isinstance(part, ast.Name) else "" for part in parts]
    if all(names):
        yield value, tuple(names)
    if isinstance(value, ast.Tuple) and len(value.elts) == len(names):
        yield from ((element, (name,)) for element, name in zip(value.elts, names, strict=True) if name)


def _position(node: Any) -> Position:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset
