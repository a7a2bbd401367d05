"""What a formula computes, and another has computed before, is computed once; what is as short as a name has none.

    hot = np.arange(10) == y[..., None]         (again, backward)           the first is there still
    x = 1 - y; x * np.log(x)                    (1 - y) * np.log(1 - y)
    W_transpose = W.T; h @ W_transpose          h @ W.T
    top = s.max() if s.size else s.sum()        top = s.max()               which is known here
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from tinygrad_zh.program.listing import Hint, Listing
from tinygrad_zh.program.printing.executing import executed
from tinygrad_zh.program.printing.rows import Put, Renamed, Row, copied, required

ELISION = 2**18
"""Bytes from which on NumPy computes a + b into the temporary a, whose memory layout the result then has."""
SHORT = 14
"""The most characters of an expression that is as good as a name."""


def decided(rows: list[Row], listing: Listing) -> list[Row]:
    """Without conditions on shapes."""
    if any(isinstance(n, ast.IfExp) for row in rows for n in ast.walk(row.tree.value)):
        decision = _Decided(executed(rows, listing))
        for row in rows:
            row.tree.value = decision.visit(row.tree.value)
    return rows


class _Decided(ast.NodeTransformer):
    def __init__(self, values: dict[str, object]) -> None:
        self.values = values

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        if not {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)} <= self.values.keys():
            return node
        test = ast.fix_missing_locations(ast.Expression(copied(node.test)))
        return node.body if eval(compile(test, "<shape>", "eval"), {"__builtins__": {}}, self.values) else node.orelse


def said_once(rows: Sequence[Row], listing: Listing) -> list[Row]:
    """Without values of a formula's own that are there already, or are too short to have a name."""
    first: dict[str, str] = {}  # what is computed -> its name
    stands_for: dict[str, str] = {}
    kept: list[Row] = []
    waiting: list[Row] = []  # their comments belong to the next row of the same line
    generators = {leaf.name for leaf in listing.leaves if leaf.kind == "generator"}
    for row in _without_short_ones(rows, listing):
        row.tree.value = Renamed(stands_for).visit(row.tree.value)
        target, computed = row.tree.targets[0], ast.dump(row.tree.value)
        own = isinstance(target, ast.Name) and listing.hints[target.id].kind == "local"
        if own and computed in first and not generators & set(row.reads):
            stands_for[target.id] = first[computed]  # type: ignore[attr-defined]
            _lasting(first[computed], listing)
            waiting.append(row)
            continue
        if isinstance(target, ast.Name):
            first.setdefault(computed, target.id)
        row.lines = [line for other in waiting if other.part_of is row.part_of for line in other.lines] + row.lines
        waiting = []
        kept.append(row)
    return kept


def _lasting(name: str, listing: Listing) -> None:
    """A formula's own value that is read later has its layer's number."""
    hint = listing.hints[name]
    if hint.kind == "local":
        listing.hints[name] = Hint("local", hint.base + hint.number)


def _without_short_ones(rows: Sequence[Row], listing: Listing) -> Iterator[Row]:
    uses = Counter(name for row in rows for name in row.reads)
    short: dict[str, ast.expr] = {}
    waiting: dict[str, Row] = {}  # their comments belong to the first that reads them, or goes on with their line
    wanted = required(listing)
    for row in rows:
        theirs = [n for n, other in waiting.items() if n in row.reads or other.part_of is row.part_of]
        row.lines = [line for name in theirs for line in waiting.pop(name).lines] + row.lines
        for name in set(row.reads) & short.keys():
            row.tree.value = Put(name, short[name]).visit(row.tree.value)
        target = row.tree.targets[0]
        if isinstance(target, ast.Name) and target.id not in wanted and (
                _as_good_as_a_name(target.id, row, listing)
                or (uses[target.id] == 1 and _a_number_in_brackets(target.id, row, listing))):
            short[target.id] = row.tree.value
            waiting[target.id] = row
        else:
            yield row


def _a_number_in_brackets(name: str, row: Row, listing: Listing) -> bool:
    """x.reshape((1,)) of a number, on its way into an array of several."""
    function = row.tree.value.func if isinstance(row.tree.value, ast.Call) else None
    x = listing.values.get(row.reads[0]) if len(row.reads) == 1 else None
    return isinstance(function, ast.Attribute) and function.attr == "reshape" and x is not None and not x.ndim \
        and not listing.hints[name].own


def _as_good_as_a_name(name: str, row: Row, listing: Listing) -> bool:
    """1 - y and -1 of a formula's own; W.T of a value that the user gave no name."""
    hint, value = listing.hints[name], row.tree.value
    if hint.kind == "local":
        parts = [value.left, value.right] if isinstance(value, ast.BinOp) else [value]
        simple = all(isinstance(part, (ast.Name, ast.Constant)) for part in parts) or (
            isinstance(value, ast.UnaryOp) and isinstance(value.operand, ast.Constant))
        constant = not isinstance(value, ast.BinOp) or (isinstance(value.op, (ast.Add, ast.Sub)) and
                                                        any(isinstance(part, ast.Constant) for part in parts))
        large = any(listing.values[n].nbytes >= ELISION for n in row.reads if n in listing.values)
        return simple and constant and not large and len(ast.unparse(value)) <= SHORT
    return hint.kind == "value" and not hint.own and isinstance(value, ast.Attribute) and value.attr in ("T", "mT") \
        and isinstance(value.value, ast.Name)
