"""Special points: what is right at the given inputs and wrong at zeros, ties, extremes or repeated indices."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.check import Report, gradcheck
from tinygrad_zh.check.special import CHANGES, one_zero, points, repeated, tied
from tinygrad_zh.check.zoo.aliasing import OneBufferForAllGradients
from tinygrad_zh.i18n import in_language

X = np.random.default_rng(1).normal(size=(4, 5))


def failures(function, *inputs, grad):
    return gradcheck(function, *inputs, grad=grad).failures


# ---- what is caught


def divided(x):
    return x.prod() / x


def with_one_zero_only(x):
    others = np.where(x == 0, 1, x).prod()
    return np.where((x == 0).any(), np.where(x == 0, others, 0), others / np.where(x == 0, 1, x))


def whole_to_every_tie(dy, x):
    return dy[:, None] * (x == x.max(axis=1, keepdims=True))


def overflowing(dy, x):
    return dy * np.exp(-x) / (1 + np.exp(-x)) ** 2


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def overflowing_far_away(dy, x):
    return dy * np.exp(x) / (1 + np.exp(x))


def small_is_zero(dy, x):
    return dy * np.where((x != 0) & (np.abs(x) < 1e-3), 0, np.cos(x))


def blown_up_raises(dy, x):
    if np.abs(x).max() > 20:
        raise FloatingPointError("too large")
    return dy * 2 * x


def wrong_at_zero(dy, x):
    return dy * np.where(x == 0, 0, -1 / (1 + np.exp(x)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


CASES = [
    (np.prod, divided, "not_finite_at_zero", "zeros"),
    (np.prod, with_one_zero_only, "only_at_zeros", "more_zeros"),
    (np.linalg.norm, lambda x: x / np.linalg.norm(x), "not_finite_at_zero", "zeros"),
    (lambda x: x.max(axis=1), whole_to_every_tie, "together", "ties"),
    (sigmoid, overflowing, None, "large"),
    (softplus, overflowing_far_away, None, "huge"),
    (np.sin, small_is_zero, "zero", "small"),
    (lambda x: x * x, blown_up_raises, "raised", "large"),
    (lambda x: np.log1p(np.exp(-x)), wrong_at_zero, "zero", "zeros"),
]


@pytest.mark.parametrize(("function", "grad", "diagnosis", "point"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_what_hides_at_a_special_point_is_caught_there(function, grad, diagnosis, point, seed):
    x = 20 * X if function is sigmoid else X
    assert gradcheck(function, X, grad=grad, seed=seed, special=False)
    report = gradcheck(function, x, grad=grad, seed=seed)
    assert not report
    assert diagnosis in (None, *[failure.diagnosis for failure in report.failures]), str(report)
    there = {failure.point for failure in report.failures} | {row.point for row in report.comparisons if not row.passed}
    assert point in there
    assert all(row.point for row in report.comparisons if not row.passed)


def test_a_failure_says_where_in_both_languages():
    report = gradcheck(lambda a: np.prod(a), X[0], grad=divided)
    failure = report.failures[0]
    assert failure.inputs == {"a": "[0. 0. 0. 0. 0.]"}
    assert failure.comparison.value == 0
    assert "[0] = 0 " in str(report)
    with in_language("en"):
        assert "only at a special point, all zero: a = [0. 0. 0. 0. 0.]" in str(report)
    with in_language("zh"):
        assert "只在特殊点，全为零：a = [0. 0. 0. 0. 0.]" in str(report)
    assert Report.from_json(report.to_json()).to_json() == report.to_json()


def test_what_is_wrong_anyway_is_not_looked_for_elsewhere():
    report = gradcheck(np.sin, X, grad=lambda dy, x: dy)
    assert not report
    assert report.points == report.outside == ()


def test_one_kind_of_fault_is_said_once():
    found = failures(lambda x: np.sqrt(np.abs(x)).sum() ** 2, X, grad=lambda x: np.full_like(x, np.nan))
    assert len(found) == 1
    report = gradcheck(np.prod, X, grad=divided)
    assert len({(f.name, f.diagnosis) for f in report.failures}) == len(report.failures)


def test_what_overflows_for_the_other_sign_is_caught_too():
    report = gradcheck(softplus, -np.abs(X), grad=overflowing_far_away)
    assert [failure.point for failure in report.failures] == ["opposite"]


def test_far_away_a_number_is_believed():
    """Rounding may be all that is left of a slope there."""
    def only_near(x):
        return np.where(np.abs(x) < 100, np.cos(x), 0.0)

    report = gradcheck(lambda x: np.sin(x).sum(), np.array([0.4, 1.2]), grad=only_near)
    assert report
    assert {"huge", "opposite"} <= set(report.points)
    assert not [row for row in report.comparisons if row.point in ("huge", "opposite")]


def test_a_point_with_no_value_close_by_has_no_slope_that_could_be_wrong():
    """(−2)² is 4, and (−2)^2.1 is nothing: the gradient of the exponent is nan, and rightly so."""
    report = gradcheck(F.pow, np.array([2.0, -2.0, -2.0]), np.array([2.0, 2.0, 2.0]))
    assert all(failure.point == "" for failure in report.failures)


# ---- where there is nothing to find


def test_points_outside_the_domain_are_counted_and_no_error():
    report = gradcheck(F.log, np.array([0.5, 2.0]))
    assert report
    assert set(report.outside) == {"zeros", "one_zero", "opposite"}  # of two elements, more zeros are all
    assert set(report.points) == {"large", "huge", "small", "ties"}
    with in_language("en"):
        assert "at 4 special points; at 3 others the function has no value" in str(report)


def test_a_function_may_refuse_what_it_is_not_made_for():
    def picky(x):
        if (x.numpy() == 0).any():
            raise LookupError("no zeros here")
        return F.tanh(x)

    report = gradcheck(picky, X)
    assert report
    assert "zeros" in report.outside


def test_of_several_inputs_each_is_zero_once_and_then_all():
    report = gradcheck(lambda a, b: a * b, X, 2 * X)
    assert {"zeros(a)", "zeros(b)", "zeros"} <= set(report.points)
    assert not any(point.startswith("large(") for point in report.points)


def test_if_all_at_once_lead_out_of_the_domain_one_does_alone():
    report = gradcheck(lambda x, p: F.sum(x * F.log(p)), X, np.full((4, 5), 0.5))
    assert {"one_zero(x)", "more_zeros(x)"} <= set(report.points)
    assert {"one_zero", "one_zero(p)"} <= set(report.outside)


def test_points_that_are_the_given_ones_are_not_tried_again():
    assert "zeros" not in gradcheck(F.tanh, np.zeros(3)).points
    names = gradcheck(F.tanh, np.array(0.5)).points
    assert names == ("zeros", "large", "huge", "opposite", "small")


@pytest.mark.parametrize("shape", [(0,), (3, 0)])
def test_empty_inputs_have_none(shape):
    report = gradcheck(F.tanh, np.zeros(shape))
    assert report
    assert report.points == ()


def test_a_gradient_given_as_numbers_holds_at_the_given_inputs_alone():
    assert gradcheck(lambda x: (x**2).sum(), X, grad=2 * X).points == ()
    assert gradcheck(lambda x: (x**2).sum(), X, grad=lambda x: 2 * x).points


def test_a_given_upstream_gradient_serves_at_special_points_too():
    class AtZero(tz.Op):
        def forward(x):
            return np.sin(x)

        def backward(dy, x):
            return np.where(x == 0, 2 * dy, dy * np.cos(x))

    report = gradcheck(AtZero, X, upstream=np.ones((4, 5)))
    assert {f.diagnosis for f in report.failures} == {"factor", "only_at_zeros"}


def test_the_rows_of_the_given_inputs_are_the_same_with_and_without():
    with_points, without = gradcheck(F.softmax, X), gradcheck(F.softmax, X, special=False)
    assert [row for row in with_points.comparisons if not row.point] == list(without.comparisons)
    assert with_points.points
    assert not without.points


@pytest.mark.parametrize("function", [F.norm, F.std, F.prod, F.relu, F.abs, F.max, F.softmax, F.layer_norm, F.gelu])
@pytest.mark.parametrize("order", [1, 2])
def test_right_ops_pass_everywhere(function, order):
    report = gradcheck(function, X, order=order)
    assert report, str(report)
    assert len(report.points) == 8


# ---- indices


class Overwrites(tz.Op):
    """pytorch #1631: right until an index comes twice."""

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros(x_shape, dy.dtype)
        g[i] = dy
        return g


