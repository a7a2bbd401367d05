"""Calls that cannot be checked say why, and how to make them right."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.check import check_parameters, gradcheck

X = np.array([0.5, -2.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: gradcheck(F.tanh), TypeError, "at least one input"),
        (lambda: gradcheck(3, X), TypeError, "f is a function or an op, not int"),
        (lambda: gradcheck(F.tanh(tz.tensor(X)), X), TypeError, "not Tensor"),
        (lambda: gradcheck(F.tanh, np.array([1.0, np.nan])), ValueError, r"input 0 is nan at \[1\]"),
        (lambda: gradcheck(F.tanh, np.array([[np.inf, 1.0]])), ValueError, r"input 0 is inf at \[0, 0\]"),
        (lambda: gradcheck(F.tanh, [[1.0], [2.0, 3.0]]), TypeError, "input 0 is no array of numbers"),
        (lambda: gradcheck(F.tanh, None), TypeError, "input 0 holds object"),
        (lambda: gradcheck(F.tanh, np.array([object()])), TypeError, "input 0 holds object"),
        (lambda: gradcheck(F.tanh, tz.tensor([1, 2])), TypeError, "only floating ones"),
        (lambda: gradcheck(F.tanh, X, max_elements=0), ValueError, "max_elements is a whole number from 1 on, not 0"),
        (lambda: gradcheck(F.tanh, X, max_elements=2.5), ValueError, "max_elements"),
        (lambda: gradcheck(F.tanh, X, max_elements=None), ValueError, "max_elements"),
        (lambda: gradcheck(F.tanh, X, rtol=-1e-3), ValueError, "rtol is a number from 0 to 1, not -0.001"),
        (lambda: gradcheck(F.tanh, X, rtol=np.nan), ValueError, "rtol"),
        (lambda: gradcheck(F.tanh, X, rtol=np.inf), ValueError, "rtol"),
        (lambda: gradcheck(F.tanh, X, rtol="1e-3"), ValueError, "rtol"),
        (lambda: gradcheck(F.tanh, X, seed=1.5), ValueError, "seed is a whole number from 0 on, not 1.5"),
        (lambda: gradcheck(F.tanh, X, seed=None), ValueError, "seed"),
        (lambda: gradcheck(F.tanh, X, seed=-1), ValueError, "seed"),
        (lambda: gradcheck(F.tanh, X, special="no"), TypeError, "special is True or False"),
        (lambda: gradcheck(F.tanh, X, method=["ladder"]), ValueError, "method is one of"),
        (lambda: gradcheck(F.tanh, X, order=True), ValueError, "order is 1 or 2, not True"),
        (lambda: gradcheck(F.tanh, X, upstream="ones"), TypeError, "upstream holds <U4"),
        (lambda: gradcheck(F.tanh, X, upstream=1j * X), TypeError, "upstream holds complex128"),
        (lambda: gradcheck(F.tanh, X, upstream=X * np.nan), TypeError, "upstream holds what is not finite"),
        (lambda: gradcheck(F.tanh, X, upstream=np.ones(3), order=2), ValueError, r"upstream has shape \(3,\)"),
        (lambda: gradcheck(lambda x: (x, x), X, upstream=(X,)), ValueError, r"have \(2,\), \(2,\)"),
        (lambda: gradcheck(lambda x: (x, [x]), X), TypeError, "not list"),
        (lambda: gradcheck(lambda x: {"y": x}, X), TypeError, "not dict"),
        (lambda: gradcheck(lambda x: (x * x).sum().backward(), X), TypeError, "not NoneType"),
        (lambda: gradcheck(lambda x: x.sum(), X, grad="ones"), TypeError, "not real numbers"),
        (lambda: gradcheck(lambda x: x.sum(), X, grad=lambda x: None), TypeError, "not real numbers"),
        (lambda: gradcheck(F.tanh, np.array([1, 2])), TypeError, r"int64.*write 1\.0 for 1"),
        (lambda: gradcheck(F.tanh, 3), TypeError, "only floating ones"),
        (lambda: gradcheck(F.tanh, np.array([True])), TypeError, "bool"),
        (lambda: gradcheck(F.tanh, np.array([1j])), TypeError, "complex128; inputs are real"),
        (lambda: gradcheck(F.tanh, "x"), TypeError, "inputs are real numbers"),
        (lambda: gradcheck(F.tanh, X, order=3), ValueError, "order is 1 or 2"),
        (lambda: gradcheck(F.tanh, X, method="secant"), ValueError, "method is one of ladder, central"),
        (lambda: gradcheck(lambda x: None, X), TypeError, "not NoneType"),
        (lambda: gradcheck(lambda x: 3, X), TypeError, "not int"),
        (lambda: gradcheck(lambda x: x.numpy(), X), TypeError, "not ndarray; for a plain NumPy function"),
        (lambda: gradcheck(lambda x: (), X), TypeError, "returns nothing"),
        (lambda: gradcheck(F.argmax, X), TypeError, "returns int64"),
        (lambda: gradcheck(lambda x: x > 0, X), TypeError, "returns bool"),
        (lambda: gradcheck(F.tanh, X, upstream=np.ones(3)), ValueError, r"upstream has shape \(3,\)"),
        (lambda: gradcheck(lambda x: None, X, grad=X), TypeError, "returns NoneType"),
        (lambda: gradcheck(lambda x: 3, X, grad=X), TypeError, "returns int64"),
        (lambda: gradcheck(lambda x: tz.tensor(3.0), X, grad=X), TypeError, "drop grad="),
        (lambda: gradcheck(lambda x: x.sum(), X, grad=(X, X)), ValueError, "1 inputs have 1 gradients, grad gives 2"),
        (lambda: gradcheck(lambda x: x.sum(), X, grad=1j * X), TypeError, "complex128, not real"),
        (lambda: gradcheck(lambda x: x.sum(), X, grad=X, order=2), ValueError, "order=2"),
        (lambda: gradcheck(F.abs, X, method="complex"), ValueError, "not analytic"),
        (lambda: gradcheck(F.sigmoid, X, method="complex"), ValueError, "not analytic"),
        (lambda: gradcheck(lambda x: F.tanh(F.astype(x, np.float64)), X, method="complex"), ValueError, "complex"),
        (lambda: gradcheck(lambda x: float(x.sum()), X, grad=X, method="complex"), ValueError, 'use method="ladder"'),
        (lambda: check_parameters(lambda: 0, {}), TypeError, "at least one parameter"),
        (lambda: check_parameters(lambda: 0, {"w": X}), TypeError, "w is a ndarray"),
        (lambda: check_parameters(lambda: 0, {"w": tz.tensor([1])}), TypeError, "w is a int64 tensor"),
        (lambda: check_parameters(lambda: 0, {"w": tz.tensor([1.0])}), TypeError, "one element, not int"),
        (
            lambda: check_parameters(lambda: tz.tensor([1.0, 2.0]), {"w": tz.tensor([1.0])}),
            TypeError,
            r"one element, not of shape \(2,\)",
        ),
    ],
)
def test_a_bad_call(call, error, words):
    with pytest.raises(error, match=words):
        call()
    assert gradcheck(F.tanh, X)


def test_an_error_of_the_function_itself_passes_through():
    with pytest.raises(ValueError, match="Add"):
        gradcheck(lambda x: x + np.ones(3), X)


def test_nothing_of_the_check_stays_behind_in_the_callers_mode():
    with tz.record() as tape:
        gradcheck(F.tanh, X)
    assert list(tape) == []
    with tz.no_grad():
        assert gradcheck(F.tanh, X)
        assert not tz.is_grad_enabled()


def test_tensors_are_left_as_they_were():
    x = tz.tensor(X, requires_grad=True)
    x.grad = tz.tensor(np.array([7.0, 7.0]))
    before = x.array
    gradcheck(F.tanh, x)
    assert x.array is before
    assert x.grad.tolist() == [7, 7]


@pytest.mark.parametrize("x", [0.5, [0.5, -2.0], np.float32(0.5), X.astype(">f8"), X.astype(np.float16), X[::-1],
                               np.zeros((0, 3)), tz.tensor(X)])
def test_whatever_holds_real_numbers_is_an_input(x):
    assert gradcheck(F.tanh, x)


def test_float32_inputs_are_differenced_in_float64():
    report = gradcheck(F.tanh, X.astype(np.float32))
    assert all(row.error < 1e-8 for row in report.comparisons)


def test_the_error_of_a_function_passes_through_at_the_given_inputs():
    def broken(x):
        raise KeyError("no such layer")

    with pytest.raises(KeyError, match="no such layer"):
        gradcheck(broken, X)


def test_of_several_outputs_those_that_are_floating_count():
    assert gradcheck(lambda x: (F.tanh(x), F.argmax(x)), X)
    assert not gradcheck(lambda x: (F.tanh(x), 2 * x - x.detach()), X)


def test_a_function_whose_output_changes_its_shape():
    """Not far from the given inputs it keeps it, and there it is checked."""
    report = gradcheck(lambda x: x[np.flatnonzero(x.numpy() > 0)] * 2, X)
    assert report, str(report)


def test_a_given_upstream_gradient_counts_in_second_order_too():
    first, second = (gradcheck(F.tanh, X, order=2, upstream=u) for u in (np.ones(2), 3 * np.ones(2)))
    assert first
    assert second
    assert second.comparisons[0].analytic == pytest.approx(3 * first.comparisons[0].analytic)


def test_numbers_of_numpy_are_numbers():
    report = gradcheck(F.tanh, X, seed=np.int64(3), max_elements=np.int32(1), rtol=np.float32(1e-6))
    assert report
    assert report.seed == 3
