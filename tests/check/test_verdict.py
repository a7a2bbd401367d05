"""What the function looks like at a point, and whether a claim fits that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck
from tinygrad_zh.check.differences import Line
from tinygrad_zh.check.verdict import Claim, judge
from tinygrad_zh.check.zoo.layout import InMemoryOrder

SHAPES = {  # f, x, the kind, claims that fit, claims that do not
    "smooth": (math.sin, 0.0, "smooth", [1.0], [1 + 1e-6, -1.0, 0.0, math.inf, math.nan]),
    "near the end": (math.log, 1e-8, "smooth", [1e8], [1.001e8, 0.0, -1e8, math.inf]),
    "bump": (lambda x: math.exp(-((1e3 * x) ** 2)), 5e-4, "smooth", [-1e3 * math.exp(-0.25)], [1.0]),
    "kink": (abs, 0.0, "kink", [-1.0, 0.0, 0.4, 1.0], [1.001, -2.0, math.nan, math.inf]),
    "kink of unequal slopes": (lambda x: max(2 * x, x), 0.0, "kink", [1.0, 2.0], [0.999, 2.001]),
    "kink on a slope": (lambda x: 5 * x + abs(x), 0.0, "kink", [4.0, 6.0], [0.0, 3.99]),
    "edge": (lambda x: math.sqrt(x) ** 3, 0.0, "edge", [0.0], [1.0, -0.1, math.inf]),
    "edge on the right": (lambda x: math.sqrt(1 - x) ** 4, 1.0, "edge", [0.0], [1.0]),
    "unbounded": (math.sqrt, 0.0, "unbounded", [math.inf], [-math.inf, 0.0, 1e9, math.nan]),
    "slowly unbounded": (lambda x: math.pow(x, 0.98), 0.0, "edge", [math.inf], [-math.inf, math.nan]),
    "as slowly as ln x": (lambda x: x * math.log(x) if x else 0.0, 0.0, "edge", [-math.inf], [math.inf, math.nan]),
    "unbounded both ways": (lambda x: math.copysign(abs(x) ** 0.5, x), 0.0, "unbounded", [math.inf], [0.0]),
    "cusp": (lambda x: abs(x) ** 0.5, 0.0, "unbounded", [math.inf, -math.inf, 0.0], [1.0]),
    "jump": (lambda x: float(x > 0), 0.0, "jump", [0.0, 3.0], [math.inf, math.nan]),
    "alone": (lambda x: math.sqrt(-abs(x)), 0.0, "outside", [], [0.0, math.nan]),
}
CASES = [(name, claim, fits) for name, shape in SHAPES.items() for fits in (True, False)
         for claim in shape[3 if fits else 4]]  # fmt: skip


def along(f, x):
    def evaluate(t):
        try:
            return np.array([f(x + t)])
        except ValueError:
            return None

    return Line(evaluate, np.array([[1.0], [-3.0]]), abs(x))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("method", ["ladder", "central", "five-point"])
@pytest.mark.parametrize(("name", "claim", "fits"), CASES)
def test_a_claim(name, claim, fits, method, dense):
    f, x, kind = SHAPES[name][:3]
    slope = claim * np.array([1.0, -3.0])
    verdicts = judge(along(f, x), Claim(slope, np.zeros(2), dense), method, 0.125, 1e-7)
    excused = dense and kind in ("kink", "edge", "unbounded", "outside") and math.isfinite(claim)
    assert [v.passed for v in verdicts] == [fits or excused] * 2
    assert {v.kind for v in verdicts} <= {kind, "smooth"}
    if not fits:
        assert {v.kind for v in verdicts} == {kind}


@pytest.mark.parametrize(("claim", "fits"), [(1e5, True), (1.001e5, False), (0.0, False)])
def test_the_ladder_climbs_down_to_where_the_function_is_smooth(claim, fits):
    line = along(lambda x: math.tanh(1e5 * x), 0.0)
    verdicts = judge(line, Claim(claim * np.array([1.0, -3.0]), np.zeros(2), False), "ladder", 0.125, 1e-7)
    assert [v.passed for v in verdicts] == [fits, fits]


@pytest.mark.parametrize("x", [-5.5, -6.0, -6.1, -6.3, -6.5])
def test_noise_inside_the_function_is_no_error_of_the_claim(x):
    """1 + tanh x has few digits left there, and below them only steps, along which f is perfectly smooth."""
    def noisy(x):
        return 0.5 * x * (1 + F.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * (x * x * x))))

    assert gradcheck(noisy, np.array([x]))
    assert not gradcheck(lambda x: noisy(x) * 2 - noisy(x).detach(), np.array([x]))


def test_the_row_shown_is_the_one_that_fails():
    """Only the second upstream gradient, the one that is not contiguous, shows this bug."""
    report = gradcheck(InMemoryOrder, np.arange(6.0).reshape(2, 3) + 1)
    assert not report.worst.passed
    assert report.failures[0].comparison == report.worst
