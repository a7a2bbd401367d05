"""Initial weights: moments and bounds against the documented formulas on large draws, and F16's claim."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn
from tinygrad_zh.nn import init

FAN_IN, FAN_OUT = 300, 700  # unlike each other, so that one cannot stand for the other
SHAPE = (FAN_IN, FAN_OUT)

# The variance of each, and for the uniform ones the bound.
UNIFORM = [
    (init.uniform, 1.0),
    (init.xavier_uniform, (6 / (FAN_IN + FAN_OUT)) ** 0.5),
    (init.he_uniform, (6 / FAN_IN) ** 0.5),
    (init.lecun_uniform, (3 / FAN_IN) ** 0.5),
    (init.fan_in_uniform, FAN_IN**-0.5),
]
NORMAL = [
    (init.normal, 1.0),
    (init.xavier_normal, 2 / (FAN_IN + FAN_OUT)),
    (init.he_normal, 2 / FAN_IN),
    (init.lecun_normal, 1 / FAN_IN),
]
RANDOM = [function for function, _ in UNIFORM + NORMAL]


def name(value):
    return getattr(value, "__name__", None)


@pytest.mark.parametrize(("function", "bound"), UNIFORM, ids=name)
def test_a_uniform_one_fills_its_bounds_evenly(function, bound):
    tz.manual_seed(0)
    w = function(SHAPE).astype(np.float64)
    assert np.abs(w).max() <= np.float32(bound)
    # 210,000 draws: the standard error of the mean is 0.0013 of the bound, that of the variance 0.2 %.
    assert abs(w.mean()) < 0.006 * bound
    assert w.var() == pytest.approx(bound**2 / 3, rel=0.01)
    in_each_tenth = np.histogram(w, bins=10, range=(-bound, bound))[0] / w.size
    np.testing.assert_allclose(in_each_tenth, 0.1, atol=0.004)


@pytest.mark.parametrize(("function", "variance"), NORMAL, ids=name)
def test_a_normal_one_has_its_moments(function, variance):
    tz.manual_seed(0)
    w = function(SHAPE).astype(np.float64) / variance**0.5
    # The standard error of the mean is 0.0022, of the variance 0.3 %, of the kurtosis 0.011.
    assert abs(w.mean()) < 0.01
    assert w.var() == pytest.approx(1, rel=0.015)
    assert (w**4).mean() == pytest.approx(3, rel=0.02)


def test_uniform_and_normal_take_their_parameters():
    tz.manual_seed(0)
    w = init.uniform((100_000,), 2.0, 5.0)
    assert 2 <= w.min() and w.max() <= 5 and w.mean() == pytest.approx(3.5, abs=0.02)
    w = init.normal((100_000,), mean=-3.0, std=0.5)
    assert w.mean() == pytest.approx(-3, abs=0.01) and w.std() == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("function", RANDOM, ids=name)
def test_a_seed_decides_the_draw(function):
    tz.manual_seed(11)
    first, second = function(SHAPE), function(SHAPE)
    tz.manual_seed(11)
    again = function(SHAPE)
    assert first.tobytes() == again.tobytes() and first.tobytes() != second.tobytes()
    tz.manual_seed(12)
    assert function(SHAPE).tobytes() != first.tobytes()


@pytest.mark.parametrize("function", RANDOM, ids=name)
def test_a_generator_of_its_own_leaves_the_context_s_alone(function):
    state = str(tz.manual_seed(1).bit_generator.state)
    drawn = [function(SHAPE, generator=np.random.Generator(np.random.Philox(5))) for _ in range(2)]
    assert drawn[0].tobytes() == drawn[1].tobytes()
    assert str(tz.default_generator().bit_generator.state) == state


@pytest.mark.parametrize("function", [*RANDOM, init.zeros, init.ones], ids=name)
def test_the_dtype_is_the_default_one_and_the_draw_the_same(function):
    tz.manual_seed(2)
    narrow = function((4, 3))
    tz.set_default_dtype(np.float64)
    try:
        tz.manual_seed(2)
        wide = function((4, 3))
    finally:
        tz.set_default_dtype(np.float32)
    assert narrow.dtype == np.float32 and wide.dtype == np.float64
    assert narrow.shape == wide.shape == (4, 3)
    np.testing.assert_array_equal(narrow, wide.astype(np.float32))


def test_zeros_and_ones():
    assert init.zeros((3,)).tolist() == [0, 0, 0]
    assert init.ones((2, 1)).tolist() == [[1], [1]]


def test_fans_are_the_first_and_the_second_length():
    assert init.fans((3, 5)) == (3, 5)


@pytest.mark.parametrize("function", RANDOM, ids=name)
@pytest.mark.parametrize("shape", [(), (4,)])
def test_scaling_by_fan_needs_a_matrix(function, shape):
    if function in (init.uniform, init.normal):
        assert function(shape).shape == shape
        return
    with pytest.raises(ValueError, match=r"need a matrix of weights, not shape \("):
        function(shape)


# ---- F16: what U[−1, 1] does to the variance from layer to layer


def gain(initializer, activation, fan_in, fan_out=400, samples=400):
    """Var[z₂] / Var[z₁] of z₂ = a(z₁) W, where z₁ ~ N(0, 1)."""
    tz.manual_seed(16)
    tz.set_default_dtype(np.float64)
    try:
        layer = nn.Dense(fan_in, fan_out, init=initializer)
    finally:
        tz.set_default_dtype(np.float32)
    z = tz.default_generator().normal(size=(samples, fan_in))
    return layer(activation(z)).numpy().var() / z.var()


def linear(z):
    return z


def relu(z):
    return np.maximum(z, 0)


@pytest.mark.parametrize("fan_in", [50, 200, 784])
def test_f16_the_documents_weights_multiply_the_variance_by_a_third_of_fan_in(fan_in):
    assert gain(init.uniform, linear, fan_in) == pytest.approx(fan_in / 3, rel=0.03)
    assert gain(init.uniform, relu, fan_in) == pytest.approx(fan_in / 6, rel=0.05)


@pytest.mark.parametrize(
    ("initializer", "activation", "expected"),
    [
        (init.xavier_uniform, linear, 1),
        (init.xavier_normal, linear, 1),
        (init.lecun_uniform, linear, 1),
        (init.lecun_normal, linear, 1),
        (init.he_uniform, relu, 1),
        (init.he_normal, relu, 1),
        (init.fan_in_uniform, linear, 1 / 3),  # F17: what document 001 calls Xavier lets signals fade
        (init.fan_in_uniform, relu, 1 / 6),
    ],
)
def test_f16_f17_xavier_lecun_and_he_keep_the_variance(initializer, activation, expected):
    assert gain(initializer, activation, 400) == pytest.approx(expected, rel=0.05)


def test_f16_in_ten_layers_the_signal_explodes_or_stays():
    """Activations of a 10-layer ReLU network: (fan_in / 6)^(10/2) against about 1."""
    def depth(initializer):
        tz.manual_seed(3)
        signal = tz.default_generator().normal(size=(200, 150))
        start = signal.std()
        for _ in range(10):
            signal = relu(signal @ initializer((150, 150)).astype(np.float64))
        return np.log10((signal**2).mean() ** 0.5 / start)

    assert depth(init.uniform) == pytest.approx(5 * np.log10(150 / 6), abs=0.5)
    assert abs(depth(init.he_normal)) < 0.5
    assert depth(init.fan_in_uniform) == pytest.approx(5 * np.log10(1 / 6), abs=0.5)


def test_a_layer_uses_the_initializer_that_it_is_given():
    layer = nn.Dense(3, 2, init=partial(init.uniform, low=4.0, high=5.0), bias_init=init.ones)
    assert layer.W.numpy().min() >= 4 and layer.W.shape == (3, 2)
    assert layer.b.tolist() == [1, 1]
    tz.manual_seed(0)
    default = nn.Dense(30, 20)
    tz.manual_seed(0)
    np.testing.assert_array_equal(default.W.numpy(), init.xavier_uniform((30, 20)))
    assert default.b.tolist() == [0] * 20
    tz.manual_seed(0)
    table = nn.Embedding(30, 20)
    tz.manual_seed(0)
    np.testing.assert_array_equal(table.W.numpy(), init.normal((30, 20)))
