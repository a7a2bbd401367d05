"""From straight-line NumPy to compiled loops. 从直线 NumPy 程序到编译好的循环

    items = lowered(statements, values, wanted)          what is computed, in as few passes over memory as possible
    lines, texts = [], {}
    for item in items:
        lines += item.lines()                            calls, over arrays of the names
        texts |= item.definitions()                      the loops that are called
    function = module("step", parameters, lines, texts)

The statements are those that the ops' own formulas stand for; nothing here knows an op. What is not known is not
lowered: `can_lower` says so, and then the formulas run.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_zh.program.lowering import NotLowerable, lower
from tinygrad_zh.program.native.cache import module
from tinygrad_zh.program.native.items import Item, items

__all__ = ["Item", "can_lower", "lowered", "module"]


def can_lower(statements: Sequence[ast.Assign], values: Mapping[str, Any]) -> bool:
    """Whether `lowered` knows all that these statements do with arrays of these shapes and dtypes."""
    try:
        lower(statements, values)
    except NotLowerable:
        return False
    return True


def lowered(statements: Sequence[ast.Assign], values: Mapping[str, Any], wanted: set[str]) -> list[Item]:
    """What a run of statements computes, as items that are to be executed in this order.

    values: arrays of the shapes and dtypes of all names that are read before they are assigned; their numbers do not
    matter, a Python number is a constant. wanted: assigned names that others read; the rest need not be stored.
    Raises NotLowerable where `can_lower` is False.
    """
    return items(lower(statements, values), wanted)
