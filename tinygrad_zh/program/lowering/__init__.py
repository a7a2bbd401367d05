"""Straight-line NumPy as index arithmetic: what every array holds at an index. 把 NumPy 语句变成逐元素的下标运算

    lower(statements, values)       Pointwise, Reduction, Product and ScatterSum steps, each with its index expressions
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_zh.program.lowering.evaluation import Evaluation, check_dtypes
from tinygrad_zh.program.lowering.expressions import (
    Apply,
    Counter,
    Element,
    Expression,
    Gather,
    NotAView,
    NotLowerable,
    Number,
    Place,
)
from tinygrad_zh.program.lowering.steps import Looped, Pointwise, Product, Reduction, ScatterSum, Step, read_by

__all__ = ["Apply", "Counter", "Element", "Expression", "Gather", "Looped", "NotLowerable", "Number", "Place",
           "Pointwise", "Product", "Reduction", "ScatterSum", "Step", "lower", "read_by"]

_UNKNOWN = (NotAView, AttributeError, IndexError, KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError)


def lower(statements: Sequence[ast.Assign], values: Mapping[str, Any]) -> list[Step]:
    """The steps that these statements stand for, in order.

    values: what the names mean that are read before they are assigned: arrays, of which only shapes and dtypes matter,
    numbers, which are constants, and the helper functions that are called. Every assigned name is written by a step;
    names that begin with an underscore are intermediate. Raises NotLowerable for anything unknown.
    """
    evaluation = Evaluation(values)
    for statement in statements:
        try:
            evaluation.run(statement)
        except _UNKNOWN as error:
            raise NotLowerable(f"{ast.unparse(statement)}: {error}") from error
    check_dtypes(evaluation.steps)
    return evaluation.steps
