"""The graph as a list of rows: modules and their ops in the order in which they ran, never more than fit. 计算图大纲

A small graph is open. In a larger one only the modules round the current op are, and consecutive modules of equal
structure fold into one row, "Block × 12". What still is too long shows the neighbourhood of the current op, and rows
that say how much was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

Data = dict[str, Any]

LIMIT = 60
"""At most so many rows, whatever the size of the graph."""

SMALL = 40
"""Up to so many ops, every module is open."""


class Row(NamedTuple):
    """One line of the outline.

    kind is "op", "module" or "more". number is the index of the op or of the module's call; first the first op that
    the row stands for, ops how many it stands for, folded how many equal modules are in it.
    """

    kind: str
    number: int
    first: int
    depth: int
    ops: int = 1
    folded: int = 1
    open: bool = False
    current: bool = False


class Node(NamedTuple):
    """An op (module None), or a call of a module: its first op, the number of its ops, and what ran in it."""

    module: int | None
    first: int
    size: int
    children: tuple[Node, ...] = ()


def outline(
    data: Data, op: int | None, *, opened: Collection[int] = (), closed: Collection[int] = (), limit: int = LIMIT
) -> list[Row]:
    """The visible rows, at most `limit`, with the row of `op` marked: its own, or that of the closed module it is in.

    `opened` and `closed` are calls of modules that the reader opened or closed.
    """
    inside = () if op is None else enclosing(data, op)
    unfolded = len(data["ops"]) <= SMALL

    def is_open(module: int) -> bool:
        return module not in closed and (unfolded or module in opened or module in inside)

    rows = [row._replace(current=_stands_for(row, op)) for row in _rows(data, tree(data), 0, is_open)]
    return _shortened(rows, limit)


def enclosing(data: Data, op: int) -> list[int]:
    """The calls of modules in which an op ran, the innermost first."""
    path, module = [], data["ops"][op]["module"]
    while module is not None:
        path.append(module)
        module = data["modules"][module]["parent"]
    return path


def tree(data: Data) -> tuple[Node, ...]:
    """The ops, grouped by the calls of modules in which they ran."""
    paths = [enclosing(data, op)[::-1] for op in range(len(data["ops"]))]
    return tuple(_nodes(paths, range(len(paths)), 0))


def _nodes(paths: Sequence[Sequence[int]], ops: Iterable[int], depth: int) -> Iterator[Node]:
    for module, run in groupby(ops, lambda op: paths[op][depth] if depth < len(paths[op]) else None):
        inside = tuple(run)
        if module is None:
            yield from (Node(None, op, 1) for op in inside)
        else:
            yield Node(module, inside[0], len(inside), tuple(_nodes(paths, inside, depth + 1)))


def _rows(data: Data, nodes: Iterable[Node], depth: int, is_open: Callable[[int], bool]) -> Iterator[Row]:
    def alike(node: Node) -> tuple[str, Any]:
        if node.module is None:
            return "op", node.first
        return ("open", node.module) if is_open(node.module) else ("closed", data["modules"][node.module]["block"])

    for (kind, _), run in groupby(nodes, alike):
        first, *others = run
        if first.module is None:
            yield Row("op", first.first, first.first, depth)
        elif kind == "open":
            yield Row("module", first.module, first.first, depth, first.size, open=True)
            yield from _rows(data, first.children, depth + 1, is_open)
        else:
            yield Row("module", first.module, first.first, depth, first.size * (1 + len(others)), 1 + len(others))


def _stands_for(row: Row, op: int | None) -> bool:
    return op is not None and not row.open and row.first <= op < row.first + row.ops


def _shortened(rows: list[Row], limit: int) -> list[Row]:
    """The rows nearest to the current one and the modules round it; each gap is one row of kind "more"."""
    if len(rows) <= limit:
        return rows
    here = next((i for i, row in enumerate(rows) if row.current), 0)
    around = [i for i in range(here) if rows[i].open and rows[i].first + rows[i].ops > rows[here].first]
    room = max(limit - 2 * len(around) - 2, 1)  # each row above the neighbourhood may be followed by a gap
    start = max(0, min(here - room // 2, len(rows) - room))
    kept = sorted({*around, *range(start, start + room)})
    shown: list[Row] = []
    for before, i in zip([-1, *kept], [*kept, len(rows)], strict=True):
        hidden = [row for row in rows[before + 1:i] if not row.open]
        if hidden:
            shown.append(Row("more", hidden[0].first, hidden[0].first, hidden[0].depth, sum(row.ops for row in hidden)))
        if i < len(rows):
            shown.append(rows[i])
    return shown
