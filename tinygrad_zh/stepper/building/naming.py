"""What the user's program calls a result: the target of the assignment that its last op belongs to."""

from __future__ import annotations

import ast
import linecache
from functools import cache
from typing import Any

from tinygrad_zh import functional

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_FUNCTIONS = {name.replace("_", ""): name for name in functional.__all__}


class Names:
    """Each name once; another tensor of the same name is x₂, x₃, …"""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def fresh(self, name: str) -> str:
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}{str(times).translate(SUBSCRIPTS)}"


def version(name: str, number: int) -> str:
    """A leaf after its updates: W′, W″, W⁽³⁾, …"""
    return name + ("", "′", "″")[number] if number < 3 else f"{name}⁽{str(number).translate(SUPERSCRIPTS)}⁾"


def name_of_op(op: str) -> str:
    """What a result is called that the program gives no name: the function that computed it."""
    return _FUNCTIONS.get(op.lower(), op.lower())


def targets(where: tuple[str, int, str] | None) -> tuple[tuple[int, int], tuple[str, ...]]:
    """The statement (its first and last line) that the line belongs to, and the names that it assigns to."""
    return ((0, 0), ()) if where is None else _statements(where[0]).get(where[1], ((where[1], where[1]), ()))


@cache
def _statements(path: str) -> dict[int, tuple[tuple[int, int], tuple[str, ...]]]:
    """{line: its innermost simple statement and the names that it binds}"""
    try:
        tree = ast.parse("".join(linecache.getlines(path)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # a notebook's cell with magics, a damaged file
        return {}
    found: dict[int, tuple[tuple[int, int], tuple[str, ...]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)):
            first, last = node.lineno, node.end_lineno or node.lineno
            for line in range(first, last + 1):
                found[line] = (first, last), _bound(node)
    return found


def _bound(node: Any) -> tuple[str, ...]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        target = node.target
    else:
        return ()
    parts = target.elts if isinstance(target, ast.Tuple) else [target]
    names = [part.id if isinstance(part, ast.Name) else "" for part in parts]
    return tuple(names) if all(names) else ()
