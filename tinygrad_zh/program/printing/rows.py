"""Rows: the statements of a listing on their way to what is printed. 程序的行"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tinygrad_zh.core.tape import Line
from tinygrad_zh.program.listing import Listing, Statement


@dataclass
class Row:
    """An assignment, the lines of the tape that begin in it, and the one that it is a part of."""

    tree: ast.Assign
    lines: list[Line]
    section: str
    part_of: Line

    @property
    def targets(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.targets[0]) if isinstance(n, ast.Name)]

    @property
    def reads(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.value) if isinstance(n, ast.Name)]

    @property
    def bound(self) -> list[str]:
        """The names of comprehensions and lambdas in it."""
        nodes = list(ast.walk(self.tree.value))
        loops = [n.id for part in nodes if isinstance(part, ast.comprehension) for n in ast.walk(part.target)
                 if isinstance(n, ast.Name)]
        return loops + [n.arg for n in nodes if isinstance(n, ast.arg)]


def rows_of(statements: Iterable[Statement]) -> list[Row]:
    rows, begun = [], set()
    for s in statements:
        begins = [] if id(s.line) in begun else [s.line]
        rows.append(Row(ast.fix_missing_locations(copied(s.tree)), begins, s.section, s.line))
        begun.add(id(s.line))
    return rows


def copied(tree: Any) -> Any:
    """A tree of its own."""
    if isinstance(tree, ast.AST):
        return type(tree)(**{name: copied(value) for name, value in ast.iter_fields(tree)})
    return [copied(part) for part in tree] if isinstance(tree, list) else tree


def required(listing: Listing) -> set[str]:
    """The names that the program is for."""
    latest = {leaf: new for new, leaf in listing.updates.items()}
    return {listing.loss, *listing.gradients.values(), *latest.values(), *listing.outputs}


class Put(ast.NodeTransformer):
    """An expression in the place of a name."""

    def __init__(self, name: str, value: ast.expr) -> None:
        self.name, self.value = name, value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copied(self.value) if node.id == self.name else node


class Renamed(ast.NodeTransformer):
    """Names in the place of others."""

    def __init__(self, names: dict[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)
