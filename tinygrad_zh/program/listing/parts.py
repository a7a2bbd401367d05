"""A program, and what it is made of: leaves, statements, hints for those who name its values. 程序的组成部分"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NamedTuple

from tinygrad_zh.core.tape import Line

FORWARD, LOSS, BACKWARD, UPDATE = "forward", "loss", "backward", "update"


class Hint(NamedTuple):
    """What a value is. kind: "value" (of the user's program), "gradient" of another value, "update" of a leaf, or
    "local" to a formula. base: what it would like to be called. own: the user's program has that name for it.
    number: of the layer whose formula it is local to."""

    kind: str
    base: str = ""
    of: str = ""
    own: bool = False
    number: str = ""


class Leaf(NamedTuple):
    """What the program starts from. kind: "input", "parameter", "state", "constant", "rate" (of learning), "setting" (a
    number of the user's) or "generator" (its value is the state before the first draw). path: where it is in the
    model."""

    name: str
    value: Any
    kind: str
    path: str = ""


@dataclass
class Statement:
    """An assignment, the line of the tape that it is a part of, and the section that it stands in."""

    tree: ast.Assign
    line: Line
    section: str

    @property
    def targets(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.targets[0]) if isinstance(n, ast.Name)]

    @property
    def reads(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.value) if isinstance(n, ast.Name)]


@dataclass
class Listing:
    """The program. values: the recorded array of each name that is no formula's own. gradients: of each leaf, by its
    name. updates: the new value's name -> the leaf's."""

    title: str
    about: str = ""  # what the whole is, in words
    leaves: list[Leaf] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    helpers: dict[str, FunctionType] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    hints: dict[str, Hint] = field(default_factory=dict)
    loss: str = ""
    gradients: dict[str, str] = field(default_factory=dict)
    updates: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    reserved: frozenset[str] = frozenset()  # names of the user's, which nothing else takes

    def leaf(self, name: str) -> Leaf | None:
        return next((leaf for leaf in self.leaves if leaf.name == name), None)
