"""Positions: the sines and cosines number by number, the learned ones as a table that is added."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
from tinygrad_zh import nn
from tinygrad_zh.check import check_parameters

pytestmark = pytest.mark.usefixtures("in_float64")
CLOSE = {"rtol": 1e-12, "atol": 1e-14}


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def formula(i, column, width):
    """§3.5 of the paper: PE(pos, 2k) = sin(pos / 10000^(2k/d)), PE(pos, 2k + 1) = cos(pos / 10000^(2k/d))."""
    k = column // 2
    angle = i / math.pow(10000, 2 * k / width)
    return math.cos(angle) if column % 2 else math.sin(angle)


# ---- sines and cosines


@pytest.mark.parametrize(("length", "width"), [(1, 1), (3, 1), (1, 4), (7, 6), (100, 128), (5, 7), (2000, 2)])
def test_each_number_is_the_formula_s(length, width):
    P = nn.sinusoidal(length, width)
    assert P.shape == (length, width) and P.dtype == np.float64
    expected = [[formula(i, column, width) for column in range(width)] for i in range(length)]
    np.testing.assert_allclose(P, expected, rtol=1e-12, atol=1e-12)


@given(st.integers(1, 8).map(lambda pairs: 2 * pairs), st.integers(0, 30))
def test_a_step_turns_every_pair_by_an_angle_that_depends_on_the_step_alone(width, step):
    P = nn.sinusoidal(60, width)
    hands = P[:, 1::2] + 1j * P[:, 0::2]
    turns = np.exp(1j * step / 10000 ** (np.arange(0, width, 2) / width))
    np.testing.assert_allclose(hands[step:], hands[: 60 - step] * turns, rtol=0, atol=1e-12)
    dots = P @ P.T  # so how alike two positions are depends on their distance alone
    np.testing.assert_allclose(np.diag(dots, step), dots[0, step], rtol=0, atol=1e-11)


def test_no_two_positions_are_alike():
    P = nn.sinusoidal(400, 128)
    distances = np.linalg.norm(P[:, None, :8] - P[None, :, :8], axis=-1)
    assert distances[~np.eye(400, dtype=bool)].min() > 0.01


def test_nobody_can_write_into_the_table():
    with pytest.raises(ValueError, match="read-only"):
        nn.sinusoidal(3, 4)[0] = 1
    np.testing.assert_array_equal(nn.sinusoidal(3, 4)[0], [0, 1, 0, 1])


@pytest.mark.parametrize("shape", [(3, 6), (2, 3, 6), (2, 4, 1, 6), (0, 3, 6), (1, 500, 6)])
def test_the_layer_adds_the_table_to_the_last_two_axes(shape):
    layer, x = nn.SinusoidalPosition(6), normal(*shape)
    leaf = tz.tensor(x, requires_grad=True)
    y = layer(leaf)
    np.testing.assert_allclose(y.numpy(), x + nn.sinusoidal(shape[-2], 6), **CLOSE)
    upstream = normal(*shape, seed=1)
    y.backward(upstream)
    np.testing.assert_array_equal(leaf.grad.numpy(), upstream)
    assert layer.parameters() == [] and layer.state_dict() == {}
    assert repr(layer) == "SinusoidalPosition(6)"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_layer_keeps_the_precision_of_what_it_is_given(dtype):
    y = nn.SinusoidalPosition(4)(tz.tensor(np.zeros((3, 4), dtype)))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), nn.sinusoidal(3, 4).astype(dtype))


def test_numbers_without_a_floating_dtype_get_the_default_one():
    for x in (np.zeros((3, 4), int), [[0.0] * 4] * 3):
        np.testing.assert_array_equal(nn.SinusoidalPosition(4)(x), nn.sinusoidal(3, 4))


# ---- learned


@pytest.mark.parametrize("shape", [(5, 4), (3, 4), (2, 3, 4), (2, 2, 5, 4), (2, 0, 4)])
def test_learned_positions_are_added_from_the_first_on(shape):
    layer, x = nn.LearnedPosition(5, 4), normal(*shape)
    layer.P.assign(normal(5, 4, seed=1))
    n, upstream = shape[-2], normal(*shape, seed=2)
    leaf = tz.tensor(x, requires_grad=True)
    y = layer(leaf)
    np.testing.assert_array_equal(y.numpy(), x + layer.P.numpy()[:n])
    y.backward(upstream)
    np.testing.assert_array_equal(leaf.grad.numpy(), upstream)
    expected = np.zeros((5, 4))
    expected[:n] = upstream.reshape(-1, n, 4).sum(axis=0) if n else 0
    np.testing.assert_allclose(layer.P.grad.numpy(), expected, **CLOSE)


def test_learned_positions_gradients_are_those_of_differences():
    layer, x = nn.LearnedPosition(4, 3), normal(2, 3, 3)
    report = check_parameters(lambda: (layer(x) ** 3).sum(), dict(layer.named_parameters()))
    assert report, report


def test_learned_positions_begin_small_and_as_init_says():
    assert nn.LearnedPosition(500, 64).P.numpy().std() == pytest.approx(0.02, rel=0.02)
    assert not nn.LearnedPosition(5, 4, init=nn.init.zeros).P.numpy().any()
    assert repr(nn.LearnedPosition(5, 4)) == "LearnedPosition(5 × 4)"
    assert {name: p.shape for name, p in nn.LearnedPosition(5, 4).named_parameters()} == {"P": (5, 4)}


def test_float32_positions_stay_float32():
    tz.set_default_dtype(np.float32)
    layer, x = nn.LearnedPosition(5, 4), tz.tensor(np.ones((2, 3, 4), np.float32), requires_grad=True)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == layer.P.grad.dtype == np.float32


# ---- what they are for


@pytest.mark.parametrize("position", [lambda: nn.SinusoidalPosition(6), lambda: nn.LearnedPosition(5, 6)])
def test_with_positions_attention_sees_the_order(position):
    layer, attention = position(), nn.MultiHeadAttention(6, 2)
    if layer.parameters():
        layer.P.assign(normal(5, 6, seed=3))
    x, order = normal(1, 5, 6), np.array([3, 0, 4, 2, 1])
    assert np.abs(attention(layer(x[:, order])).numpy() - attention(layer(x)).numpy()[:, order]).max() > 0.01


@pytest.mark.parametrize("position", [lambda: nn.SinusoidalPosition(4), lambda: nn.LearnedPosition(9, 4)])
def test_a_longer_text_begins_as_the_shorter_one(position):
    layer, x = position(), normal(2, 9, 4)
    np.testing.assert_array_equal(np.asarray(layer(x[:, :5])), np.asarray(layer(x))[:, :5])


def test_saved_and_loaded_they_are_the_same(tmp_path):
    layer, fresh = nn.LearnedPosition(5, 4), nn.LearnedPosition(5, 4)
    tz.save(layer.state_dict(), tmp_path / "position.safetensors")
    fresh.load_state_dict(tz.load(tmp_path / "position.safetensors"))
    np.testing.assert_array_equal(fresh.P.numpy(), layer.P.numpy())
