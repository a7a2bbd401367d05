"""Numba CUDA kernels with one mistake each: a barrier gone, a bound that lets one more in, a range one too long."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator
from types import CellType, FunctionType
from typing import Any, NamedTuple

BARRIERS = ("syncthreads", "syncwarp")
WIDER = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}


class Mutant(NamedTuple):
    """A function to take the place of another. change: its name, what stood there, what stands there now."""

    original: FunctionType
    function: FunctionType
    change: str


def functions(kernel: Any) -> Iterator[FunctionType]:
    """A kernel's function and those of the device functions that it calls, each once."""
    seen: set[FunctionType] = set()
    waiting = [kernel.py_func]
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        yield function
        named = [function.__globals__.get(name) for name in function.__code__.co_names]
        closed = [cell.cell_contents for cell in function.__closure__ or ()]
        waiting += [value.py_func for value in (*named, *closed) if hasattr(value, "py_func")]


def mutants(function: FunctionType) -> Iterator[Mutant]:
    """Every mutant of one function."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    tree.decorator_list = []
    seen: Counter[str] = Counter()
    for place, node in enumerate(ast.walk(tree)):
        for before, after in _changes(node):
            seen[before] += 1
            changed = ast.parse(ast.unparse(tree)).body[0]
            here = next(n for i, n in enumerate(ast.walk(changed)) if i == place)
            _apply(here, after)
            which = f" ({seen[before]})" if after is None else ""
            change = f"{function.__name__}: {before}{which} → {ast.unparse(after) if after else 'nothing'}"
            yield Mutant(function, _compiled(changed, function), change)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr | None]]:
    """(what stands there, what will): None for nothing."""
    match node:
        case ast.Expr(ast.Call(ast.Attribute(attr=name))) if name in BARRIERS:
            yield ast.unparse(node), None
        case ast.Compare(left, [op], [right]) if type(op) in WIDER:
            yield ast.unparse(node), ast.Compare(left, [WIDER[type(op)]()], [right])
        case ast.Call(ast.Name("range"), arguments):
            at = min(1, len(arguments) - 1)
            for sign in (ast.Add(), ast.Sub()):
                other = list(arguments)
                other[at] = ast.BinOp(other[at], sign, ast.Constant(1))
                yield ast.unparse(node), ast.Call(node.func, other, [])


def _apply(node: ast.AST, after: ast.expr | None) -> None:
    """Turn the node into the other in place."""
    match node, after:
        case ast.Expr(), None:
            node.value = ast.Constant(None)
        case ast.Compare(), ast.Compare():
            node.ops = after.ops
        case ast.Call(), ast.Call():
            node.args = after.args


class Endless(Exception):
    """A loop has gone round more often than any that ends."""


class Patience:
    """Called in every round of every `while` of a mutant."""

    rounds = 0

    def __call__(self) -> None:
        self.rounds += 1
        if self.rounds > 300_000:
            raise Endless


patience = Patience()


def _compiled(tree: ast.AST, function: FunctionType) -> FunctionType:
    """The function of this tree with the globals and the closure of the other."""
    for loop in [node for node in ast.walk(tree) if isinstance(node, ast.While)]:
        loop.body.insert(0, ast.parse("patience()").body[0])
    cells = {**dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)),
             "patience": CellType(patience)}
    outer = ast.parse(f"def outer({', '.join(cells)}):\n    pass").body[0]
    assert isinstance(outer, ast.FunctionDef)
    outer.body = [tree]
    module = compile(ast.fix_missing_locations(ast.Module([outer], [])), f"<mutant of {function.__name__}>", "exec")
    code = next(c for c in next(c for c in module.co_consts if hasattr(c, "co_consts")).co_consts
                if hasattr(c, "co_consts"))
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__,
                        tuple(cells[name] for name in code.co_freevars))