@pytest.mark.parametrize("order", [[0, 2], [3, 1, 0]])
def test_an_index_is_repeated(order):
    assert gradcheck(Overwrites, X, np.array(order), special=False)
    report = gradcheck(Overwrites, X, np.array(order))
    assert [(f.point, f.diagnosis) for f in report.failures] == [("repeats", "repeated_index")]


def test_a_permutation_is_not():
    inverse = lambda dy, x, i: dy[np.argsort(i)]  # noqa: E731
    report = gradcheck(lambda x, i: x[i], X, np.array([2, 0, 3, 1]), grad=inverse)
    assert report
    assert "repeats" not in report.points


def test_what_is_repeated():
    assert repeated([None, np.array([1.5])], [X]) is None
    assert repeated([np.array([2, 2])], [X]) is None
    assert repeated([np.array([True, False])], [X]) is None
    assert [c.tolist() for c in repeated([np.array([2, 1])], [X])] == [[2, 2]]


# ---- the points


def test_ties_are_within_and_between_inputs_and_at_the_maximum():
    a, b = tied([X, X[0] + 0.1])
    assert set(np.unique(a)) | set(np.unique(b)) <= set(np.concatenate([X.ravel(), X[0] + 0.1]))
    assert len(np.unique(np.concatenate([a.ravel(), b]))) == 3
    assert (a == a.max()).sum() > 1


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (1, 4, 1)])
def test_every_change_keeps_the_shape_and_the_original(shape):
    x = np.full(shape, 3.0)
    for change in CHANGES.values():
        assert change(x).shape == shape
    assert (x == 3).all()
    assert (one_zero(x) == 0).sum() == 1
    assert next(points([x], ["x"]))[0].name == "zeros"


