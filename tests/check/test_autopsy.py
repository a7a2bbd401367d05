"""The autopsy names the op, the element and the numbers of the first NaN or infinity."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.support import fake_cupy
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.check import autopsy
from tinygrad_zh.i18n import in_language


class Zeroth(tz.Op):
    def forward(x):
        return x * 1

    def backward(dy):
        return dy / 0.0


class Share(tz.Op):
    """y = x / Σ x"""

    def forward(x):
        return x / x.sum()


class Two(tz.Op):
    """y = a + ln b
    ∂L/∂a = ∂L/∂y
    ∂L/∂b = ∂L/∂y / b
    """

    aux = ("kept",)

    def forward(a, b):
        return a + np.log(b), b

    def backward(dy, kept):
        return dy, dy / (kept - 1)


def test_nothing_to_find():
    assert autopsy(lambda x: F.softmax(x).sum(), np.array([1e4, 0.0])) is None
    assert autopsy(lambda n: n + 1, np.array([1, 2])) is None


def test_nan_of_a_forward():
    found = autopsy(lambda x: F.log(x).mean(), tz.tensor([[2.0, 1.0, -1.0]]))
    assert (found.op, found.phase, found.element, found.arguments) == ("Log", "forward", (0, 2), {"x": -1.0})
    assert math.isnan(found.value) and found.then is None
    assert (found.formula, found.followed) == ("y = ln x", ("Mean",))
    assert (found.result, found.gradients) == (False, (0, 1))


def test_nan_of_a_backward_whose_forward_is_finite():
    found = autopsy(lambda x: F.where(x > 0, F.sqrt(x), 0.0).sum(), np.array([4.0, 0.0]))
    assert (found.op, found.phase, found.element, found.arguments) == ("Sqrt", "backward", (1,), {"dy": 0.0, "y": 0.0})
    assert found.formula == "∂L/∂x = ∂L/∂y / (2 y)"
    assert (found.result, found.gradients) == (True, (1, 1))


def test_an_infinity_and_the_nan_that_comes_of_it():
    found = autopsy(lambda x: (F.exp(x) / F.exp(x).sum()).max(), np.array([0.0, 1000.0]))
    assert (found.op, found.value, found.arguments, found.followed) == ("Exp", math.inf, {"x": 1000.0}, ("Exp", "Sum"))
    assert (found.then.op, found.then.phase, found.then.element) == ("Div", "forward", (1,))
    assert found.then.arguments == {"a": math.inf, "b": math.inf}
    assert found.then.followed[0] == "Max" and "Exp.backward" in found.then.followed


def test_a_right_infinity_that_nothing_came_of():
    mask = np.array([True, False])
    found = autopsy(lambda x: F.softmax(F.where(mask, x, -np.inf)).sum(), np.array([1.0, 3.0]))
    assert (found.op, found.phase, found.arguments, found.then) == ("Where", "input", {"b": -math.inf}, None)
    assert found.result and found.gradients == (0, 1)


def test_infinite_and_nan_in_one_result():
    found = autopsy(F.log, np.array([0.0, -1.0]))
    assert (found.value, found.element, found.then.element) == (-math.inf, (0,), (1,))
    assert math.isnan(found.then.value)


def test_nan_that_was_given():
    found = autopsy(lambda x: F.relu(x).sum(), np.array([0.0, np.nan]))
    assert (found.op, found.phase, found.element, found.followed) == ("ReLU", "input", (1,), ("Sum",))
    assert found.arguments.keys() == {"x"}


def test_arguments_broadcast_and_attributes_do_not_disturb():
    found = autopsy(lambda a, b: a / b, np.ones((2, 3)), np.array([1.0, 1.0, 0.0]))
    assert (found.element, found.arguments) == ((0, 2), {"a": 1.0, "b": 0.0})
    found = autopsy(lambda x: x * 2, np.array([1.0, 3e38], np.float32))  # which would fit into float64
    assert (found.op, found.element, found.arguments) == ("Mul", (1,), {"a": float(np.float32(3e38)), "b": 2.0})
    found = autopsy(lambda x: F.pow(x, 0.5), np.array([4.0, -4.0]))
    assert (found.op, found.element, found.arguments) == ("Pow", (1,), {"x": -4.0})


def test_where_shapes_do_not_say_which_number_the_arrays_are_kept():
    a = np.array([[1e200, 0.0], [1.0, 2.0]])
    found = autopsy(lambda a: F.matmul(a, a).sum(), a)
    assert (found.op, found.element) == ("MatMul", (0, 0))
    assert all(np.array_equal(x, a) for x in found.arguments.values())
    with in_language("en"):
        assert "at [0, 0]: a of shape (2, 2), from 0 to 1e+200, b of shape (2, 2)" in str(found)


    found = autopsy(lambda x: Share(x), np.array([1.0, -1.0]))
    assert found.arguments["x"].tolist() == [1.0, -1.0]  # x = 1 alone would give 1
    with in_language("en"):
        assert "x of shape (2,), from −1 to 1" in str(found)
        assert "dy = ∞, x of shape (2,), from 5 to 5" in str(autopsy(lambda x: F.sqrt(F.var(x)), np.full(2, 5.0)).then)


def test_an_op_with_auxiliaries_and_one_backward_for_all_inputs():
    found = autopsy(lambda a, b: Two(a, b).sum(), np.array([0.0, 1.0]), np.array([2.0, -1.0]))
    assert (found.element, found.arguments) == ((1,), {"a": 1.0, "b": -1.0})
    found = autopsy(lambda a, b: Two(a, b).sum(), np.array([0.0]), np.array([1.0]))
    assert (found.phase, found.formula) == ("backward", "∂L/∂b = ∂L/∂y / b")


def test_the_engines_own_steps_are_looked_at_too():
    big = 1.5e308
    found = autopsy(lambda x: (x * big + x * big).sum(), np.array([0.25]))
    assert (found.op, found.phase, found.formula) == ("Mul", "backward", "add(before, contribution)")
    assert found.arguments == {"before": big, "contribution": big}
    found = autopsy(lambda x: (x + np.zeros((2, 1))).sum() * big, np.array([0.0]))
    assert (found.op, found.formula) == ("Add", "sum_to(gradient, shape)")


def test_of_many_arguments_each_has_a_number():
    found = autopsy(lambda x: F.concat([x, np.array([np.nan])]).sum(), np.array([1.0]))
    assert (found.op, found.phase, list(found.arguments)) == ("Concat", "input", ["xs1"])


def test_an_op_of_the_users_without_words():
    found = autopsy(lambda x: Zeroth(x).sum(), np.array([1.0]))
    assert (found.op, found.phase, found.formula, found.value) == ("Zeroth", "backward", "backward(dy)", math.inf)


def test_it_names_the_line_and_the_layer():
    model = nn.Sequential(nn.Dense(2, 3), nn.Dense(3, 2))
    model[1].W.assign(np.full((3, 2), np.inf, np.float32))
    found = autopsy(lambda: F.cross_entropy(model(np.ones((1, 2), np.float32)), np.array([1])))
    assert (found.op, found.phase, found.layer, found.gradients) == ("MatMul", "input", "Sequential.1", (4, 4))
    assert found.source.startswith(f"{Path(__file__).name}:")
    assert found.code.startswith("found = autopsy(lambda: F.cross_entropy(model(")
    assert autopsy(F.log, np.array([-1.0])).source == ""


def test_training_that_stops_points_here_and_the_model_is_still_as_it_was_then():
    def loss(p, t):
        return F.log(p - 1e9).mean()

    model, x, y = nn.Dense(2, 1), np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"tz\.check\.autopsy\(lambda: loss"):
        tz.train.fit(model, (x, y), loss=loss, optimizer=tz.optim.SGD(model.parameters(), lr=0.1), progress="none")
    found = autopsy(lambda: loss(model(x), y))
    assert (found.op, found.layer, found.source[:15]) == ("Log", "", "test_autopsy.py")


def test_an_error_after_it_is_part_of_the_story_and_any_other_passes_on():
    def loss(p):
        return F.binary_cross_entropy(F.log(p), np.array([1.0]))

    assert autopsy(loss, np.array([-1.0])).op == "Log"
    with pytest.raises(ValueError, match="probabilities lie between 0 and 1"):
        autopsy(loss, np.array([0.5]))


def test_it_leaves_everything_as_it_was():
    tz.manual_seed(3)
    expected = F.dropout(tz.tensor(np.ones(9)), 0.5).tolist()
    tz.manual_seed(3)
    norm, w = nn.BatchNorm(2), tz.tensor([0.0, 1.0], requires_grad=True)
    before = {name: value.copy() for name, value in norm.state_dict().items()}
    x = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
    assert autopsy(lambda: (F.dropout(norm(x * w), 0.5) / w).sum()).op == "Div"
    assert w.grad is None
    assert all(np.array_equal(value, before[name]) for name, value in norm.state_dict().items())
    assert F.dropout(tz.tensor(np.ones(9)), 0.5).tolist() == expected


def test_on_a_gpu(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module())
    x = tz.tensor([4.0, -1.0], device="cuda")
    found = autopsy(lambda x: F.log(x).sum(), x)
    assert (found.op, found.element, found.arguments, found.gradients) == ("Log", (1,), {"x": -1.0}, (0, 1))


def test_under_no_grad_too():
    with tz.no_grad():
        assert autopsy(lambda x: F.sqrt(x).sum() * 0.0, np.array([0.0])).phase == "backward"


def test_both_languages():
    found = autopsy(lambda x: F.log(x).mean(), np.array([0.0, -1.0]))
    with in_language("en"):
        said = str(found).splitlines()
    assert said[0] == "−∞ born in the forward of Log at [0]: x = 0"
    assert said[1] == "  y = ln x"
    assert said[3:6] == ["  carried on by Log.backward", "later:", "NaN born in the forward of Log at [1]: x = −1"]
    assert said[-2:] == ["In the end the result is not finite.", "Gradients that are not finite: 1 of 1."]
    with in_language("zh"):
        assert str(found).startswith("−∞ 诞生于 Log 的前向，位置 [0]：x = 0\n  y = ln x\n")
        assert str(autopsy(F.relu, np.array(np.nan))).startswith("ReLU 拿到的就是 NaN，不是这里算出来的：x = NaN\n")
