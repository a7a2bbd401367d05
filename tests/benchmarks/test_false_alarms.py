"""benchmarks/false_alarms.py reaches every backward, breaks it, and puts it back."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.false_alarms import ERRORS, alarms, backwards, cases, scaled, sharpness, totals
from tests.ops.checks import gradients
from tests.ops.reach import every_op
from tests.ops.table import ACTIVATIONS
from tinygrad_zh.ops.activation import Sigmoid

SIGMOID = next(row for row in ACTIVATIONS if str(row) == "sigmoid")


def test_some_row_runs_every_backward_of_every_op():
    assert set(backwards()) == {f"{op.__name__}.{key}" for op in every_op() for key in op.backwards}


def test_a_scaled_backward_is_put_back():
    case = cases(SIGMOID, 3)[-1]
    before = gradients(SIGMOID, case, case.arrays)
    with scaled(Sigmoid, "backward", 3.0):
        np.testing.assert_allclose(gradients(SIGMOID, case, case.arrays)[0], 3 * before[0], rtol=1e-15)
    np.testing.assert_array_equal(gradients(SIGMOID, case, case.arrays)[0], before[0])


def test_a_right_row_raises_no_alarm_and_a_broken_one_in_every_case():
    assert alarms("sigmoid", 3)["alarms"] == []
    with scaled(Sigmoid, "backward", 2.0):
        broken = alarms("sigmoid", 3)
    first = [alarm["case"] for alarm in broken["alarms"] if alarm["order"] == 1]
    assert first == [i for i, case in enumerate(cases(SIGMOID, 3)) if case.arrays[0].size] and len(first) >= 2


def test_errors_down_to_a_millionth_are_caught():
    found = sharpness("Sigmoid.backward", 12)
    assert list(found) == [f"{error:.0e}" for error in ERRORS]
    assert all(found[f"{error:.0e}"][0] == found[f"{error:.0e}"][1] > 0 for error in ERRORS if error >= 1e-6)
    assert totals({"backwards": {"a": found, "b": found}})["1e-03"] == [2 * n for n in found["1e-03"]]


@pytest.mark.parametrize("name", ["sigmoid", "matmul"])
def test_the_cases_are_the_same_every_time(name):
    assert alarms(name, 2)["checked"] == alarms(name, 2)["checked"]
    first, again = (cases(SIGMOID, 5) for _ in range(2))
    assert [c.arrays[0].tobytes() for c in first] == [c.arrays[0].tobytes() for c in again]