def test_two_zeros_lie_along_every_axis():
    y = CHANGES["more_zeros"](np.ones((3, 4)))
    assert ((y == 0).sum(axis=0) == 2).any()
    assert ((y == 0).sum(axis=1) == 2).any()


@pytest.mark.parametrize("seed", range(4))
def test_rounding_at_a_singular_point_is_no_error(seed):
    """Where a column is three times −0.6836, its mean is not quite that, and its deviation a rounding error."""
    middle = -0.3 - 0.0137 * 28
    x = np.array([[middle - 0.01, 0.6682], [middle + 0.01, 0.8763], [middle, 0.8963]])
    report = gradcheck(lambda x: F.std(x, axis=0, ddof=1), x, seed=seed)
    assert report, str(report)
    assert "ties" in report.points


def test_infinities_of_opposite_outputs_may_cancel():
    """x^0.08 and −x^0.02 at 0: the slope is ∞ − ∞, and nan is no fault."""
    exponents = np.array([0.0781, 0.5, 0.0172])
    report = gradcheck(lambda x: x**exponents, np.array(0.7), upstream=np.array([1.0, 1.0, -1.0]))
    assert report, str(report)
    assert "zeros" in report.points


@pytest.mark.parametrize("wrong", [-np.inf, np.nan, 0.0])
def test_an_infinity_of_the_wrong_sign_is_no_excuse(wrong):
    report = gradcheck(np.sqrt, np.array(0.7), grad=lambda x: wrong if x == 0 else 0.5 / np.sqrt(x))
    assert [failure.point for failure in report.failures] == ["zeros"]


# ---- where more than two pieces meet, and memory that is shared


class Sorted(tz.Op):
    """y = x in ascending order"""

    def forward(x):
        return np.sort(x)

    def backward(dy, x):
        return np.take(dy, np.argsort(np.argsort(x, kind="stable"), kind="stable"))


class SortedBackwards(tz.Op):
    """The same, and the gradient is that of the descending order."""

    def forward(x):
        return np.sort(x)

    def backward(dy, x):
        return np.take(dy, np.argsort(np.argsort(-x, kind="stable"), kind="stable"))


@pytest.mark.parametrize("x", [np.array([0.3, -1.0, 2.0, 0.7]), np.array([2.0, 2.0, 2.0, 1.0]), np.zeros(5)])
@pytest.mark.parametrize("seed", range(5))
def test_any_of_the_slopes_that_meet_is_right(x, seed):
    assert gradcheck(Sorted, x, seed=seed)


@pytest.mark.parametrize("seed", range(5))
def test_but_no_other(seed):
    assert not gradcheck(np.sort, np.zeros(4), grad=lambda dy, x: 2 * np.abs(dy), seed=seed)
    assert not gradcheck(SortedBackwards, np.array([0.3, -1.0, 2.0, 0.7]), seed=seed)


def test_a_gradient_that_a_later_backward_overwrites():
    report = gradcheck(OneBufferForAllGradients, np.ones((2, 3)))
    assert "overwritten" in [failure.diagnosis for failure in report.failures]


class AnyOrder(tz.Op):
    """y = x², and "A" is taken for "any order" """

    def forward(x):
        return x * x

    def backward(dy, x):
        return 2 * x * dy.ravel(order="A").reshape(x.shape)


def test_an_upstream_gradient_by_columns():
    assert "layout_upstream" in [failure.diagnosis for failure in gradcheck(AnyOrder, np.ones((2, 3))).failures]
