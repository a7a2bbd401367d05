"""Every row of the table of conventions, evaluated."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.ops.conventions import CONVENTIONS, Convention

CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
FUNCTIONS = {name: getattr(tz.functional, name) for name in tz.functional.__all__}

UPSTREAM = -4.0  # not 1, so that a backward which forgets it is noticed; a power of 2, so that nothing rounds


def evaluate(row: Convention, dtype):
    """The value, and the gradient under UPSTREAM of each input that has one."""
    inputs = {name: tz.tensor(value) for name, value in row.inputs.items()}
    for name in row.gradient:
        inputs[name] = tz.tensor(row.inputs[name], dtype, requires_grad=True)
    with warnings.catch_warnings(action="ignore"):  # of dividing by zero: that is the point of many rows
        y = eval(row.formula, FUNCTIONS, inputs)
        if not row.gradient:
            assert not y.requires_grad
            return y, ()
        return y, tz.grad(y, [inputs[name] for name in row.gradient], np.full(y.shape, UPSTREAM))


def check_convention(row: Convention, dtype) -> None:
    y, gradients = evaluate(row, dtype)
    rtol = 4 * np.finfo(dtype).eps
    np.testing.assert_allclose(y.numpy(), np.asarray(row.value), rtol=rtol, atol=0, strict=False)
    assert y.shape == np.shape(row.value)
    for gradient, (name, expected) in zip(gradients, row.gradient.items(), strict=True):
        np.testing.assert_allclose(gradient.numpy(), UPSTREAM * np.asarray(expected), rtol=rtol, atol=0, err_msg=name)
        assert gradient.dtype == dtype


SECOND_DERIVATIVES = {
    "relu(x)": (0.0, 0.0),
    "abs(x)": (0.0, 0.0),
    "sigmoid(x)": (0.0, 0.0),
    "log_sigmoid(x)": (0.0, -0.25),
    "pow(x, 0)": (0.0, 0.0),
    "pow(x, 1)": (0.0, 0.0),
    "pow(x, 2)": (0.0, 2.0),
    "pow(x, 3)": (-2.0, -12.0),
    "norm(x)": ([0.0, 0.0], np.zeros((2, 2))),
    "std(x)": ([5.0, 5.0], np.zeros((2, 2))),
    "prod(x)": ([2.0, 0.0, 3.0], [[0.0, 3.0, 0.0], [3.0, 0.0, 2.0], [0.0, 2.0, 0.0]]),
    "max(x)": ([1.0, 1.0], np.zeros((2, 2))),
    "pow(x[0], x[1])": ([0.0, 2.0], [[2.0, 0.0], [0.0, 0.0]]),
    "logsumexp(x)": ([-np.inf, -np.inf], np.zeros((2, 2))),
}
"""formula: (x, ∂²/∂x∂x). At a kink the function counts as flat."""


def check_second_derivative(formula: str) -> None:
    x, expected = SECOND_DERIVATIVES[formula]
    with warnings.catch_warnings(action="ignore"):
        found = tz.hessian(lambda x: eval(formula, FUNCTIONS, {"x": x}), tz.tensor(x, float))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-15, atol=0)


@pytest.mark.parametrize("formula", SECOND_DERIVATIVES)
def test_the_second_derivative_is_right_where_it_is_special(formula):
    check_second_derivative(formula)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", CONVENTIONS, ids=lambda row: f"{row.formula} at {row.inputs}")
def test_the_value_and_the_gradient_are_those_of_the_table(row, dtype):
    check_convention(row, dtype)


@pytest.mark.parametrize("row", CONVENTIONS, ids=lambda row: f"{row.formula} at {row.inputs}")
def test_the_reason_is_given_in_both_languages(row):
    assert CHINESE.search(row.zh) and row.zh.endswith("。")
    assert not CHINESE.search(row.en) and row.en.endswith(".")


def test_no_row_is_there_twice():
    rows = [(row.formula, repr(row.inputs)) for row in CONVENTIONS]
    assert len(set(rows)) == len(rows)
