"""Wrong gradients of every kind are called by their name: homework, in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck
from tinygrad_zh.i18n import in_language

RNG = np.random.default_rng(5)
X, SQUARE, B = RNG.normal(size=(6, 5)), RNG.normal(size=(4, 4)), RNG.normal(size=5)
INDEX = np.array([0, 3, 3, 1])


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def normalized(x, axis=-1):
    return (x - x.mean(axis=axis, keepdims=True)) / x.std(axis=axis, keepdims=True)


def overwritten(dy, x, i):
    g = np.zeros_like(x)
    g[i] = dy
    return g


def zero_filled(dy, x):
    g = np.zeros_like(dy)
    g[1:] = (2 * dy * x)[:-1]
    return g


CASES = {
    "one_slice": (lambda x, b: x + b, (X, B), lambda dy, x, b: (dy, dy[-1]), {"axis": "0", "index": "5"}),
    "wrong_axis": (lambda x, b: x + b, (SQUARE, B[:4]), lambda dy, x, b: (dy, dy.sum(axis=1)),
                   {"axis": "0", "other": "1"}),
    "diagonal": (softmax, (X,), lambda dy, x: dy * softmax(x) * (1 - softmax(x)), {}),
    "statistics": (softmax, (X,), lambda dy, x: dy * softmax(x), {"axis": "1"}),
    "repeated_index": (lambda x, i: x[i], (X, INDEX), overwritten, {"axis": "0", "index": "3"}),
    "swapped": (lambda a, b: a * b, (X, X**2), lambda dy, a, b: (dy * a, dy * b), {"other": "b"}),
    "shifted": (lambda x: x * x, (B,), lambda dy, x: np.roll(2 * dy * x, 1), {"axis": "0", "shift": "+1"}),
    "constant": (lambda x: x**2, (X,), lambda dy, x: np.broadcast_to((2 * dy * x).mean(axis=0), x.shape),
                 {"axis": "0"}),
    "clipped": (lambda x: x**3, (X,), lambda dy, x: np.clip(3 * dy * x * x, -1, 1), {"value": "1"}),
    "float32_rounding": (np.sin, (X,), lambda dy, x: (np.float32(dy) * np.cos(np.float32(x))).astype(float), {}),
}


@pytest.mark.parametrize("diagnosis", CASES)
@pytest.mark.parametrize("seed", range(3))
def test_it_is_called_by_its_name(diagnosis, seed):
    function, inputs, grad, values = CASES[diagnosis]
    report = gradcheck(function, *inputs, grad=grad, seed=seed)
    failure = report.failures[0]
    assert (failure.diagnosis, failure.values) == (diagnosis, values), str(report)
    for code in ("en", "zh"):
        with in_language(code):
            assert all(value in str(failure) for value in values.values())


def test_a_shift_that_lets_go_of_one_end():
    report = gradcheck(lambda x: x * x, B, grad=zero_filled)
    assert report.failures[0].diagnosis == "shifted"


@pytest.mark.parametrize("axis", [0, 1])
def test_statistics_taken_for_constants(axis):
    grad = lambda dy, x: dy / x.std(axis=axis, keepdims=True)  # noqa: E731
    report = gradcheck(lambda x: normalized(x, axis), X, grad=grad)
    assert (report.failures[0].diagnosis, report.failures[0].values) == ("statistics", {"axis": str(axis)})


def test_what_is_not_the_neighbour_s_index_is_not_called_repeated():
    wrong = lambda dy, x, i: overwritten(dy, x, i) * 1.5  # noqa: E731
    assert gradcheck(lambda x, i: x[i], X, INDEX, grad=wrong).failures[0].diagnosis != "repeated_index"


class HalfOfAll(tz.Op):
    def forward(x, b):
        return x + b

    def backward(dy):
        return dy, dy.sum(axis=0) - 0.25 * dy[0] * dy[1]


def test_no_pattern_is_no_pattern():
    assert gradcheck(HalfOfAll, X, B).failures[0].diagnosis == "elements"


# ---- where nan comes from


class NormByDivision(tz.Op):
    def forward(x):
        return np.sqrt((x * x).sum())

    def backward(dy, x, y):
        return dy * x / y


BIRTHS = [
    (lambda x: F.sum(F.where(x > 0, F.log(x), x)), np.array([1.0, 0.0]), "born_forward", "Log", ""),
    (lambda x: F.sum(F.where(x > 0, F.log(x), x)), np.array([1.0, 2.0]), "born_forward", "Log", "zeros"),
    (lambda x: NormByDivision(x) * 2, np.zeros(3), "born_backward", "NormByDivision", ""),
    (lambda x: F.exp(1000 * x), np.array([1.0]), "born_forward", "Exp", ""),
]


@pytest.mark.parametrize(("function", "x", "diagnosis", "op", "point"), BIRTHS)
def test_the_op_where_a_number_stops_being_finite_is_named(function, x, diagnosis, op, point):
    report = gradcheck(function, x)
    found = [f for f in report.failures if f.diagnosis.startswith("born")]
    assert [(f.diagnosis, f.values["op"], f.point) for f in found] == [(diagnosis, op, point)], str(report)


def test_homework_has_no_ops_to_name():
    report = gradcheck(lambda x: np.sqrt(x @ x), np.zeros(3), grad=lambda x: x / np.sqrt(x @ x))
    assert [f.diagnosis for f in report.failures] == ["not_finite_at_zero"]


def test_two_values_always_fit_two_statistics_and_prove_nothing():
    x = X[:, :2]
    report = gradcheck(lambda x: np.sin(x), x, grad=lambda dy, x: dy * np.cos(x) * np.abs(x + 2))
    assert report.failures[0].diagnosis == "elements"


def test_small_errors_of_other_kinds_are_not_float32():
    signs = np.where(np.arange(X.size).reshape(X.shape) % 3, 1, -1)
    report = gradcheck(np.sin, X, grad=lambda dy, x: dy * np.cos(x) * (1 + 5e-7 * signs))
    assert report.failures[0].diagnosis == "elements"
