"""The cheap first look: what it passes agrees with the ladder, and what deceives it is caught all the same."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck
from tinygrad_zh.check.directions import Direction
from tinygrad_zh.check.screening import Screening

X = np.random.default_rng(4).normal(size=(3, 4))
ONE = Direction({0: 0})


def screening(f, x):
    """f: a function of one number, seen through two upstream gradients."""
    def evaluate(direction, t):
        value = f(x + t)
        return np.array([value]) if np.isfinite(value) else None

    return Screening(evaluate, np.array([f(x)]), np.array([[1.0], [-2.0]]), 0.0)


SMOOTH = {"sin": (np.sin, 1.0, np.cos(1.0)), "exp": (np.exp, 3.0, np.exp(3.0)), "cube": (lambda x: x**3, 0.5, 0.75),
          "large": (lambda x: x * x, 1e6, 2e6), "flat": (lambda x: 3.0 + 0 * x, 1.0, 0.0)}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("screen", [Screening.complex, Screening.central, Screening.five_point])
def test_the_truth_is_within_ten_error_bars(name, screen):
    f, x, exact = SMOOTH[name]
    length = np.array([max(1.0, abs(x)) ** 0.5])
    value, error, step = screen(screening(f, x), [ONE], length)
    if exact == 0 and screen is Screening.complex:
        assert np.isnan(value).all()  # a slope of 0 is left to real differences
        return
    assert value.shape == error.shape == (1, 2)
    assert np.all(np.abs(value - exact * np.array([1, -2])) <= 10 * error + 1e-15)
    assert np.all(error <= 1e-8 * max(1, abs(exact)))
    assert step.shape == (1,)


@pytest.mark.parametrize("f", [np.abs, lambda x: 5 * x + np.abs(x), lambda x: np.maximum(x, 0.1 * x)])
@pytest.mark.parametrize("screen", [Screening.central, Screening.five_point])
def test_at_a_kink_the_error_bar_is_too_wide_to_pass(f, screen):
    value, error, _ = screen(screening(f, 0.0), [ONE], np.ones(1))
    assert np.all(10 * error > 1e-7 * np.abs(value))


@pytest.mark.parametrize("screen", [Screening.central, Screening.five_point])
def test_outside_the_domain_nothing_is_measured(screen):
    with np.errstate(invalid="ignore"):
        value, _, _ = screen(screening(np.sqrt, 0.0), [ONE], np.ones(1))
    assert np.isnan(value).all()


def counted(function):
    def f(*inputs):
        f.calls += 1
        return function(*inputs)

    f.calls = 0
    return f


def test_one_evaluation_an_element_where_f_is_analytic():
    few, many = (counted(F.softmax), counted(F.softmax))
    gradcheck(few, X, special=False)
    gradcheck(many, np.tile(X, (4, 1)), special=False)
    assert many.calls - few.calls == 3 * X.size


def test_two_where_it_is_not():
    few, many = (counted(F.sigmoid), counted(F.sigmoid))
    gradcheck(few, X, special=False)
    gradcheck(many, np.tile(X, (4, 1)), special=False)
    assert 2 * 3 * X.size <= many.calls - few.calls <= 2.5 * 3 * X.size


def test_the_rows_of_a_screen_say_what_was_measured():
    rows = gradcheck(F.tanh, X, special=False).comparisons
    for row in rows:
        assert row.verdict == "smooth"
        assert abs(row.analytic - row.numeric) <= row.tolerance
        assert 0 < row.tolerance <= 3e-7 * max(abs(row.numeric), 1)
        assert row.step > 0
    assert {row.step for row in rows if row.element is not None} == {1e-20}
    assert [row.value for row in rows[:4]] == X[0].tolist()


def test_the_screens_agree_with_a_fixed_step():
    for function in (F.gelu, F.sigmoid, F.layer_norm, F.logsumexp, lambda x: F.abs(x) ** 1.5):
        quick = gradcheck(function, X, special=False).comparisons
        slow = gradcheck(function, X, special=False, method="five-point").comparisons
        for a, b in zip(quick, slow, strict=True):
            assert a.numeric == pytest.approx(b.numeric, rel=1e-5, abs=1e-8)


# ---- what would deceive the complex step


def imaginary_part_dropped(x):
    """np.abs makes a real number of a complex one: complex steps see no slope in it."""
    return np.sin(x) * np.ones_like(x) + np.abs(x)


def test_a_claim_that_forgets_what_the_complex_step_does_not_see():
    for _ in range(2):
        report = gradcheck(imaginary_part_dropped, X, grad=lambda dy, x: dy * np.cos(x))
        assert not report
        assert report.failures[0].check == "gradient"
    assert gradcheck(imaginary_part_dropped, X, grad=lambda dy, x: dy * (np.cos(x) + np.sign(x)))


def test_a_tiny_slope_that_the_complex_step_does_not_see():
    def f(x):
        return np.sin(x[1:]).sum() + 1e-9 * np.abs(x[0])

    def forgotten(x):
        return np.concatenate([[0.0], np.cos(x[1:])])

    report = gradcheck(f, X[0], grad=forgotten)
    assert report.worst.element == (0,)


def test_a_screen_is_no_help_to_a_wrong_claim_beside_a_kink():
    for x in (1e-3, 1e-5, 1e-7):
        assert gradcheck(F.relu, np.array([x, -x]))
        assert not gradcheck(lambda x: np.maximum(x, 0), np.array([x, -x]), grad=lambda dy, x: 0 * dy, special=False)
        assert not gradcheck(lambda x: np.maximum(x, 0), np.array([x, -x]), grad=lambda dy, x: dy, special=False)


def test_a_screen_that_tells_nothing_passes_nothing():
    """Beside 10⁴ the quick difference is rounding; the ladder's large steps see the slope."""
    def f(x):
        return 1e4 + 1e-3 * np.abs(x).sum()

    assert gradcheck(f, X, grad=lambda x: 1e-3 * np.sign(x), special=False)
    assert not gradcheck(f, X, grad=lambda x: 1.0001e-3 * np.sign(x), special=False)


def test_a_claim_that_hangs_on_last_digits_is_not_excused():
    assert not gradcheck(lambda x: (x * x).sum(), X, grad=lambda x: 2 * x + 1e-3 * np.sin(1e16 * x), special=False)


@pytest.mark.parametrize("name", ["norm", "std"])
def test_second_derivatives_far_below_the_first_step(name):
    report = gradcheck(getattr(F, name), 1e-8 * X, order=2)
    assert report, str(report)


def test_what_is_left_where_f_is_flat_but_for_rounding():
    logits = np.array([[1.7358, -2.93, -4.19], [0.9, -2.1, 0.1]])
    for seed in range(3):
        report = gradcheck(lambda x: F.cross_entropy(x, np.array([0, 0]), reduction="none"), logits, seed=seed)
        assert report, str(report)
