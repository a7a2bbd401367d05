"""A listing, made pleasant to read without touching one bit of what it computes. 化简

    matmul = x @ W1; z1 = matmul + b1           z1 = x @ W1 + b1            what is used once, by the next line
    db = dz1; db_2 = db.sum(axis=0)             db = dz1.sum(axis=0)        copies
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable

from tinygrad_zh.core.tape import Line
from tinygrad_zh.program.listing import BACKWARD, Listing
from tinygrad_zh.program.printing.plain import Plain
from tinygrad_zh.program.printing.repeats import ELISION, decided, said_once
from tinygrad_zh.program.printing.rows import Put, Renamed, Row, required, rows_of

WIDTH = 96
"""A line that would grow longer than this is not folded into."""


def simplified(listing: Listing) -> list[Row]:
    """The rows of the program that is printed."""
    rows = decided(rows_of(listing.statements), listing)
    for row in rows:
        row.tree.value = Plain(listing).visit(row.tree.value)
    rows = _needed(_without_copies(rows, listing), listing)
    rows = _folded(said_once(rows, listing), listing)
    for row in rows:
        row.tree.value = Plain(listing).visit(row.tree.value)
    raised = _raised(rows)
    for row in rows:
        _keep_zero_dimensional(row, raised, listing)
        ast.fix_missing_locations(row.tree)
    return rows


# ---- between statements


def _without_copies(rows: list[Row], listing: Listing) -> list[Row]:
    """x = y: whoever reads x reads y, unless x is what the program is for."""
    stands_for: dict[str, str] = {}
    handed: dict[tuple[int, int], list[Line]] = {}  # a partial that is the upstream itself is told where it goes
    kept: list[Row] = []
    wanted = required(listing)
    for row in rows:
        row.lines = [before for line in row.lines for before in handed.pop(_goes_to(line), [])] + row.lines
        row.tree.value = Renamed(stands_for).visit(row.tree.value)
        value = row.tree.value
        if _called_tuple(row):
            row.tree.value = value.args[0]  # type: ignore[attr-defined]
        if _gives_its_name(row, wanted, listing):  # dgamma = dgamma_reshape: it is called dgamma from the start
            name, was = row.reads[0], row.targets[0]
            stands_for[name] = was
            for other in kept:
                Renamed({name: was}).visit(other.tree)
        elif isinstance(value, ast.Name) and isinstance(row.tree.targets[0], ast.Name) \
                and row.tree.targets[0].id not in wanted:
            copy, original = row.tree.targets[0].id, value.id
            stands_for[copy] = original
            for line in row.lines:
                if line.kind == "backward":
                    handed |= {(id(line.info["forward"]), slot): [line] for slot in line.info["slots"]}
            if _better(listing, copy, original):
                listing.hints[original] = listing.hints[copy]
        else:
            kept.append(row)
    return kept


def _called_tuple(row: Row) -> bool:
    """a, b = tuple(…)"""
    value = row.tree.value
    return isinstance(row.tree.targets[0], ast.Tuple) and isinstance(value, ast.Call) and len(value.args) == 1 \
        and isinstance(value.func, ast.Name) and value.func.id == "tuple"


def _gives_its_name(row: Row, wanted: set[str], listing: Listing) -> bool:
    """Whether a gradient that the program is for is a copy of another, that nobody asks for by name."""
    if not (isinstance(row.tree.value, ast.Name) and isinstance(row.tree.targets[0], ast.Name)):
        return False
    a, b = row.targets[0], row.reads[0]
    return a in wanted and b not in wanted and listing.leaf(b) is None \
        and listing.hints[a].kind == listing.hints[b].kind == "gradient" \
        and not listing.hints[listing.hints[b].of].own


def _goes_to(line: Line) -> tuple[int, int]:
    """Forward line and slot of an engine's own step."""
    return id(line.info.get("forward")), line.info.get("slot", -1)


def _better(listing: Listing, copy: str, original: str) -> bool:
    """Whether the gradient of a value without a name is also that of one with a name."""
    a, b = listing.hints[copy], listing.hints[original]
    return a.kind == b.kind == "gradient" and listing.hints[a.of].own and not listing.hints[b.of].own \
        and listing.leaf(a.of) is None


