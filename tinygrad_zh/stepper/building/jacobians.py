"""The local Jacobian ∂y/∂x of a small op, row by row: the op's backward on unit upstream gradients. 局部雅可比矩阵"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core import Line
from tinygrad_zh.stepper.building.rule import Array, Rule, apart, raw_of

LARGEST = 64


def jacobian(line: Line, slot: int) -> dict[str, Any] | None:
    """∂outputs/∂(input slot), both flattened, when neither has more than 64 elements; else None.

    Rows are the outputs that the formula has an upstream gradient for, one after the other; columns are the input as it
    was broadcast. raw = Jᵀ · upstream.
    """
    raw = raw_of(line, slot)
    if raw is None or not 0 < raw.size <= LARGEST:
        return None
    rule = Rule(line)
    if not 0 < rule.size <= LARGEST:
        return None
    with apart():
        try:
            matrix = rule.coefficients(lambda arguments: _rows(rule, slot, arguments))
        except Exception:  # a user's formula may raise anything
            return None
    return _packed(matrix)


def _rows(rule: Rule, slot: int, arguments: Sequence[Any]) -> Array:
    return np.array([np.ravel(row).astype(np.float64) for row in rule.rows(slot, arguments)])


def _packed(matrix: Array) -> dict[str, Any]:
    rows, columns = matrix.shape
    size = {"rows": rows, "columns": columns}
    if rows == columns and np.array_equal(matrix, np.eye(rows)):
        return size | {"kind": "identity"}
    row, column = np.nonzero(matrix)
    if rows == columns and np.array_equal(row, column):
        return size | {"kind": "diagonal", "values": np.diag(matrix).tolist()}
    lists = {"row": row.tolist(), "column": column.tolist(), "values": matrix[row, column].tolist()}
    return size | {"kind": "sparse"} | lists
