"""An element written out: the terms add up, for every op, and the inputs named are those that matter."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.reach import for_examples
from tests.stepper.building.lines import ROWS, partials, picks, recorded
from tests.support import fake_cupy
from tinygrad_zh import functional as F
from tinygrad_zh.core import Line, Tape
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.tape import recording
from tinygrad_zh.stepper.building.explaining import (
    explain_backward,
    forward_element,
    jacobian,
    numeric_check,
    sum_element,
)

EXAMPLES = 8
EXACT = {np.float64: 1e-14, np.float32: 1e-6}
"""|Σ coefficient · value + rest − value| relative to the sum of the terms' sizes. The worst measured: 2.2e-16 in
float64, 1.1e-7 in float32."""
CANCELLING = {"Softmax", "MaskedSoftmax", "LayerNorm", "RMSNorm", "BatchNorm", "Attention", "MaskedAttention",
              "BlockedAttention", "BlockedMaskedAttention"}
NEAR = {np.float64: 1e-10, np.float32: 1e-3}
"""The same for formulas that subtract numbers of one size, over rows of one or two elements: 6.3e-12 and 2.4e-4."""


def leaf(values: Any, dtype: Any = np.float64) -> tz.Tensor:
    return tz.tensor(np.asarray(values, dtype), requires_grad=True)


def total(element: dict[str, Any]) -> float:
    rest = element["rest"]
    return sum(t["coefficient"] * t["value"] for t in element["terms"]) + (rest["sum"] if rest else 0.0)


def size(element: dict[str, Any]) -> float:
    rest = element["rest"]
    return sum(abs(t["coefficient"] * t["value"]) for t in element["terms"]) + abs(rest["sum"] if rest else 0.0)


def backward_line(run: Any, name: str) -> Any:
    """The last backward line of an op in what `run` does."""
    with recording(Tape()) as tape:
        run()
    return [line for line in tape.of("backward") if line.info["op"].__name__ == name][-1]


# ---- backward


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_terms_add_up_to_the_element(row: Any, dtype: Any) -> None:
    def check(case: Any) -> None:
        tape = recorded(row, case, dtype)
        for line, slot, raw in partials(tape):
            for pick in picks(case.seed, raw.shape):
                element = explain_backward(line, slot, pick)
                near = NEAR if line.info["op"].__name__ in CANCELLING else EXACT
                if element is None:  # nothing but rounding is left
                    assert near is NEAR
                    assert abs(raw[pick]) <= 1e4 * np.finfo(dtype).eps
                    continue
                assert element["index"] == list(pick)
                assert element["value"] == raw[pick]
                assert abs(total(element) - element["value"]) <= near[dtype] * size(element)
                assert len(element["terms"]) <= 8
                places = [(t["output"], t["index"]) for t in element["terms"]]
                assert places == sorted(places)

    for_examples(EXAMPLES, row, check)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_term_names_its_upstream_number(row: Any) -> None:
    def check(case: Any) -> None:
        for line, slot, raw in partials(recorded(row, case)):
            element = explain_backward(line, slot, picks(case.seed, raw.shape, 1)[0])
            many = line.info["op"].many
            upstream = next(a for a in line.arguments if type(a) is tuple) if many else [line.arguments[0]]
            for term in element["terms"] if element else []:
                assert term["value"] == upstream[term["output"]][tuple(term["index"])]

    for_examples(EXAMPLES, row, check)


def test_a_product_of_matrices_is_a_row_times_a_column() -> None:
    a, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[5.0, 6.0, 7.0], [8.0, 9.0, 10.0]])
    line = backward_line(lambda: (a @ b).backward([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]), "MatMul")
    element = explain_backward(line, 1, (0, 2))
    assert element == {
        "index": [0, 2], "value": pytest.approx(1.0 * 0.3 + 3.0 * 0.6), "rest": None,
        "terms": [{"coefficient": 1.0, "value": 0.3, "output": 0, "index": [0, 2]},
                  {"coefficient": 3.0, "value": 0.6, "output": 0, "index": [1, 2]}],
    }  # fmt: skip


def test_of_many_terms_the_largest_are_written_out_in_order_and_the_rest_is_one_number() -> None:
    a, b = leaf(np.ones((1, 1))), leaf(np.arange(20.0)[None])
    with recording(Tape()) as tape:
        (a @ b).backward(np.ones((1, 20)))
    element = explain_backward(tape.of("backward")[0], 0, (0, 0))
    assert element is not None
    assert [t["coefficient"] for t in element["terms"]] == [12, 13, 14, 15, 16, 17, 18, 19]
    assert element["rest"] == {"count": 11, "sum": sum(range(12))}  # 0 is no term


def test_an_upstream_zero_is_still_a_term() -> None:
    a, b = leaf([[1.0, 2.0]]), leaf([[3.0], [4.0]])
    line = backward_line(lambda: (a @ b).backward([[0.0]]), "MatMul")
    element = explain_backward(line, line.info["slots"][0], (0, 0))
    assert element is not None
    assert [t["value"] for t in element["terms"]] == [0.0]


def test_a_closed_gate_shows_what_it_stops() -> None:
    x = leaf([-1.0, 2.0])
    line = backward_line(lambda: F.relu(x).backward([0.5, 0.25]), "ReLU")
    element = explain_backward(line, 0, (0,))
    assert element == {"index": [0], "value": 0.0, "rest": None,
                       "terms": [{"coefficient": 0.0, "value": 0.5, "output": 0, "index": [0]}]}


def test_zero_has_no_sign() -> None:
    x = leaf([0.0, 2.0])
    line = backward_line(lambda: F.cos(x).backward([0.5, 0.25]), "Cos")
    element = explain_backward(line, 0, (0,))
    assert element is not None
    assert str(element["value"]) == "0.0"


class Warns(tz.Op):
    """y = x, whose backward has something to say"""

    def forward(x):
        return x + 0

    def backward(dy):
        warnings.warn("something", UserWarning, stacklevel=1)
        return dy / np.asarray(1.0)


@pytest.mark.filterwarnings("error")
def test_a_formula_that_warned_does_not_warn_again() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        line = backward_line(lambda: Warns(leaf([1.0, 2.0])).backward([0.5, 0.25]), "Warns")
    assert explain_backward(line, 0, (0,)) is not None


def test_the_parts_of_a_split_are_outputs_of_their_own() -> None:
    x = leaf([1.0, 2.0, 3.0])
    with recording(Tape()) as tape:
        first, second = F.split(x, [1])
        (first.sum() * 2 + (second * 3).sum()).backward()
    line = next(line for line in tape.of("backward") if line.info["op"].__name__ == "Split")
    element = explain_backward(line, 0, (2,))
    assert element is not None
    assert element["terms"] == [{"coefficient": 1.0, "value": 3.0, "output": 1, "index": [1]}]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_only_the_terms_that_meet_a_number_that_is_not_finite_are_not_finite(bad: float) -> None:
    a, b = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[5.0, bad], [7.0, 8.0]])
    with recording(Tape()) as tape:
        (a @ b).backward(np.ones((2, 2)))
    line = tape.of("backward")[0]
    element = explain_backward(line, 0, (1, 0))
    assert element is not None
    assert [(t["coefficient"], t["index"]) for t in element["terms"]] == [
        (5.0, [1, 0]), (pytest.approx(bad, nan_ok=True), [1, 1])]
    assert not np.isfinite(total(element))
    element = explain_backward(line, 0, (1, 1))
    assert element is not None
    assert [t["coefficient"] for t in element["terms"]] == [7.0, 8.0]


class ThroughArrays(tz.Op):
    """y = 3 x, whose backward leaves the Tensors"""

    def forward(x):
        return 3 * x

    def backward(dy):
        return 3 * np.asarray(dy)


class Refuses(tz.Op):
    """y = 3 x, whose backward is for arrays alone"""

    def forward(x):
        return 3 * x

    def backward(dy):
        if not isinstance(dy, np.ndarray):
            raise TypeError("arrays alone")
        return 3 * dy


@pytest.mark.parametrize("op", [ThroughArrays, Refuses])
def test_a_formula_that_does_not_run_on_tensors_is_run_on_unit_upstreams(op: Any) -> None:
    line = backward_line(lambda: op(leaf([1.0, 2.0])).backward([0.5, 0.25]), op.__name__)
    element = explain_backward(line, 0, (1,))
    assert element is not None
    assert element["terms"] == [{"coefficient": 3.0, "value": 0.25, "output": 0, "index": [1]}]


@pytest.mark.parametrize("op", [ThroughArrays, Refuses])
def test_unless_there_are_many(op: Any) -> None:
    line = backward_line(lambda: op(leaf(np.ones(65))).backward(np.ones(65)), op.__name__)
    assert explain_backward(line, 0, (1,)) is None


def test_a_backward_that_is_not_linear_is_not_written_as_if_it_were() -> None:
    class Affine(tz.Op):
        """y = x, with a backward that adds 1"""

        def forward(x):
            return x + 0

        def backward(dy):
            return dy + 1.0

    line = backward_line(lambda: Affine(leaf([1.0, 2.0])).backward([0.5, 0.25]), "Affine")
    assert explain_backward(line, 0, (0,)) is None


# ---- sum_to


def test_a_sum_over_what_was_broadcast() -> None:
    raw = np.arange(24.0).reshape(2, 3, 4)
    element = sum_element(raw, raw.sum(axis=(0, 2), keepdims=True)[0], (1, 0))
    assert element is not None
    assert element["index"] == [1, 0]
    assert element["value"] == raw[:, 1].sum()
    assert [t["index"] for t in element["terms"]] == [[i, 1, j] for i in range(2) for j in range(4)]
    assert {t["coefficient"] for t in element["terms"]} == {1.0}
    assert total(element) == element["value"]
    assert element["rest"] is None


def test_a_long_sum_shows_its_largest_terms() -> None:
    raw = np.random.default_rng(0).normal(size=(100, 3))
    element = sum_element(raw, raw.sum(axis=0), (2,))
    assert element is not None
    assert element["rest"]["count"] == 92
    assert total(element) == pytest.approx(element["value"], rel=1e-13)
    shown = {abs(t["value"]) for t in element["terms"]}
    assert shown == set(np.sort(np.abs(raw[:, 2]))[-8:])


@pytest.mark.filterwarnings("error")
def test_a_long_sum_of_infinities_is_nan() -> None:
    raw = np.tile([np.inf, -np.inf], 8)
    with np.errstate(all="ignore"):
        element = sum_element(raw, raw.sum(keepdims=True), (0,))
    assert element is not None
    assert np.isnan(element["rest"]["sum"])
    assert np.isnan(element["value"])


def test_a_cast_is_a_sum_of_one() -> None:
    raw = np.array([[1.0, 2.0]])
    element = sum_element(raw, raw.astype(np.float32), (0, 1))
    assert element is not None
    assert element["terms"] == [{"coefficient": 1.0, "value": 2.0, "output": 0, "index": [0, 1]}]


def test_a_sum_over_nothing_is_a_sum_and_a_sum_to_nothing_has_no_element() -> None:
    element = sum_element(np.ones((0, 2)), np.zeros(2), (1,))
    assert element == {"index": [1], "value": 0.0, "terms": [], "rest": None}
    assert sum_element(np.ones((3, 0)), np.ones(0), ()) is None


# ---- on a GPU


def test_what_is_on_a_gpu_is_explained_as_on_the_cpu() -> None:
    x, w = leaf(np.arange(6.0).reshape(2, 3)), leaf(np.ones(3))
    with recording(Tape()) as tape:
        (F.split(x * w, [1], axis=1)[1] ** 2).sum().backward()
    cupy = fake_cupy.module()

    def fake(value: Any) -> Any:
        if type(value) is tuple:
            return tuple(map(fake, value))
        return cupy.asarray(value) if isinstance(value, np.ndarray) else value

    def away(line: Line) -> Line:
        info = line.info | ({"forward": away(line.info["forward"])} if line.kind == "backward" else {})
        return Line(line.kind, line.function, [fake(a) for a in line.arguments], line.keywords,
                    fake(tuple(line.outputs)), info)

    for line in tape.of("forward"):
        pick = (0,) * line.outputs[0].ndim
        assert forward_element(away(line), pick) == forward_element(line, pick)
    for line, slot, raw in partials(tape):
        pick = (0,) * raw.ndim
        assert explain_backward(away(line), slot, pick) == explain_backward(line, slot, pick)
        assert jacobian(away(line), slot) == jacobian(line, slot)
        value = float(raw[pick])
        assert numeric_check(away(line), slot, pick, value) == numeric_check(line, slot, pick, value)
    for line in tape.of("sum_to"):
        raw, contribution = line.arguments[0], line.outputs[0]
        assert sum_element(fake(raw), fake(contribution), (0,)) == sum_element(raw, contribution, (0,))


# ---- nothing else happens


def test_explaining_writes_no_line_changes_no_array_and_warns_of_nothing() -> None:
    x, w = leaf(np.array([[np.nan, np.inf, -1.0]])), leaf(np.ones((3, 2)))
    generator = tz.manual_seed(1)
    with recording(Tape()) as tape:
        y = F.log(F.dropout(F.softmax(x @ w), 0.5))
        y.sum().backward()
        count, state, mode = len(tape), generator.bit_generator.state, MODE.get()
        arrays = [a for line in tape for a in (*line.arguments, *line.outputs) if isinstance(a, np.ndarray)]
        before = [(a.tobytes(), a.flags.writeable) for a in arrays]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for line, slot, raw in partials(tape):
                explain_backward(line, slot, (0,) * raw.ndim)
            for line in tape.of("forward"):
                forward_element(line, (0,) * line.outputs[0].ndim)
        assert len(tape) == count
        assert MODE.get() is mode
    np.testing.assert_equal(generator.bit_generator.state, state)
    assert [(a.tobytes(), a.flags.writeable) for a in arrays] == before
    assert x.grad is not None
