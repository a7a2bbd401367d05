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
