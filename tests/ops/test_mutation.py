"""The checks notice a broken backward, and the breaking tool puts the op back."""

from __future__ import annotations

import pytest

from tests.mutation import broken, killer, mutants
from tests.ops.table import TABLE
from tinygrad_zh.ops.activation import Softmax, Tanh
from tinygrad_zh.ops.linear import MatMul

ROWS = {str(row): row for row in TABLE}


@pytest.mark.parametrize(
    ("op", "name", "row", "mistake", "check"),
    [
        (Tanh, "backward", "tanh", "return dy * (1 + y * y)", "partials_are_difference_quotients"),
        (Softmax, "backward", "softmax", "return 0 * (y * (dy - (dy * y).sum(axis=axis, keepdims=True)))",
         "partials_are_difference_quotients"),
        (MatMul, "backward_b", "matmul", "return a @ dy", "memory_layout_does_not_matter"),
    ],
)  # fmt: skip
def test_a_broken_backward_is_noticed(op, name, row, mistake, check):
    original = getattr(op, name)
    tree = dict(mutants(original))[mistake]
    with broken(op, name, tree):
        assert getattr(op, name) is not original
        assert killer([ROWS[row]]) == f"{row}: {check}"
    assert getattr(op, name) is original


def test_every_mutant_differs_from_its_original_in_one_line():
    lines = [line for line, _ in mutants(Tanh.backward)]
    assert len(lines) == len(set(lines)) and "return dy * (1 - y * y)" not in lines
