"""The local Jacobian: its transpose times the upstream gradient is the partial, for every op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.reach import for_examples
from tests.stepper.building.lines import ROWS, partials, recorded
from tinygrad_zh import functional as F
from tinygrad_zh.core import Tape
from tinygrad_zh.core.tape import recording
from tinygrad_zh.stepper.building.explaining import jacobian


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


def dense(packed: dict[str, Any]) -> Any:
    matrix = np.zeros((packed["rows"], packed["columns"]))
    if packed["kind"] == "identity":
        return np.eye(packed["rows"])
    if packed["kind"] == "diagonal":
        return np.diag(packed["values"])
    matrix[packed["row"], packed["column"]] = packed["values"]
    return matrix


def of(run: Any, name: str, slot: int = 0) -> dict[str, Any]:
    with recording(Tape()) as tape:
        y = run()
        y.backward(np.ones(y.shape))
    for line in tape.of("backward"):
        if line.info["op"].__name__ == name and slot in line.info["slots"]:
            found = jacobian(line, slot)
            assert found is not None
            return found
    raise AssertionError(f"no backward of {name}")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_its_transpose_takes_the_upstream_gradient_to_the_partial(row: Any) -> None:
    def check(case: Any) -> None:
        for line, slot, raw in partials(recorded(row, case)):
            packed = jacobian(line, slot)
            many = line.info["op"].many
            upstream = next(a for a in line.arguments if type(a) is tuple) if many else [line.arguments[0]]
            rows = np.concatenate([np.ravel(dy) for dy in upstream])
            if packed is None:
                assert max(rows.size, raw.size) > 64 or not rows.size
                continue
            matrix = dense(packed)
            assert matrix.shape == (rows.size, raw.size)
            scale = 1e-12 * (1 + np.abs(matrix).T @ np.abs(rows))
            assert (np.abs(matrix.T @ rows - np.ravel(raw)) <= scale).all()

    for_examples(8, row, check)


@pytest.mark.parametrize(("run", "name", "slot"), [
    (lambda: leaf([1.0, 2.0]) + leaf([3.0, 4.0]), "Add", 1),
    (lambda: leaf([[1.0, 2.0], [3.0, 4.0]]).reshape(4), "Reshape", 0),
    (lambda: leaf([[1.0]]).sum(), "Sum", 0),
])
def test_an_identity_has_no_lists(run: Any, name: str, slot: int) -> None:
    packed = of(run, name, slot)
    assert packed == {"rows": packed["rows"], "columns": packed["rows"], "kind": "identity"}


def test_an_elementwise_op_has_a_diagonal_with_its_zeros() -> None:
    assert of(lambda: F.relu(leaf([-1.0, 2.0, 3.0])), "ReLU") == {
        "rows": 3, "columns": 3, "kind": "diagonal", "values": [0.0, 1.0, 1.0]}
    assert of(lambda: F.relu(leaf([-1.0, -2.0])), "ReLU")["values"] == [0.0, 0.0]


def test_a_product_of_matrices_is_the_kronecker_product() -> None:
    b = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    packed = of(lambda: leaf(np.ones((2, 2))) @ leaf(b), "MatMul")
    assert packed["kind"] == "sparse"
    np.testing.assert_array_equal(dense(packed), np.kron(np.eye(2), b.T))


def test_a_softmax_is_symmetric_and_its_rows_sum_to_zero() -> None:
    matrix = dense(of(lambda: F.softmax(leaf([0.5, -1.0, 2.0])), "Softmax"))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-16)
    np.testing.assert_allclose(matrix.sum(axis=1), 0, atol=1e-16)


def test_columns_are_the_input_as_it_was_broadcast() -> None:
    packed = of(lambda: leaf(np.full((2, 3), 2.0)) * leaf([2.0, 3.0, 4.0]), "Mul", 1)
    assert packed == {"rows": 6, "columns": 6, "kind": "diagonal", "values": [2.0] * 6}


def test_the_parts_of_a_split_follow_one_another() -> None:
    def run() -> tz.Tensor:
        first, second = F.split(leaf([1.0, 2.0, 3.0]), [1])
        return first.sum() + second.sum()

    assert of(run, "Split") == {"rows": 3, "columns": 3, "kind": "identity"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_spoils_only_what_depends_on_it(bad: float) -> None:
    matrix = dense(of(lambda: leaf([1.0, 1.0, 1.0]) * leaf([2.0, bad, 3.0]), "Mul"))
    np.testing.assert_array_equal(matrix, np.diag([2.0, bad, 3.0]))


@pytest.mark.parametrize("shape", [(65,), (5, 13)])
def test_a_larger_one_is_not_made(shape: tuple[int, ...]) -> None:
    with recording(Tape()) as tape:
        F.relu(leaf(np.ones(shape))).backward(np.ones(shape))
        leaf(np.ones(shape)).sum().backward()
    assert [jacobian(line, 0) for line in tape.of("backward")] == [None, None]


def test_sixty_four_rows_are_not_too_many() -> None:
    assert of(lambda: leaf(np.ones((8, 8))) * leaf(2.0), "Mul")["rows"] == 64
