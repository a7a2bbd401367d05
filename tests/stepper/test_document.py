"""The document: a form that is checked whenever it is opened; what is damaged gives one sentence."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.stepper import samples
from tinygrad_zh.stepper import Document, load
from tinygrad_zh.stepper.building.arrays import Arrays, largest, number, pack, window_origin
from tinygrad_zh.stepper.document import to_json

F = tz.functional
GOOD = samples.trace("reused").document("full").data


def broken(*path: Any, value: Any = None, delete: bool = False) -> dict[str, Any]:
    """The good document with one thing changed."""
    data = copy.deepcopy(GOOD)
    place = data
    for key in path[:-1]:
        place = place[key]
    if delete:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return data


def last(phase: str) -> int:
    return max(k for k, s in enumerate(GOOD["steps"]) if s["phase"] == phase)


# ---- in and out


@pytest.mark.parametrize("values", ["auto", "full"])
def test_what_is_saved_is_what_is_loaded(tmp_path: Path, values: str) -> None:
    trace = samples.trace("mlp")
    trace.save_json(tmp_path / "trace.json", values=values)
    assert load(tmp_path / "trace.json").data == trace.document(values).data


def test_full_values_keep_every_bit() -> None:
    x = tz.tensor(np.array([0.1, 1 / 3, 1e-310, -0.0, np.pi]), requires_grad=True)
    w = tz.tensor(np.array([0.1, 1 / 3, 3e-40, -0.0, np.pi], np.float32))
    with tz.record() as trace:
        x * w
    data = json.loads(to_json(trace.document("full").data))
    for tensor, array in zip(data["tensors"], (x, w), strict=False):
        values = np.array(data["arrays"][tensor["value"]]["values"], array.dtype)
        assert values.tobytes() == array.numpy().tobytes()


def test_a_file_with_five_digits_cannot_give_all_of_them(tmp_path: Path) -> None:
    samples.trace("mlp").save_json(tmp_path / "trace.json")
    with pytest.raises(ValueError, match="five digits"):
        load(tmp_path / "trace.json").document("full")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trace.json"
    path.write_text("old")

    def full(self: Path, *arguments: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        samples.trace("reused").save_json(path)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# ---- what is not a document


@pytest.mark.parametrize(("content", "says"), [
    (b"", "Expecting value"),
    (b"\xff\xfe\x00", "codec"),
    (b"[1, 2", "delimiter"),
    (b"[" * 100_000, "recursion"),
    (b"[]", '"schema" is None'),
    (b'{"schema": "tinygrad_zh.trace/9"}', 'this version of tinygrad_zh reads "tinygrad_zh.trace/1"'),
    (b'{"schema": "tinygrad_zh.trace/1"}', "must contain"),
    (b'"' + b"x" * 1000 + b'"', '"schema" is None'),
])  # fmt: skip
def test_a_file_that_is_no_trace_gives_one_sentence_that_names_it(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "odd.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"odd\.json is no trace of tinygrad_zh") as caught:
        load(path)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 600 + len(str(path))


def test_no_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.json")


@pytest.mark.parametrize(("data", "says"), [
    (broken("steps", 0, "op", value=99), "steps[0].op refers to ops[99], and there are 4"),
    (broken("steps", 0, "op", value=-1), "steps[0]"),
    (broken("steps", 0, "op", value="0"), "steps[0]"),
    (broken("steps", 0, "op", value=True), "steps[0]"),
    (broken("steps", 0, "phase", value="sideways"), "phase"),
    (broken("steps", last("backward"), "slot", value=7), "slot is 7"),
    (broken("steps", last("backward"), "tensor", delete=True), "must contain"),
    (broken("steps", last("backward"), "upstream", value=[1000]), "upstream refers to arrays[1000]"),
    (broken("steps", 0, "surprise", value=1), "surprise"),
    (broken("ops", 0, "inputs", value=[44]), "ops[0] refers to tensors[44]"),
    (broken("ops", 0, "input_names", value=[]), "names not as many"),
    (broken("tensors", 0, "value", value=500), "tensors[0].value refers to arrays[500]"),
    (broken("tensors", 0, "uses", value=[[9, 0]]), "tensors[0] refers to ops[9]"),
    (broken("tensors", 0, "role", value="king"), "role"),
    (broken("modules", value=[{"path": "", "kind": "A", "parent": 0, "block": 1}]), "was not entered before"),
    (broken("arrays", 0, "values", value=[1.0]), "arrays[0] has 1 values for 3 elements"),
    (broken("arrays", 0, "shape", value=[10**9, 10**9]), "arrays[0] has 3 values"),
    (broken("arrays", 0, "values", value=["0.5"] * 3), "arrays[0]"),
    (broken("arrays", 0, "window", value=[3]), "arrays[0]"),
    (broken("meta", "title", delete=True), "title"),
    (broken("formulas", "Tanh", value="tanh"), "Tanh"),
    (broken("sources", value=[]), "sources"),
])  # fmt: skip
def test_a_damaged_document_is_refused_and_the_place_named(data: Any, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        Document(data)
    assert says in str(caught.value)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_no_change_of_one_value_gives_anything_but_a_document_or_a_value_error(data: st.DataObject) -> None:
    changed = copy.deepcopy(GOOD)
    place: Any = changed
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], (dict, list)) or not place[key] or data.draw(st.integers(0, 4)) == 0:
            break
        place = place[key]
    place[key] = data.draw(st.sampled_from([None, -1, 10**6, 0.5, "x", [], {}, [None], True, [[0]], {"phase": "seed"}]))
    try:
        Document(changed)
    except ValueError:
        pass


def test_a_step_that_is_not_there() -> None:
    document = Document(GOOD)
    assert document.position(-1) == len(document.steps) - 1
    with pytest.raises(IndexError, match=f"steps 0 to {len(document.steps) - 1}, there is no step 99"):
        document.position(99)


# ---- the numbers


def test_a_window_contains_the_picked_element() -> None:
    values = np.arange(3 * 40 * 50.0).reshape(3, 40, 50)
    for pick in ((0, 0, 0), (2, 39, 49), (1, 17, 30), (2, 8, 7)):
        packed = pack(values, window_origin(values.shape, pick), full=False)
        inside = [p - o for p, o in zip(pick, packed["origin"], strict=True)]
        assert all(0 <= i < n for i, n in zip(inside, packed["window"], strict=True))
        shown = np.array(packed["values"]).reshape(packed["window"])[tuple(inside)]
        assert shown == pytest.approx(values[pick], rel=1e-4)


def test_a_row_has_a_window_too() -> None:
    packed = pack(np.arange(100.0), window_origin((100,), (97,)), full=False)
    assert (packed["origin"], packed["window"], packed["values"][-1]) == ([92], [8], 99.0)


def test_the_statistics_are_of_the_whole_array_and_of_what_is_finite() -> None:
    values = np.arange(100.0)
    values[[3, 4, 5]] = np.nan, np.inf, -np.inf
    packed = pack(values, window_origin(values.shape, (0,)), full=False)
    finite = values[np.isfinite(values)]
    assert (packed["nan"], packed["inf"], packed["min"], packed["max"]) == (1, 2, 0.0, 99.0)
    assert packed["mean"] == pytest.approx(finite.mean(), rel=1e-4)
    assert packed["std"] == pytest.approx(finite.std(), rel=1e-4)
    assert packed["histogram"]["counts"] == np.histogram(finite, 16)[0].tolist()
    assert packed["values"][3:6] == ["nan", "inf", "-inf"]
    small = np.linspace(0, 0.5, 100)
    assert pack(small, (0,), full=False)["histogram"]["counts"] == np.histogram(small, 16)[0].tolist()


def test_statistics_of_what_has_none() -> None:
    assert pack(np.full(100, np.nan), (0,), full=False)["mean"] == "nan"
    assert pack(np.full(100, 7.0), (0,), full=False)["histogram"]["counts"] == [100] + [0] * 15
    assert pack(np.full((10, 10), True), (0, 0), full=False)["mean"] == 1.0
    assert pack(np.arange(100).reshape(10, 10), (0, 0), full=False)["max"] == 99
    huge = pack(np.array([-1e308, 1e308] * 50), (0,), full=False)
    assert (huge["min"], huge["max"], huge["std"]) == (-1e308, 1e308, 1e308)


def test_an_array_is_packed_once_for_each_window() -> None:
    arrays, small, large = Arrays("auto"), np.ones(4), np.ones((20, 20))
    assert [arrays.add(small), arrays.add(small, (3,)), arrays.add(large, (0, 0)), arrays.add(large, (19, 19)),
            arrays.add(large, (1, 1))] == [0, 0, 1, 2, 1]


def test_the_element_to_look_at() -> None:
    assert largest(np.array([[1.0, -5.0], [3.0, 2.0]])) == (0, 1)
    assert largest(np.array([1.0, np.nan, np.inf])) == (1,)
    assert largest(np.array(2.0)) == ()
    assert largest(np.zeros((0, 3))) == ()
    assert largest(np.array([3, -7])) == (1,)
    assert largest(np.array([False, True])) == (1,)


@given(st.floats())
def test_numbers_are_json_and_right_to_five_digits(x: float) -> None:
    said = number(x)
    json.dumps(said, allow_nan=False)
    assert float(said) == pytest.approx(x, rel=1e-4, nan_ok=True)
    full = float(number(x, full=True))
    assert full == x or full != full
