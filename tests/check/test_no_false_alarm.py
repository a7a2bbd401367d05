"""Correct ops pass: all of the ops' own table, and at kinks, ties, zeros and extreme scales."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.ops.table import TABLE, WITHOUT_SECOND_DERIVATIVE
from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck

DIFFERENTIABLE = [row for row in TABLE if not row.constant]
TWICE = [row for row in DIFFERENTIABLE if str(row) not in WITHOUT_SECOND_DERIVATIVE]

NORMAL = np.random.default_rng(0).normal(size=(3, 4))
PLACES = np.arange(12).reshape(3, 4)
SPECIAL = {
    "zeros": np.zeros((3, 4)),
    "one zero": np.where(PLACES == 5, 0, NORMAL),
    "many zeros": np.where(PLACES % 4 < 2, 0, NORMAL),
    "ties": np.round(NORMAL),
    "all equal": np.ones((3, 4)),
    "x 40": 40 * NORMAL,
    "x 1e-4": 1e-4 * NORMAL,
    "ties x 1e-4": 1e-4 * np.round(NORMAL),
}
UNARY = ["relu", "leaky_relu", "sigmoid", "log_sigmoid", "tanh", "gelu", "silu", "softplus", "softmax",
         "log_softmax", "abs", "cos", "sin", "exp", "max", "min", "mean", "sum", "norm", "prod", "std", "var",
         "logsumexp"]  # fmt: skip
BINARY = ["maximum", "minimum", "add", "sub", "mul"]


def passes(function, *inputs, **options):
    report = gradcheck(function, *inputs, **options)
    assert report, str(report)
    return report


def check_row(row, case, order):
    assume(any(x.dtype.kind == "f" for x in case.arrays))
    passes(lambda *xs: row.function(*xs, **case.keywords), *case.arrays, seed=case.seed, order=order)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=str)
@settings(max_examples=5, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_row_of_the_ops_table(row, data):
    check_row(row, data.draw(row.cases), 1)


@pytest.mark.slow
@pytest.mark.parametrize("row", TWICE, ids=str)
@settings(max_examples=3, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_row_of_the_ops_table_in_second_order(row, data):
    check_row(row, data.draw(row.cases), 2)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("special", SPECIAL)
def test_special_values(special, name):
    passes(getattr(F, name), SPECIAL[special], special=False)
    passes(getattr(F, name), SPECIAL[special], special=False, order=2)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("special", ["x 40", "x 1e-4", "ties"])
def test_special_values_in_float32(special, name):
    passes(getattr(F, name), SPECIAL[special].astype(np.float32))


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("special", SPECIAL)
def test_special_values_against_themselves_and_broadcast(special, name):
    x = SPECIAL[special]
    passes(getattr(F, name), x, x.copy(), special=False)
    passes(getattr(F, name), x, x[0], special=False)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("special", SPECIAL)
def test_the_maximum_along_an_axis(special, axis):
    passes(lambda x: F.max(x, axis=axis), SPECIAL[special])


@pytest.mark.parametrize("special", SPECIAL)
def test_a_small_network(special):
    x = SPECIAL[special]
    passes(lambda x, w: F.relu(x @ w).sum(), x, x.T.copy())
    passes(lambda x, w: F.cross_entropy(F.tanh(x @ w), np.array([0, 2, 1])), x, x.T.copy())
    passes(lambda x: F.scaled_dot_product_attention(F.layer_norm(x), x, x), x)


def test_a_slope_without_bound_is_claimed_as_infinite():
    report = passes(F.sqrt, np.array([0.0, 4.0]))
    assert report.comparisons[0].verdict == "unbounded"
    assert np.isinf(report.comparisons[0].analytic)


def test_a_kink_is_called_one():
    report = passes(F.relu, np.array([0.0, 1.0]), upstream=np.array([3.0, 1.0]))
    assert [row.verdict for row in report.comparisons[:2]] == ["kink", "smooth"]
    assert sorted([report.comparisons[0].left, report.comparisons[0].right]) == pytest.approx([0, 3])


@pytest.mark.parametrize("function", [F.abs, F.max])
def test_it_is_called_one_too_where_the_claim_is_the_middle(function):
    row = passes(function, np.zeros(2)).comparisons[0]
    assert row.verdict == "kink"
    assert min(row.left, row.right) < row.analytic < max(row.left, row.right)


def test_the_end_of_a_domain_needs_one_side_only():
    report = passes(lambda p: F.binary_cross_entropy(p, np.array([1.0, 0.0])), np.array([1.0, 0.25]))
    assert report.comparisons[0].verdict == "edge"


def test_neither_1_over_x_near_0_nor_exp_at_20_needs_help():
    passes(lambda x: 1 / x, np.array([1e-4, -3e-6, 2.0]))
    passes(F.exp, np.array([20.0, -20.0, 300.0]))
    passes(F.log, np.array([1e-8, 1.0, 1e8]))


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (1, 1)])
def test_0d_and_empty_inputs(shape):
    x = np.full(shape, 0.7)
    for order in (1, 2):
        assert len(passes(F.tanh, x, order=order).comparisons) >= x.size
        passes(lambda x: F.sum(x * x), x, order=order)


@pytest.mark.parametrize("order", [1, 2])
def test_a_number_beside_an_array_at_the_special_points(order):
    """40 times a 0-d array is a NumPy scalar, which nobody can move."""
    report = passes(F.mul, np.array(1.5), NORMAL, order=order)
    assert {"large", "small", "ties"} <= set(report.points)


def test_nothing_measured_is_no_worst():
    assert gradcheck(F.tanh, np.zeros((2, 0))).worst is None


def test_integer_inputs_are_constants_beside_floating_ones():
    report = passes(F.embedding, np.array([0, 2, 2]), np.ones((3, 2)))
    assert {row.name for row in report.comparisons} == {"W"}


def test_outputs_that_are_constants_by_design_are_left_out():
    x, ones = NORMAL, np.ones(4)
    passes(lambda x, gamma, beta: F.batch_norm(x, np.zeros(4), ones, gamma, beta, training=True), x, ones, ones * 0)


def test_dropout_is_checked_with_the_mask_it_drew():
    passes(lambda x: F.dropout(x, 0.5), NORMAL)
    passes(lambda x: F.dropout(x, 0.5), NORMAL, order=2)


def test_a_function_of_several_outputs():
    passes(lambda x: F.split(x, 2, axis=1), NORMAL)
    passes(lambda x: (F.tanh(x), F.sum(x)), NORMAL, upstream=(np.ones((3, 4)), np.array(2.0)))


def test_an_identity_whose_output_shares_memory_with_its_input():
    passes(lambda x: x, NORMAL)
    passes(lambda x: x.T, NORMAL)


@pytest.mark.parametrize("method", ["central", "five-point", "complex"])
def test_the_other_methods(method):
    for function in (F.tanh, F.exp, F.sin, lambda x: F.sum(x**3), lambda x: F.softmax(x * x)):
        passes(function, NORMAL, method=method)


@pytest.mark.parametrize("method", ["central", "five-point"])
def test_kinks_with_the_other_methods(method):
    assert passes(F.relu, np.array([0.0, 1.0]), method=method).comparisons[0].verdict == "kink"


@pytest.mark.parametrize("seed", range(5))
def test_large_inputs_are_sampled(seed):
    x = np.random.default_rng(seed).normal(size=5000)
    report = passes(F.softmax, x, max_elements=50, seed=seed)
    assert sum(row.element is not None for row in report.comparisons if not row.point) == 50


@pytest.mark.parametrize("scale", [1e2, 1e3, 1e4])
@pytest.mark.parametrize("seed", range(3))
def test_attention_of_large_inputs(scale, seed):
    """The weights are 0 and 1 but for rounding, and so are the gradients of the scores."""
    rng = np.random.default_rng(seed)
    passes(F.scaled_dot_product_attention, *(scale * rng.normal(size=(2, 4, 5)) for _ in range(3)), seed=seed)


@pytest.mark.parametrize("x", [-6.7, -6.8, -7.0, -8.0, -9.0, -12.0, -30.0])
@pytest.mark.parametrize("order", [1, 2])
def test_a_lone_element_in_the_left_tail_of_gelu(x, order):
    passes(F.gelu, np.array([x]), order=order)


@pytest.mark.parametrize("name", ["norm", "std", "var", "layer_norm", "rms_norm"])
@pytest.mark.parametrize("scale", [1e-6, 1e-8, 1e-10])
def test_second_derivatives_at_tiny_inputs(scale, name):
    for seed in range(3):
        passes(getattr(F, name), scale * NORMAL, special=False, order=2, seed=seed)
