"""One expression, without what says nothing in NumPy. 表达式的化简

    x.mean(axis=None, keepdims=False)           x.mean()                    defaults
    x[slice(None), 0]                           x[:, 0]
    np.arange(10, like=x)                       np.arange(10)               NumPy is all there is
    W.transpose((1, 0)).mT                      W
"""

from __future__ import annotations

import ast
from typing import Any

import numpy as np

from tinygrad_zh.program.listing import Listing

LONG = 14
"""Characters of a number that nobody would write."""


class Plain(ast.NodeTransformer):
    """Leaves out what says nothing in NumPy."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        placed = any(k.arg == "like" for k in node.keywords)
        node.keywords = [k for k in node.keywords if k.arg != "like" and not (
            method in REDUCTIONS and isinstance(k.value, ast.Constant) and
            ((k.arg == "axis" and k.value.value is None) or (k.arg == "keepdims" and k.value.value is False)))]
        if method in REDUCTIONS:  # axis=(0,)
            for k in node.keywords:
                if k.arg == "axis" and isinstance(k.value, ast.Tuple) and len(k.value.elts) == 1:
                    k.value = k.value.elts[0]
        if placed and method == "asarray" and isinstance(node.args[0], ast.Compare):
            return node.args[0]
        if method == "broadcast_to":  # which gives a number its axes itself
            node.args[0] = _OfNumbers(self.listing).visit(node.args[0])
        if method == "transpose" and len(node.args) == 1:
            return _transposed(node)
        return node.func.value if self._in_its_own_shape(node) else node  # type: ignore[attr-defined]

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """0.16666666666666666 is 1 / 6, and 0.17677669529663687 is 32 ** -0.5."""
        if not isinstance(node.value, float) or len(repr(node.value)) < LONG:
            return node
        for n in range(2, 1001):
            whole = round(node.value * n)
            if 0 < abs(whole) < 10_000 and whole / n == node.value:
                return ast.parse(f"{whole} / {n}", mode="eval").body
            if n**-0.5 == node.value:
                return ast.parse(f"{n} ** -0.5", mode="eval").body
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """x.mT of a matrix is x.T, and x.T.T is x."""
        self.generic_visit(node)
        inner = node.value
        if isinstance(inner, ast.Attribute) and {inner.attr, node.attr} <= {"T", "mT"} \
                and (inner.attr == node.attr or self._matrix(inner.value)):
            return inner.value
        return ast.Attribute(inner, "T", node.ctx) if node.attr == "mT" and self._matrix(inner) else node

    def _matrix(self, node: ast.expr) -> bool:
        value: Any = self.listing.values.get(node.id) if isinstance(node, ast.Name) else None
        return np.ndim(value) == 2

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """x ** 1 is x."""
        self.generic_visit(node)
        one = isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value == 1
        return node.left if one else node

    def _in_its_own_shape(self, node: ast.Call) -> bool:
        """x.reshape(the shape that x has)"""
        x = node.func.value if isinstance(node.func, ast.Attribute) and node.func.attr == "reshape" else None
        value = self.listing.values.get(x.id) if isinstance(x, ast.Name) else None
        return value is not None and len(node.args) == 1 and ast.unparse(node.args[0]) == repr(value.shape)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value = self.visit(node.value)
        node.slice = _sliced(node.slice)
        if not isinstance(node.slice, (ast.Slice, ast.Tuple)):
            node.slice = self.visit(node.slice)
        return node

    def visit_Tuple(self, node: ast.Tuple) -> ast.expr:
        """An index that is handed to a function."""
        if any(isinstance(_sliced(part), ast.Slice) for part in node.elts):
            return ast.Subscript(ast.parse("np.s_", mode="eval").body, _sliced(node), ast.Load())
        return self.generic_visit(node)  # type: ignore[return-value]


class _OfNumbers(ast.NodeTransformer):
    """Numbers without x.reshape((1, 1))."""

    def __init__(self, listing: Listing) -> None:
        self.listing = listing

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = node.func
        x = function.value if isinstance(function, ast.Attribute) and function.attr == "reshape" else None
        value = self.listing.values.get(x.id) if isinstance(x, ast.Name) else None
        return x if x is not None and value is not None and not value.ndim else node


def _transposed(node: Any) -> Any:
    """x.transpose((1, 0)) is x.T, and x.transpose((0, 2, 1)) is x.mT."""
    try:
        axes = ast.literal_eval(node.args[0])
    except ValueError:
        return node
    if not isinstance(axes, tuple) or axes != (*range(len(axes) - 2), len(axes) - 1, len(axes) - 2):
        return node
    return ast.Attribute(node.func.value, "T" if len(axes) == 2 else "mT", ast.Load())


REDUCTIONS = frozenset({"sum", "mean", "max", "min", "prod", "argmax", "argmin"})


def _sliced(index: ast.expr) -> ast.expr:
    """slice(None, 2, None) in brackets is :2."""
    if isinstance(index, ast.Tuple):
        parts = [_sliced(part) for part in index.elts]
        return ast.Tuple(parts, ast.Load()) if parts else index
    if isinstance(index, ast.Call) and isinstance(index.func, ast.Name) and index.func.id == "slice":
        ends = [None if isinstance(a, ast.Constant) and a.value is None else a for a in index.args]
        return ast.Slice(*ends)
    return index
