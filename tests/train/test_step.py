"""Between the gradients and the update: which gradients are not finite."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.train.step import broken


def parameters(*gradients):
    """Parameters that have these gradients, None for one without."""
    made = [tz.tensor(np.zeros(3 if g is None else g.shape, np.float32 if g is None else g.dtype), requires_grad=True)
            for g in gradients]
    for p, g in zip(made, gradients, strict=True):
        p.grad = None if g is None else tz.tensor(g)
    return made


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("worst", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size, at", [(1, 0), (1000, 0), (1000, 517), (1000, 999)])
def test_one_number_that_is_not_finite_is_found(dtype, worst, size, at):
    bad = np.ones(size, dtype)
    bad[at] = worst
    assert broken(parameters(np.ones((2, 3), dtype), None, bad.reshape(-1, 1), bad[::-1])) == [2, 3]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_large_numbers_are_finite_though_their_squares_are_not(dtype):
    large = np.full(5, np.finfo(dtype).max)
    assert broken(parameters(large, np.ones(2, dtype))) == []
    assert broken(parameters(large, np.array([np.inf], dtype))) == [1]


def test_without_gradients_none_is_broken():
    assert broken(parameters(None, None)) == []
