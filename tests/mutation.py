"""Break every op's backward on purpose and see which check notices: `python -m tests.mutation [Op …]`.

A mutant is a backward with one expression changed: a sign, a factor, the order of operands, a constant, an
axis, a transpose, a branch. It is killed when a check of a row that runs the op fails, or a convention.
One that computes the same as the original cannot be killed; those are named in EQUIVALENT, with the reason.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from tests.ops.checks import checks_of, without_warnings
from tests.ops.reach import every_op, for_examples, rows_of
from tests.ops.table import Row
from tests.ops.test_conventions import SECOND_DERIVATIVES, check_convention, check_second_derivative
from tinygrad_zh.ops.conventions import CONVENTIONS

EXAMPLES = 25
OTHER: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.BitAnd: ast.BitOr,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
OPPOSITE: dict[type, type] = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}

EQUIVALENT = {
    "LogSumExp.backward: return dy.reshape(kept) * np.exp(x - np.where(y == -np.inf, 1, y).reshape(kept))":
        "every x is −∞ there: e to the −∞ minus any number is 0",
    "Max.backward: return dy.reshape(kept) * (top / top.sum(axis=axis, keepdims=True))":
        "the engine casts the gradient itself, as a line of its own",
    "Min.backward: return dy.reshape(kept) * (bottom / bottom.sum(axis=axis, keepdims=True))":
        "the engine casts the gradient itself, as a line of its own",
    "Norm.backward: return dy.reshape(kept) * np.where(length > 0, x / np.where(length > 0, length, 2), 0)":
        "the quotient is not taken there: any divisor but 0 will do",
    "Power.backward_a: return dy * (b * np.where(flat, 2, a) ** (b - 1))":
        "b is 0 there: any base but 0 will do",
    "Std.backward: return dy.reshape(kept) * "
    "np.where(spread > 0, (x - mean) / (n * np.where(spread > 0, spread, 2)), 0)":
        "the quotient is not taken there: any divisor but 0 will do",
}  # fmt: skip


# ---- making mutants


def changes(node: ast.expr) -> Iterator[ast.expr]:
    """What might be written by mistake instead of an expression."""
    match node:
        case ast.BinOp(left, operator, right):
            yield left
            yield right
            if isinstance(operator, ast.Sub | ast.Div | ast.MatMult | ast.Pow):
                yield ast.BinOp(right, operator, left)
            if type(operator) in OTHER:
                yield ast.BinOp(left, OTHER[type(operator)](), right)
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.Compare(left, [operator], [right]):
            for table in (OTHER, OPPOSITE):
                if type(operator) in table:
                    yield ast.Compare(left, [table[type(operator)]()], [right])
        case ast.Constant(value) if isinstance(value, bool):
            yield ast.Constant(not value)
        case ast.Constant(value) if isinstance(value, int | float):
            yield ast.Constant(value + 1)
        case ast.Attribute(value, "mT"):
            yield value
        case ast.Subscript(value, _):
            yield value
        case ast.Call(ast.Attribute(ast.Name("np"), "where"), [condition, yes, no]):
            yield yes
            yield no
            yield ast.Call(node.func, [condition, no, yes], [])
        case ast.Call(ast.Attribute(receiver, _), arguments, keywords):
            yield arguments[0] if ast.unparse(receiver) == "np" else receiver
            for i, keyword in enumerate(keywords):
                if keyword.arg == "axis":
                    others = [*keywords[:i], ast.keyword("axis", ast.Constant(None)), *keywords[i + 1 :]]
                    yield ast.Call(node.func, arguments, others)
        case ast.Call(_, [*_, argument], []):
            yield argument


def wrong_results(result: ast.expr) -> Iterator[ast.expr]:
    """The whole gradient negated, doubled, lost; two gradients exchanged."""
    parts = result.elts if isinstance(result, ast.Tuple) else [result]
    for i, part in enumerate(parts):
        if ast.unparse(part).startswith(("None", "np.zeros_like")):  # twice nothing is nothing
            continue
        for wrong in (ast.UnaryOp(ast.USub(), part), ast.BinOp(ast.Constant(2), ast.Mult(), part),
                      ast.BinOp(ast.Constant(0), ast.Mult(), part)):  # fmt: skip
            yield wrong if len(parts) == 1 else ast.Tuple([*parts[:i], wrong, *parts[i + 1 :]], ast.Load())
    for i in range(len(parts) - 1):
        swapped = [*parts[:i], parts[i + 1], parts[i], *parts[i + 2 :]]
        yield ast.Tuple(swapped, ast.Load())


def mutants(function: Callable[..., Any]) -> Iterator[tuple[str, ast.FunctionDef]]:
    """(the changed line, the changed function), each different from the original and from the others."""
    original = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(original, ast.FunctionDef)
    seen = {ast.unparse(original)}
    result = original.body[-1].value  # type: ignore[attr-defined]
    places = (node for statement in original.body for node in ast.walk(statement))
    for place in places:
        if not isinstance(place, ast.expr):
            continue
        wrong = [*changes(place), *(wrong_results(place) if place is result else ())]
        for replacement in wrong:
            tree = Replace(place, replacement).visit(copy_of(original, place))
            ast.fix_missing_locations(tree)
            if ast.unparse(tree) not in seen:
                seen.add(ast.unparse(tree))
                [changed] = set(map(ast.unparse, tree.body)) - set(map(ast.unparse, original.body))
                yield changed, tree


def copy_of(tree: ast.FunctionDef, place: ast.expr) -> ast.FunctionDef:
    """A copy that still holds the very node that is to be replaced."""
    return copy.deepcopy(tree, {id(place): place})


class Replace(ast.NodeTransformer):
    def __init__(self, place: ast.expr, replacement: ast.expr) -> None:
        self.place = place
        self.replacement = replacement

    def visit(self, node: ast.AST) -> Any:
        return self.replacement if node is self.place else super().visit(node)


@contextmanager
def broken(op: Any, name: str, tree: ast.FunctionDef) -> Iterator[None]:
    """The op with another backward; plans hold the functions that they bind, so they go too."""
    original = getattr(op, name)
    namespace = dict(sys.modules[op.__module__].__dict__)
    exec(compile(ast.Module([tree], []), f"<mutant of {op.__name__}.{name}>", "exec"), namespace)
    op.plans.clear()
    setattr(op, name, staticmethod(namespace[name]))
    try:
        yield
    finally:
        op.plans.clear()
        setattr(op, name, staticmethod(original))


# ---- killing them


def killer(rows: list[Row]) -> str | None:
    """The first check that fails, or None."""
    for row in rows:
        for check in checks_of(row):
            try:
                for_examples(EXAMPLES, row, partial(without_warnings, check, row))
            except Exception:
                return f"{row}: {check.__name__}"
    special = [partial(check_convention, convention, float) for convention in CONVENTIONS]
    for check in special + [partial(check_second_derivative, formula) for formula in SECOND_DERIVATIVES]:
        try:
            check()
        except Exception:
            return str(check.args[0])
    return None


def main(names: list[str]) -> int:
    """Print what survives as it is found, then a line an op; the result is the number of survivors."""
    ops = sorted(every_op(), key=lambda op: (op.__module__, op.__name__))
    lines = []
    for op in ops:
        if op.backwards and (not names or op.__name__ in names):
            rows = rows_of(op)
            assert (by := killer(rows)) is None, f"{op.__name__} fails as it is: {by}"
            counts = dict.fromkeys(("killed", "equivalent", "survived"), 0)
            for name in op.backwards:
                for change, tree in mutants(getattr(op, name)):
                    with broken(op, name, tree):
                        by = killer(rows)
                    title = f"{op.__name__}.{name}: {change}"
                    fate = "killed" if by else "equivalent" if title in EQUIVALENT else "survived"
                    counts[fate] += 1
                    if fate == "survived" or (by and title in EQUIVALENT):
                        print(f"{fate} {title} {by or ''}", flush=True)
            lines.append((op.__name__, *counts.values()))
    killed, equivalent, survived = (sum(column) for column in list(zip(*lines, strict=True))[1:])
    print(f"{'op':<30}{'killed':>8}{'equivalent':>12}{'survived':>10}")
    for line in [*lines, ("all", killed, equivalent, survived)]:
        print("{:<30}{:>8}{:>12}{:>10}".format(*line))
    print(f"kill rate {killed / (killed + survived):.1%} of the mutants that compute something else")
    return survived


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
