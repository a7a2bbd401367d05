"""A NumPy function and the gradient someone wrote for it: no Tensor in sight."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.check import gradcheck

RNG = np.random.default_rng(3)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 2)), RNG.normal(size=2)


def layer(x, w, b):
    return ((x @ w + b) ** 2).sum()


def layer_gradient(x, w, b):
    d = 2 * (x @ w + b)
    return d @ w.T, x.T @ d, d.sum(axis=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def diagnoses(report):
    return {failure.name: failure.diagnosis for failure in report.failures}


def test_a_gradient_as_an_array_as_a_tuple_and_as_a_function():
    assert gradcheck(lambda x: (x**3).sum(), X, grad=3 * X**2)
    assert gradcheck(layer, X, W, B, grad=layer_gradient(X, W, B))
    assert gradcheck(layer, X, W, B, grad=layer_gradient)


def test_a_gradient_may_be_asked_of_the_engine():
    def backpropagated(x):
        leaf = tz.tensor(x, requires_grad=True)
        (leaf * leaf).sum().backward()
        return leaf.grad.numpy()

    assert gradcheck(lambda x: (x**2).sum(), X, grad=backpropagated)


def test_a_number_and_a_list_are_arrays_too():
    assert gradcheck(lambda x: x**2, 3.0, grad=6.0)
    assert gradcheck(lambda x: x @ x, [1.0, 2.0], grad=[2.0, 4.0])


def test_an_array_valued_function_with_an_upstream_gradient():
    y = sigmoid(X)
    assert gradcheck(sigmoid, X, grad=y * (1 - y), upstream=np.ones((5, 3)))
    assert gradcheck(sigmoid, X, grad=lambda dy, x: dy * sigmoid(x) * (1 - sigmoid(x)))


def test_an_array_valued_function_whose_gradient_came_from_nowhere():
    with pytest.raises(ValueError, match=r"shape \(5, 3\).*upstream="):
        gradcheck(sigmoid, X, grad=X)


def test_a_gradient_function_that_takes_no_upstream():
    with pytest.raises(TypeError, match=r"grad\(upstream, \*inputs\)"):
        gradcheck(sigmoid, X, grad=lambda x: x)


@pytest.mark.parametrize(
    ("wrong", "diagnosis"),
    [
        (lambda dx, dw, db: (dx / 2, dw, db), {"x": "factor"}),
        (lambda dx, dw, db: (dx, -dw, db), {"w": "sign"}),
        (lambda dx, dw, db: (dx, dw, 2 * (X @ W + B)), {"b": "unreduced"}),
        (lambda dx, dw, db: (dx, dw, X @ W + B), {"b": "unreduced_and_wrong"}),
        (lambda dx, dw, db: (dx, dw.T, db), {"w": "transposed_shape"}),
        (lambda dx, dw, db: (dx.ravel(), dw, db), {"x": "reshaped"}),
        (lambda dx, dw, db: (dx, dw, db[:1]), {"b": "shape"}),
        (lambda dx, dw, db: (dx, dw * (1 + 1e-6), db), {"w": "factor"}),
        (lambda dx, dw, db: (dx, dw, db.astype(np.float32)), {"b": "dtype"}),
        (lambda dx, dw, db: (dx.T, 2 * dw, db), {"x": "transposed_shape", "w": "factor"}),
    ],
)
def test_wrong_homework(wrong, diagnosis):
    report = gradcheck(layer, X, W, B, grad=lambda *inputs: wrong(*layer_gradient(*inputs)))
    assert diagnoses(report) == diagnosis
    assert str(report)


def test_the_axis_that_was_not_reduced_is_named():
    report = gradcheck(layer, X, W, B, grad=lambda *inputs: (*layer_gradient(*inputs)[:2], 2 * (X @ W + B)))
    assert report.failures[0].values["axes"] == "0"


def test_a_float32_gradient_of_a_float32_input_may_round():
    x = X.astype(np.float32)
    assert gradcheck(lambda x: (x**3).sum(), x, grad=3 * x**2)
    assert not gradcheck(lambda x: (x**3).sum(), x, grad=3.01 * x**2)


def test_integer_gradients_of_a_step_are_fine():
    assert gradcheck(lambda x: np.maximum(x, 0).sum(), X, grad=np.where(X > 0, 1, 0))


def test_a_function_that_writes_into_its_input():
    def f(x):
        x *= 2
        return (x**2).sum()

    assert diagnoses(gradcheck(f, X[0], grad=lambda x: 8 * x)) == {"x": "writes_input"}


def test_a_gradient_that_writes_into_its_upstream():
    def g(dy, x):
        dy *= 2 * x
        return dy.copy()

    assert "writes_upstream" in diagnoses(gradcheck(lambda x: x * x, X, grad=g)).values()


def test_the_users_arrays_are_untouched():
    x = X.copy()
    gradcheck(lambda x: (x**2).sum(), x, grad=2 * x)
    assert x.tobytes() == X.tobytes()
    assert x.flags.writeable


def test_inputs_have_the_names_of_the_parameters_where_there_are_any():
    named = gradcheck(lambda w, *rest: w.sum(), X, B, grad=lambda w, b: (np.ones_like(w), 0 * b))
    assert {row.name for row in named.comparisons} == {"w", "x1", ""}
    builtin = gradcheck(np.prod, np.array([2.0, 3.0]), grad=np.array([3.0, 2.0]))
    assert builtin.title == "prod"
    assert gradcheck(math.sin, 0.5, grad=math.cos(0.5))
    assert gradcheck(np.tanh, B, grad=lambda dy, x: dy * (1 - np.tanh(x) ** 2))


def test_constants_are_passed_on():
    assert gradcheck(lambda x, i: x[i].sum(), X[:, 0], np.array([1, 1, 2]), grad=np.array([0.0, 2, 1, 0, 0]))


@pytest.mark.parametrize("n", [1000, 3000])
def test_one_wrong_sign_among_many_is_named(n):
    x = np.random.default_rng(0).normal(size=n)
    g = 2 * x
    g[n // 2 + 7] *= -1
    report = gradcheck(lambda x: x @ x, x, grad=g, max_elements=1000)
    assert report.worst.element == (n // 2 + 7,)
    assert report.worst.analytic == pytest.approx(-report.worst.numeric)


def test_a_sample_that_misses_the_wrong_element_still_finds_it():
    x = np.linspace(1, 2, 500)
    g = 2 * x
    g[3] *= 1.001
    report = gradcheck(lambda x: x @ x, x, grad=g, max_elements=10)
    assert [failure.diagnosis for failure in report.failures] == ["one_element"]
    assert report.failures[0].comparison.element == (3,)


def test_tiny_gradients_are_compared_as_closely():
    x = np.array([0.5, -1.5])
    assert gradcheck(lambda x: 1e-20 * (x**2).sum(), x, grad=2e-20 * x)
    assert diagnoses(gradcheck(lambda x: 1e-20 * (x**2).sum(), x, grad=2.00001e-20 * x)) == {"x": "factor"}
    assert diagnoses(gradcheck(lambda x: 1e-20 * (x**2).sum(), x, grad=0 * x)) == {"x": "zero"}


def test_a_gradient_that_is_zero():
    assert gradcheck(lambda x: 3.0 + 0 * x.sum(), X, grad=0 * X)
    assert not gradcheck(lambda x: 3.0 + 0 * x.sum(), X, grad=0 * X + 1e-9)
