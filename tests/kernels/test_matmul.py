"""The tiles of the matrix products, whole ones among them: larger than what the contract's calls can afford."""

import numpy as np
import pytest

import tinygrad_zh_kernels as library
from tests.support.cuda import emulated_launcher

KERNEL = library.get("matmul.forward")
CUDA_C = [body for body in library.bodies(KERNEL).values() if body.name.startswith("cuda-c")]


@pytest.mark.parametrize("size", [(256, 24, 128), (129, 17, 257), (260, 20, 264)], ids=str)
@pytest.mark.parametrize("body", CUDA_C, ids=str)
def test_several_tiles_in_both_directions(body, size):
    a, b = KERNEL.arguments(np.random.default_rng(0), np.dtype(np.float32), size).arrays
    c = body.function(emulated_launcher(body), a, b)
    assert np.abs(c - a.astype(np.float64) @ b).max() < 1e-5


@pytest.mark.parametrize("body", CUDA_C[-2:], ids=str)
def test_rows_that_begin_anywhere_are_read_one_number_at_a_time(body):
    a, b = KERNEL.arguments(np.random.default_rng(0), np.dtype(np.float32), (8, 12, 8)).arrays
    inside = np.empty(a.size + 1, np.float32)[1:].reshape(a.shape)
    inside[...] = a
    assert np.allclose(body.function(emulated_launcher(body), inside, b), a @ b, atol=1e-5)
