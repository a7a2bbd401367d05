"""The benchmark of checkers: ops become other libraries' primitives, and the held-out half runs once."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tinygrad_zh as tz
from benchmarks import zoo
from benchmarks.other_checkers import CHECKERS, Plain, finds
from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo import BUGS
from tinygrad_zh.ops.normalization import LayerNorm

BY_NAME = {bug.name: bug for bug in BUGS}


@pytest.mark.parametrize(("name", "found"), [
    ("HalfTheSlope", True),
    ("BiasOfOneRow", True),
    ("RepeatedIndex", True),  # with an input of integers
    ("SquareOnlyElsewhere", True),  # its backward raises
    ("SecondOrderHalf", True),
    ("SoftmaxOfZero", False),  # an upstream of ones does not see it
])
def test_the_classroom_finds(name, found):
    bug = BY_NAME[name]
    assert finds("classroom", bug.function, bug.inputs, bug.order) is found
    assert finds("classroom", bug.right, bug.inputs, bug.order) is False


@pytest.mark.torch
@pytest.mark.parametrize("checker", [name for name, (library, _) in CHECKERS.items() if library])
@pytest.mark.parametrize("name", ["SoftmaxOfZero", "RepeatedIndex", "SecondOrderHalf"])
def test_others_find(checker, name):
    pytest.importorskip(CHECKERS[checker][0])
    bug = BY_NAME[name]
    assert finds(checker, bug.function, bug.inputs, bug.order) is True
    assert finds(checker, bug.right, bug.inputs, bug.order) is False


@pytest.mark.torch
@pytest.mark.parametrize("checker", [name for name, (library, _) in CHECKERS.items() if library])
def test_others_take_gradients_of_any_strides_and_second_gradients_of_any_shapes(checker):
    pytest.importorskip(CHECKERS[checker][0])
    assert finds(checker, F.flip, (np.arange(3.0),)) is False
    assert finds(checker, Turned, (np.arange(3.0),)) is False
    assert finds(checker, F.matmul, (np.ones((2, 3)), np.ones((3, 1))), 2) is False


class Turned(tz.Op):
    """y = x from the end"""

    def forward(x):
        return x[::-1]

    def backward(dy):
        return dy[::-1]


class RaisesLater(tz.Op):
    """y = x³, with a gradient that has none"""

    def forward(x):
        return x * x * x

    def backward(dy, x):
        return SlopeThatRaises(dy, x)


class SlopeThatRaises(tz.Op):
    """y = 3 u x²"""

    def forward(u, x):
        return 3 * u * x * x

    def backward(dy, u, x):
        raise RuntimeError("no second derivative")


def test_a_second_backward_that_raises_counts_as_found():
    assert finds("classroom", RaisesLater, (np.ones(2),), 1) is False
    assert finds("classroom", RaisesLater, (np.ones(2),), 2) is True


class Doubles(tz.Op):
    """y = 2 x, in place"""

    def forward(x):
        x *= 2
        return x

    def backward(dy):
        return 2 * dy


def test_what_writes_its_input_cannot_reach_the_bug():
    x = np.ones(2)
    finds("classroom", Doubles, (x,))
    np.testing.assert_array_equal(x, np.ones(2))


def test_others_are_also_run_where_the_bug_shows():
    found = zoo.theirs("classroom", BY_NAME["LeftEndForgotten"])
    assert found == {"inputs": False, "right": False, "showing": True, "right showing": False}


def test_what_cannot_run_is_neither_found_nor_passed():
    assert finds("classroom", lambda x: x.no_such_method(), (np.ones(2),)) is None


class Scaled(tz.Op):
    """y = c x, with c an attribute and the shape alone kept"""

    def forward(x, *, c=3.0):
        return c * x

    def backward(dy, x_shape, *, c):
        return c * dy.reshape(x_shape)


@pytest.mark.parametrize(("op", "inputs"), [
    (LayerNorm, (np.arange(6.0).reshape(2, 3) ** 2, np.array([1.0, 2.0, 3.0]), np.ones(3))),
    (Scaled, (np.ones((2, 3)),)),
])
def test_an_op_is_bound_by_the_names_of_its_parameters(op, inputs):
    leaves = [tz.tensor(x, requires_grad=True) for x in inputs]
    y = op(*leaves)
    upstream = np.linspace(-1, 2, y.size).reshape(y.shape)
    primitive = Plain(op, inputs)
    outputs, kept = primitive.value(primitive.arrays())
    np.testing.assert_array_equal(outputs[0], y.numpy())
    for found, right in zip(primitive.pullback(primitive.arrays(), kept, [upstream]),
                            tz.grad(y, leaves, upstream), strict=True):
        np.testing.assert_allclose(found, right.numpy(), rtol=1e-14)


def test_a_gradient_of_another_shape_counts_as_raised():
    primitive = Plain(BY_NAME["SquareOnlyElsewhere"].op, BY_NAME["SquareOnlyElsewhere"].inputs)
    outputs, kept = primitive.value(primitive.arrays())
    with pytest.raises(ValueError, match="shape"):
        primitive.pullback(primitive.arrays(), kept, [np.ones_like(outputs[0])])
    assert primitive.raised


# ---- the program


@pytest.fixture
def results(tmp_path, monkeypatch):
    path = tmp_path / "zoo.json"
    monkeypatch.setattr(zoo, "RESULTS", path)
    monkeypatch.setattr(zoo, "ROOT", tmp_path)
    monkeypatch.setattr(zoo, "commit", lambda: "abc")
    monkeypatch.setattr(zoo, "ours", lambda bug: {"inputs": True, "right": False})
    return path


def test_it_prints_a_row_a_kind_and_keeps_what_was_found(results, capsys):
    assert zoo.main(["--checkers", "classroom", "--json"]) == 0
    out = capsys.readouterr().out
    tuning = [bug for bug in BUGS if not bug.held_out]
    assert {bug.kind for bug in tuning} <= set(out.split())
    found = json.loads(results.read_text("utf-8"))["found"]["classroom"]
    assert set(found) == {bug.name for bug in tuning}
    total = next(line for line in out.splitlines() if line.startswith("all "))
    assert total.split()[1:3] == [str(len(tuning)), str(sum(bool(f["inputs"]) for f in found.values()))]


def test_the_held_out_half_runs_once_and_is_kept(results, capsys):
    assert zoo.main(["--half", "held-out", "--checkers", "ours"]) == 2  # without --json
    assert not results.exists()
    assert zoo.main(["--half", "held-out", "--checkers", "ours", "--json"]) == 0
    first = json.loads(results.read_text("utf-8"))["held_out_first"]
    assert set(first["found"]) == {bug.name for bug in BUGS if bug.held_out} and first["commit"] == "abc"
    assert json.loads(results.read_text("utf-8"))["found"]["ours"] == {}
    for half in ("held-out", "all"):
        assert zoo.main(["--half", half, "--checkers", "ours", "--json"]) == 2
        assert "runs once" in capsys.readouterr().err
    assert zoo.main(["--checkers", "ours", "--json"]) == 0
    assert json.loads(results.read_text("utf-8"))["held_out_first"] == first


def test_what_is_stored_is_printed_as_one_table(results, capsys):
    held_out = [bug for bug in BUGS if bug.held_out]
    assert zoo.main(["--checkers", "ours", "--json"]) == 0
    capsys.readouterr()
    assert zoo.main(["--stored", "--half", "all"]) == 0
    tuning = len(BUGS) - len(held_out)
    assert f"{tuning}/{tuning}" in total_row(capsys)
    assert zoo.main(["--half", "held-out", "--checkers", "ours", "--json"]) == 0
    capsys.readouterr()
    assert zoo.main(["--stored", "--half", "all"]) == 0
    assert total_row(capsys)[:3] == ["all", str(len(BUGS)), str(len(BUGS))]


def total_row(capsys):
    return next(line for line in capsys.readouterr().out.splitlines() if line.startswith("all ")).split()