def _needed(rows: list[Row], listing: Listing) -> list[Row]:
    """Without what leads to nothing. A draw from a generator stays: the next one depends on it."""
    wanted = required(listing)
    generators = {leaf.name for leaf in listing.leaves if leaf.kind == "generator"}
    kept = []
    for row in reversed(rows):
        if wanted & set(row.targets) or generators & set(row.reads):
            wanted |= set(row.reads)
            kept.append(row)
    return kept[::-1]


def _folded(rows: list[Row], listing: Listing) -> list[Row]:
    """A value that one statement alone uses, once, is written there: a value without a name of the user's by the next
    statement, a gradient that is not yet complete by the one that goes on with it."""
    uses = Counter(name for row in rows for name in row.reads)
    done: list[Row] = []
    for row in rows:
        for before in reversed(done[-NEAR:]):
            target = before.tree.targets[0]
            if isinstance(target, ast.Name) and uses[target.id] == 1 and target.id in row.reads \
                    and before.section == row.section and (before is done[-1] or _goes_on(target.id, row, listing)) \
                    and _foldable(before, row, listing):
                done = [other for other in done if other is not before]
                row.tree.value = Put(target.id, before.tree.value).visit(row.tree.value)
                row.lines = before.lines + row.lines
        done.append(row)
    return done


NEAR = 4
"""How many statements back the beginning of a gradient may be."""


def _goes_on(gradient: str, row: Row, listing: Listing) -> bool:
    """Whether a statement sums, casts or adds to this gradient."""
    hint, to = listing.hints[gradient], listing.hints.get(row.targets[0])
    return hint.kind == "gradient" and to is not None and to.kind == "gradient" and to.of == hint.of


def _foldable(before: Row, row: Row, listing: Listing) -> bool:
    target = row.reads[row.reads.index(before.targets[0])]
    hint, value = listing.hints[target], listing.values.get(target)
    if target in required(listing) or value is None or _inside_a_loop(row.tree.value, target):
        return False
    if hint.kind == "gradient":
        named = listing.hints[hint.of].own and not _goes_on(target, row, listing)
    else:
        named = hint.kind != "value" or hint.own
    if named or (value.ndim == 0 and any(isinstance(n, ast.Pow) for n in ast.walk(row.tree.value))):
        return False
    after = listing.values.get(row.targets[0])
    if value.nbytes >= ELISION and after is not None and value.shape == after.shape and value.strides != after.strides:
        return False
    ops = sum(line.kind in ("forward", "backward") for line in before.lines + row.lines)
    if ops > (2 if row.section == BACKWARD else 3):
        return False
    return len(ast.unparse(row.tree)) + len(ast.unparse(before.tree.value)) - len(target) <= WIDTH


def _inside_a_loop(tree: ast.expr, name: str) -> bool:
    loops = [n for n in ast.walk(tree) if isinstance(n, (ast.ListComp, ast.GeneratorExp, ast.Lambda))]
    return any(isinstance(n, ast.Name) and n.id == name for loop in loops for n in ast.walk(loop))


# ---- arrays of no dimension


def _keep_zero_dimensional(row: Row, raised: set[str], listing: Listing) -> None:
    """The engine's values are arrays; NumPy's operators give a scalar where there is no axis, and its power rounds
    differently. Where a power follows, it is made an array again."""
    target = row.tree.targets[0]
    if not isinstance(target, ast.Name) or target.id not in raised or isinstance(row.tree.value, ast.Name):
        return
    value = listing.values.get(target.id)
    if value is not None and not value.ndim:
        row.tree.value = ast.Call(ast.parse("np.asarray", mode="eval").body, [row.tree.value], [])


def _raised(rows: Iterable[Row]) -> set[str]:
    """The names that stand in a power, as its base or exponent."""
    powers = [n for row in rows for n in ast.walk(row.tree.value)
              if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)]
    return {side.id for n in powers for side in (n.left, n.right) if isinstance(side, ast.Name)}
