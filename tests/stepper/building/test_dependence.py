"""The inputs that an element is said to depend on are those that it depends on, for every op."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.reach import for_examples
from tests.ops.table import TABLE, UPDATES
from tests.stepper.building.lines import picks, recorded
from tinygrad_zh import functional as F
from tinygrad_zh.core import Tape
from tinygrad_zh.core.tape import recording
from tinygrad_zh.stepper.building.explaining import forward_element


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_what_is_not_named_does_not_matter(row: Any) -> None:
    """Every floating input moved by a little but for the elements that are named: the output's element stays."""

    def check(case: Any) -> None:
        rng = np.random.default_rng(case.seed)
        for line in recorded(row, case).of("forward"):
            y = line.outputs[0]
            if not y.size or line.info["states"]:
                continue
            pick = picks(case.seed, y.shape, 1)[0]
            element = forward_element(line, pick)
            assert element is not None
            assert element["value"] == y[pick] or y[pick] != y[pick]
            assert len(element["inputs"]) <= 8
            if element["more"] or not (line.info["op"].backwards or row in UPDATES):
                continue
            moved = [np.asarray(x + 1e-7 * rng.normal(size=x.shape)) if getattr(x, "dtype", None) == np.float64 else x
                     for x in line.arguments]
            for entry in element["inputs"]:
                x = line.arguments[entry["slot"]]
                assert np.asarray(x)[tuple(entry["index"])] == entry["value"] or entry["value"] != entry["value"]
                if getattr(x, "dtype", None) == np.float64:
                    moved[entry["slot"]][tuple(entry["index"])] = entry["value"]
            results = line.function(*moved, **line.keywords)
            again = (results[0] if isinstance(results, tuple) else results)[pick]
            assert abs(again - y[pick]) <= 1e-11 * max(1, abs(y[pick])), (line, pick, element)

    for_examples(8, row, check)


def named(y: tz.Tensor, tape: Tape, pick: tuple[int, ...]) -> list[tuple[int, list[int]]]:
    line = next(line for line in tape.of("forward") if line.outputs[0] is y.array)
    element = forward_element(line, pick)
    assert element is not None
    return [(entry["slot"], entry["index"]) for entry in element["inputs"]]


@pytest.mark.parametrize(("run", "pick", "expected"), [
    (lambda: leaf([[1.0, 2.0]]) @ leaf([[0.0], [3.0]]), (0, 0), [(0, [0, 0]), (0, [0, 1]), (1, [0, 0]), (1, [1, 0])]),
    (lambda: leaf([[1.0, 2.0]]) + leaf([5.0, 6.0]), (0, 1), [(0, [0, 1]), (1, [1])]),
    (lambda: leaf([0.0, 2.0]) * leaf([0.0, 0.0]), (0,), [(0, [0]), (1, [0])]),
    (lambda: F.relu(leaf([-1.0, 2.0])), (0,), [(0, [0])]),
    (lambda: leaf([[1.0, 4.0, 2.0]]).max(axis=1), (0,), [(0, [0, 1])]),
    (lambda: F.embedding([2, 0], leaf(np.ones((3, 2)))), (0, 1), [(1, [2, 1])]),
    (lambda: F.embedding([2, 0], leaf(np.eye(2)[[0, 1, 1]])), (1, 0), [(1, [0, 0])]),
    (lambda: F.where(np.array([True, False]), leaf([[1.0], [2.0]]), leaf(3.0)), (1, 0),
     [(0, [0]), (1, [1, 0]), (2, [])]),
    (lambda: F.cross_entropy(leaf([[1.0, 2.0], [3.0, 4.0]]), [1, 0], "none"), (1,),
     [(0, [1, 0]), (0, [1, 1]), (1, [1])]),
    (lambda: leaf([5.0, 6.0])[[1, 1, 0]], (0,), [(0, [1]), (1, [0])]),
    (lambda: leaf([1.0, 2.0]) > leaf([2.0, 1.0]), (1,), [(0, [1]), (1, [1])]),
    (lambda: F.concat([leaf([1.0]), leaf([2.0, 3.0])]), (2,), [(1, [1])]),
])  # fmt: skip
def test_which_inputs_an_element_depends_on(run: Any, pick: tuple[int, ...], expected: Any) -> None:
    with recording(Tape()) as tape:
        y = run()
    assert named(y, tape, pick) == expected


def test_a_masked_score_does_not_matter_to_a_softmax() -> None:
    with recording(Tape()) as tape:
        y = F.masked_softmax(leaf([1.0, 2.0, 3.0]), [True, True, False])
    assert named(y, tape, (0,)) == [(0, [0]), (0, [1]), (1, [0])]


def test_an_update_names_the_parameter_its_gradient_and_the_rate() -> None:
    w = tz.tensor(np.array([1.0, 2.0]), requires_grad=True)
    (w * w).sum().backward()
    with recording(Tape()) as tape:
        tz.optim.SGD([w], lr=0.1).step()
    line = tape.of("forward")[-1]
    element = forward_element(line, (1,))
    assert element is not None
    assert element["value"] == pytest.approx(2.0 - 0.1 * 4.0)
    assert [entry["value"] for entry in element["inputs"]] == [2.0, 4.0, 0.1]
    assert element["more"] == 0


def test_of_many_inputs_those_that_matter_most_are_named() -> None:
    a, b = leaf(np.ones((1, 30))), leaf(np.arange(30.0)[:, None])
    with recording(Tape()) as tape:
        y = a @ b
    assert named(y, tape, (0, 0)) == [(slot, at) for slot in (0, 1) for k in range(26, 30)
                                      for at in [[0, k] if slot == 0 else [k, 0]]]
    element = forward_element(tape[0], (0, 0))
    assert element is not None
    assert element["more"] == 52


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_matters_where_it_is(bad: float) -> None:
    with recording(Tape()) as tape:
        y = leaf([[1.0, 2.0], [bad, 4.0]]) @ leaf([[bad, 6.0], [7.0, 8.0]])
    assert named(y, tape, (0, 1)) == [(0, [0, 0]), (0, [0, 1]), (1, [0, 1]), (1, [1, 1])]
    assert named(y, tape, (1, 1)) == [(0, [1, 0]), (0, [1, 1]), (1, [0, 1]), (1, [1, 1])]


def test_nothing_is_said_of_a_result_without_elements() -> None:
    with recording(Tape()) as tape:
        F.exp(leaf([]))
    assert forward_element(tape[0], ()) is None


def test_a_result_from_whole_rows_names_none_of_them() -> None:
    """argmax has no slope, and no element at the same place."""
    with recording(Tape()) as tape:
        y = leaf([[1.0, 5.0], [3.0, 2.0]]).argmax(axis=1)
    element = forward_element(tape[0], (0,))
    assert element is not None
    assert (element["value"], element["inputs"], element["more"]) == (1, [], 0)
    assert y.tolist() == [1, 0]
