"""An element of a nested list, from its place in memory. 由内存位置得到嵌套列表的下标

    x of 4 × 2, offset 0, strides (1, 2)        x.T[i, j]        x[j][i]

Every index is a sum, c + a i + b j …, of loop variables that run from 0 to their length.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tinygrad_zh.program.lowering.expressions import Shape, c_strides


class Index(NamedTuple):
    """constant + Σ factor · variable"""

    constant: int
    factors: tuple[tuple[str, int], ...] = ()

    def bounds(self, lengths: Mapping[str, int]) -> tuple[int, int]:
        """The smallest and the largest value."""
        reach = [factor * (lengths[name] - 1) for name, factor in self.factors]
        return self.constant + sum(r for r in reach if r < 0), self.constant + sum(r for r in reach if r > 0)


def variable(name: str) -> Index:
    return Index(0, ((name, 1),))


def combined(constant: int, terms: Sequence[tuple[int, Index]]) -> Index:
    """constant + Σ factor · index

    >>> combined(3, [(2, variable("i")), (1, Index(1, (("j", 1),)))])
    Index(constant=4, factors=(('i', 2), ('j', 1)))
    """
    factors: dict[str, int] = {}
    for factor, index in terms:
        constant += factor * index.constant
        for name, each in index.factors:
            factors[name] = factors.get(name, 0) + factor * each
    return Index(constant, tuple((name, factor) for name, factor in factors.items() if factor))


def separated(address: Index, shape: Shape, lengths: Mapping[str, int]) -> list[Index] | None:
    """An index for each axis of an array in C order, of one address in it; None where an axis has to be cut.

    >>> separated(combined(0, [(1, variable("i")), (2, variable("j"))]), (4, 2), {"i": 2, "j": 4})
    [Index(constant=0, factors=(('j', 1),)), Index(constant=0, factors=(('i', 1),))]
    """
    strides, rest = c_strides(shape), address.constant
    parts: list[list[tuple[int, Index]]] = [[] for _ in shape]
    constants = []
    for n, stride in zip(shape, strides, strict=True):
        constants.append(rest // stride if n > 1 else 0)
        rest -= constants[-1] * stride
    for name, factor in address.factors:
        axis = next((d for d, n in enumerate(shape) if n > 1 and factor % strides[d] == 0), None)
        if axis is None:
            return None
        parts[axis].append((factor // strides[axis], variable(name)))
    indices = [combined(c, terms) for c, terms in zip(constants, parts, strict=True)]
    bounds = [index.bounds(lengths) for index in indices]
    fits = all(low >= 0 and high < n for n, (low, high) in zip(shape, bounds, strict=True))
    return indices if fits and not rest else None


def cut(address: Index, shape: Shape) -> list[ast.expr]:
    """The same for any address, by division: x[i // 3][i % 3]."""
    found = []
    for d, (n, stride) in enumerate(zip(shape, c_strides(shape), strict=True)):
        whole = ast.unparse(written(address))
        part = f"({whole}) // {stride}" if stride > 1 else f"({whole})"
        found.append(ast.parse(f"({part}) % {n}" if d else part, mode="eval").body)
    return found


def written(index: Index) -> ast.expr:
    """2 * i + j + 1"""
    terms = [name if factor == 1 else f"{factor} * {name}" for name, factor in
             sorted(index.factors, key=lambda pair: pair[1] < 0)]
    if index.constant or not terms:
        terms.insert(0 if any(f < 0 for _, f in index.factors) else len(terms), str(index.constant))
    text = " + ".join(terms).replace("+ -1 * ", "- ").replace("+ -", "- ")
    return ast.parse(text, mode="eval").body


def element(name: str, indices: Sequence[ast.expr]) -> ast.expr:
    """name[i][j]"""
    node: ast.expr = ast.Name(name, ast.Load())
    for index in indices:
        node = ast.Subscript(node, index, ast.Load())
    return node
