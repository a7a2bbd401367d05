"""Clipping: by norm and by value, what stays untouched, and norms that no float32 holds."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import optim


def with_gradient(*values, dtype=np.float64):
    p = tz.tensor(np.zeros(len(values), dtype), requires_grad=True)
    p.grad = tz.tensor(np.array(values, dtype))
    return p


def test_the_norm_is_over_all_parameters_together():
    p, q = with_gradient(3.0, 0.0), with_gradient(4.0)
    assert optim.clip_grad_norm([p, q], 1.0).item() == pytest.approx(5.0)
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.0], rtol=1e-15)
    np.testing.assert_allclose(q.grad.numpy(), [0.8], rtol=1e-15)
    assert optim.clip_grad_norm([p, q], 1.0).item() == pytest.approx(1.0)


def test_a_norm_below_the_limit_changes_no_bit():
    gradient = np.random.default_rng(0).normal(size=9).astype(np.float32)
    p = with_gradient(*gradient, dtype=np.float32)
    assert optim.clip_grad_norm([p], 100.0).item() == pytest.approx(np.linalg.norm(gradient.astype(np.float64)))
    assert p.grad.numpy().tobytes() == gradient.tobytes()


def test_clipping_keeps_the_direction_and_the_dtype():
    gradient = np.random.default_rng(0).normal(size=9)
    for dtype, rtol in ((np.float32, 1e-6), (np.float64, 1e-14)):
        p = with_gradient(*gradient, dtype=dtype)
        optim.clip_grad_norm([p], 0.5)
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(p.grad.numpy(), 0.5 * gradient / np.linalg.norm(gradient), rtol=rtol)


def test_dtypes_may_be_mixed():
    p, q = with_gradient(3.0, dtype=np.float32), with_gradient(4.0)
    assert optim.clip_grad_norm([p, q], 2.5).item() == pytest.approx(5.0)
    assert p.grad.dtype == np.float32 and q.grad.dtype == np.float64
    assert p.grad.item() == pytest.approx(1.5) and q.grad.item() == pytest.approx(2.0)


def test_a_norm_that_float32_cannot_hold_still_clips():
    p = with_gradient(3e38, -3e38, 3e38, dtype=np.float32)
    assert optim.clip_grad_norm([p], 1.0).item() == pytest.approx(3e38 * 3**0.5)
    np.testing.assert_allclose(p.grad.numpy(), np.array([1, -1, 1]) / 3**0.5, rtol=1e-5)


def test_gradients_of_zeros_stay_zeros():
    p = with_gradient(0.0, 0.0)
    assert optim.clip_grad_norm([p], 1.0).item() == 0
    assert p.grad.tolist() == [0, 0]


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
def test_parameters_without_a_gradient_stay_without(clip):
    p, q = tz.tensor([1.0], requires_grad=True), with_gradient(8.0)
    clip([p, q], 2.0)
    assert p.grad is None and q.grad.tolist() == [2.0]
    clip([p], 2.0)
    assert p.grad is None


def test_nothing_to_clip_has_norm_0():
    assert optim.clip_grad_norm([tz.tensor([1.0], requires_grad=True)], 2.0).item() == 0.0
    assert optim.clip_grad_norm([], 2.0).item() == 0.0


def test_the_parameters_may_be_a_generator():
    p = with_gradient(3.0, 4.0)
    assert optim.clip_grad_norm((q for q in [p]), 1.0).item() == pytest.approx(5.0)
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8])


def test_by_value_each_element_has_its_bounds():
    p = with_gradient(-3.0, -0.5, 0.0, 0.25, 7.0, dtype=np.float32)
    optim.clip_grad_value([p], 0.5)
    assert p.grad.tolist() == [-0.5, -0.5, 0.0, 0.25, 0.5]
    assert p.grad.dtype == np.float32


def test_clipping_is_no_part_of_any_graph():
    p = with_gradient(3.0, 4.0)
    optim.clip_grad_norm([p], 1.0)
    assert p.grad.is_leaf and not p.grad.requires_grad
    assert tz.is_grad_enabled()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_norm_that_is_not_finite_is_refused_and_nothing_changes(value):
    p, q = with_gradient(1.0, 2.0), with_gradient(value)
    before = p.grad
    with pytest.raises(ValueError, match=r"norm of the gradients is (nan|inf); look for the first loss"):
        optim.clip_grad_norm([p, q], 0.1)
    assert p.grad is before
    np.testing.assert_array_equal(q.grad.numpy(), [value])
    assert optim.clip_grad_norm([p], 0.1).item() == pytest.approx(5**0.5)
