"""The numeric check: near the analytic number for every op, silent at kinks, and sure of a wrong backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.reach import for_examples
from tests.stepper.building.lines import ROWS, partials, picks, recorded
from tinygrad_zh import functional as F
from tinygrad_zh.core import Tape
from tinygrad_zh.core.tape import recording
from tinygrad_zh.stepper.building.explaining import numeric_check
from tinygrad_zh.stepper.building.numeric import LARGEST

NEAR = {np.float64: 1e-5, np.float32: 1e-4, np.float16: 1e-3}
"""Wrong factors and signs are errors of 0.1 and more in float64; the front ends draw the line at 1e-4."""


def leaf(values: Any, dtype: Any = np.float64) -> tz.Tensor:
    return tz.tensor(np.asarray(values, dtype), requires_grad=True)


def check_of(run: Any, pick: tuple[int, ...], slot: int = 0, name: str = "") -> dict[str, Any]:
    with recording(Tape()) as tape:
        y = run()
        y.backward(np.ones(y.shape))
    lines = [line for line in tape.of("backward") if slot in line.info["slots"]
             and name in ("", line.info["op"].__name__)]
    raw = lines[0].outputs[lines[0].info["slots"].index(slot)]
    return numeric_check(lines[0], slot, pick, float(raw[pick]))


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_it_is_near_the_analytic_number(row: Any, dtype: Any) -> None:
    checked = []

    def check(case: Any) -> None:
        for line, slot, raw in partials(recorded(row, case, dtype)):
            for pick in picks(case.seed, raw.shape, 2):
                found = numeric_check(line, slot, pick, float(raw[pick]))
                checked.append("numeric" in found)
                assert found.get("why") in (None, "kink"), (line, slot, pick, found)
                if "numeric" in found:
                    assert set(found) == {"numeric", "error", "step"}
                    assert all(type(v) is float for v in found.values())
                    assert found["error"] <= NEAR[dtype], (line, slot, pick, raw[pick], found)

    for_examples(8, row, check)
    assert np.mean(checked) > 0.9


class Wrong(tz.Op):
    """y = x², with a gradient a tenth too large"""

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2.2 * x


@pytest.mark.parametrize("dtype", NEAR)
def test_a_wrong_backward_shows_in_every_precision(dtype: Any) -> None:
    assert check_of(lambda: Wrong(leaf([3.0, 1.0], dtype)), (0,))["error"] > 5e-4


def test_its_error_is_the_relative_error() -> None:
    assert check_of(lambda: Wrong(leaf([3.0, 1.0])), (0,))["error"] == pytest.approx(1 / 11, rel=1e-6)


def test_the_upstream_gradient_is_the_recorded_one() -> None:
    found = check_of(lambda: F.exp(leaf([0.0])) * 7.0, (0,), name="Exp")
    assert found["numeric"] == pytest.approx(7.0, rel=1e-9)


@pytest.mark.parametrize(("run", "pick"), [
    (lambda: F.relu(leaf([1.0, 0.0])), (1,)),
    (lambda: F.abs(leaf(0.0)), ()),
    (lambda: F.maximum(leaf([1.0]), leaf([1.0])), (0,)),
    (lambda: leaf([1.0, 1.0]).max(), (0,)),
    (lambda: F.clip(leaf([0.5]), 0.5, 1.0), (0,)),
    (lambda: F.leaky_relu(leaf([0.0])), (0,)),
])
def test_a_kink_is_called_one(run: Any, pick: tuple[int, ...]) -> None:
    assert check_of(run, pick) == {"why": "kink"}


@pytest.mark.parametrize(("run", "expected"), [
    (lambda: F.relu(leaf([1e-7])), 1.0),
    (lambda: F.relu(leaf([-1e-7])), 0.0),
    (lambda: F.relu(leaf([1e-12])), 1.0),
    (lambda: F.log(leaf([1e-7])), 1e7),
    (lambda: F.log(leaf([1e-12])), 1e12),
    (lambda: F.sqrt(leaf([1e-7])), 0.5 / 1e-7**0.5),
])
def test_near_a_kink_or_an_edge_the_step_is_small(run: Any, expected: float) -> None:
    found = check_of(run, (0,))
    assert found["step"] < 1e-7
    assert found["numeric"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("run", [
    lambda: leaf([0.0]) ** 2,
    lambda: F.cos(leaf([0.0])),
    lambda: leaf([1.0, 1.0, 1.0]).var(),
    lambda: F.mse_loss(leaf([2.0]), np.array([2.0]), reduction="none"),
    lambda: F.silu(leaf([-1.278464542761074])),
])
def test_a_smooth_place_of_slope_zero_is_no_kink(run: Any) -> None:
    found = check_of(run, (0,))
    assert abs(found["numeric"]) <= 1e-8
    assert found["error"] <= 1e-7


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("run", [
    lambda: F.log(leaf([0.0])), lambda: F.sqrt(leaf([0.0])), lambda: leaf([np.nan]) * 2.0,
    lambda: F.exp(leaf([1000.0])), lambda: F.exp(leaf([0.0])) * np.inf,
])  # fmt: skip
def test_what_is_not_finite_is_not_checked(run: Any) -> None:
    assert check_of(run, (0,), name="Exp" if "inf" in str(run) else "") == {"why": "not finite"}


def test_a_large_op_is_not_run_again() -> None:
    x = leaf(np.zeros(LARGEST // 2 + 1))
    assert check_of(lambda: F.exp(x), (0,)) == {"why": "too large"}
    assert "numeric" in check_of(lambda: F.exp(x[: LARGEST // 2]), (0,), name="Exp")


def test_dropout_is_run_again_with_its_own_mask_and_leaves_the_generator_alone() -> None:
    generator = tz.manual_seed(3)
    x = leaf(np.linspace(1, 2, 40))
    with recording(Tape()) as tape:
        F.dropout(x, 0.5).sum().backward()
    state = generator.bit_generator.state
    line = tape.of("backward")[-1]
    raw = line.outputs[0]
    for i in range(40):
        found = numeric_check(line, 0, (i,), float(raw[i]))
        assert found["numeric"] == pytest.approx(raw[i], abs=1e-8)
    assert {float(v) for v in raw} == {0.0, 2.0}
    np.testing.assert_equal(generator.bit_generator.state, state)


def test_the_partial_of_a_broadcast_input_is_checked_at_one_of_its_copies() -> None:
    x, w = leaf([[1.0], [2.0]]), leaf([3.0, 4.0, 5.0])
    with recording(Tape()) as tape:
        (x * w).backward([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    line = tape.of("backward")[0]
    found = numeric_check(line, 0, (1, 2), float(line.outputs[0][1, 2]))
    assert found["numeric"] == pytest.approx(5.0 * 6.0, rel=1e-9)


def test_a_cast_is_checked_in_float64() -> None:
    found = check_of(lambda: leaf([0.3]).astype(np.float16), (0,))
    assert found["numeric"] == pytest.approx(1.0, rel=1e-9)


def test_a_forward_that_was_not_recorded_cannot_be_run_again() -> None:
    y = F.exp(leaf([1.0]))
    with recording(Tape()) as tape:
        y.backward([1.0])
    assert numeric_check(tape.of("backward")[0], 0, (0,), float(np.e)) == {"why": "too large"}
