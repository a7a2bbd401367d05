"""Straight-line NumPy as index arithmetic: what every array holds at an index. 把 NumPy 语句变成逐元素的下标运算"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any


class NotLowerable(Exception):
    """Something that the compiler does not know; the formulas run instead."""


def lower(statements: Sequence[ast.Assign], values: Mapping[str, Any]) -> list[Any]:
    """The steps that these statements stand for: Pointwise, Reduction, Product, ScatterSum, in order."""
    raise NotImplementedError
