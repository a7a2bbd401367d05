"""What the user's program calls a result: the target of the assignment that its last op belongs to."""

from __future__ import annotations

import ast
import linecache
from functools import cache
from typing import Any

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class Names:
    """Each name once; a name that comes again is x₂, x₃, …"""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def fresh(self, name: str) -> str:
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}{str(times).translate(SUBSCRIPTS)}"


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
