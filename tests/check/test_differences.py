"""The numeric side: slopes are right to within their error bars."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_zh.check.differences import METHODS, Line, ladder, left_slope, right_slope

CASES = {
    "sin at 1": (math.sin, 1.0, math.cos(1.0)),
    "exp at 20": (math.exp, 20.0, math.exp(20.0)),
    "exp at −20": (math.exp, -20.0, math.exp(-20.0)),
    "1/x at 1e-4": (lambda x: 1 / x, 1e-4, -1e8),
    "log at 1e-6": (math.log, 1e-6, 1e6),
    "x³ at 0": (lambda x: x**3, 0.0, 0.0),
    "tanh(1000 x) at 1e-3": (lambda x: math.tanh(1000 * x), 1e-3, 1000 / math.cosh(1) ** 2),
    "relu at 1e-5": (lambda x: max(x, 0.0), 1e-5, 1.0),
    "relu at 1e-6": (lambda x: max(x, 0.0), 1e-6, 1.0),
    "x² + 1e6": (lambda x: x * x + 1e6, 0.3, 0.6),
    "a constant": (lambda x: 5.0, 0.3, 0.0),
}


def along(f, x, size=None):
    def evaluate(t):
        try:
            return np.array([f(x + t)])
        except (ValueError, OverflowError, ZeroDivisionError):
            return None

    return Line(evaluate, np.array([[1.0], [-2.0]]), abs(x) if size is None else size)


@pytest.mark.parametrize("case", CASES)
def test_the_ladder_is_right_within_its_error_bar(case):
    f, x, exact = CASES[case]
    slope = ladder(along(f, x), 0.125)
    assert np.all(np.abs(slope.value - exact * np.array([1, -2])) <= 10 * slope.error + 1e-14 * abs(exact))
    assert np.all(slope.error <= 1e-7 * max(abs(exact), 1e-3))


@pytest.mark.parametrize("method", METHODS)
def test_every_method_measures_a_smooth_slope(method):
    f = np.exp
    slope = METHODS[method](along(f, 1.0), 0.125)
    assert slope.value == pytest.approx([math.e, -2 * math.e], rel=1e-9)
    assert np.all(np.abs(slope.value - math.e * np.array([1, -2])) <= 10 * slope.error)


def test_the_complex_step_is_exact():
    x = 0.7
    value = METHODS["complex"](along(np.sin, x), 0.125).value[0]
    assert value == np.cos(x)


def test_the_two_sides_of_a_kink():
    line = along(lambda x: abs(x) + x * x, 0.0)
    assert right_slope(line, 0.125).value[0] == pytest.approx(1, rel=1e-9)
    assert left_slope(line, 0.125).value[0] == pytest.approx(-1, rel=1e-9)


def test_noise_is_noticed():
    assert along(math.sin, 1.0).roughness()[0] < 10
    assert 10 < along(lambda x: (math.sin(x) + 100) - 100, 1.0).roughness()[0] < 1000


@pytest.mark.parametrize("x", [0.0, 1e-6, 1e-3])
def test_a_kink_is_not_taken_for_noise(x):
    assert along(abs, x).roughness()[0] < 10


def test_no_value_is_computed_twice():
    seen = []
    line = along(lambda x: seen.append(x) or math.sin(x), 1.0)
    ladder(line, 0.125)
    right_slope(line, 0.125)
    assert len(seen) == len(set(seen))


def test_outside_the_domain_everywhere_is_nan():
    slope = ladder(along(lambda x: math.log(x), -1.0), 0.125)
    assert np.isnan(slope.value).all()
