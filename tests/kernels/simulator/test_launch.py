"""A simulated kernel computes what it says: threads, warps, blocks, memory, on every schedule."""

import math

import numba
import numpy as np
import pytest
from numba import cuda, float32, int32

from tinygrad_zh_kernels import simulator

FULL = 0xFFFFFFFF
ORDERS = (0, 1, 2, 3, 4, 5)
X = np.arange(64, dtype=np.float32)


def run(kernel, *arguments, grid=1, block=64, order=0, shared=0):
    """The first argument, after the kernel has run on a copy of it."""
    y = arguments[0].copy()
    simulator.launch(kernel, grid, block, (y, *arguments[1:]), order=order, shared=shared)
    return y


def zeros(n=64, dtype=np.float32):
    return np.zeros(n, dtype)


@pytest.mark.parametrize("order", ORDERS)
def test_votes_and_shuffles(order):
    @cuda.jit
    def kernel(y, x):
        i = cuda.grid(1)
        over = cuda.ballot_sync(FULL, x[i] > 10)
        y[i, 0] = cuda.popc(over)
        y[i, 1] = cuda.syncthreads_count(x[i] > 10)
        y[i, 2] = cuda.shfl_sync(FULL, x[i], 3)
        y[i, 3] = cuda.shfl_xor_sync(FULL, x[i], 16)
        y[i, 4] = cuda.shfl_up_sync(FULL, x[i], 1)
        y[i, 5] = cuda.shfl_down_sync(FULL, x[i], 2)
        y[i, 6] = cuda.syncthreads_and(x[i] < 64) + 2 * cuda.syncthreads_or(x[i] > 64)
        y[i, 7] = cuda.all_sync(FULL, x[i] < 32) + 2 * cuda.any_sync(FULL, x[i] == 40)

    y = run(kernel, zeros((64, 8)), X, order=order)
    i = np.arange(64)
    lane, warp = i % 32, i // 32
    assert (y[:, 0] == np.where(warp == 0, 21, 32)).all()
    assert (y[:, 1] == 53).all()
    assert (y[:, 2] == 32 * warp + 3).all()
    assert (y[:, 3] == i ^ 16).all()
    assert (y[:, 4] == np.where(lane == 0, i, i - 1)).all()
    assert (y[:, 5] == np.where(lane >= 30, i, i + 2)).all()
    assert (y[:, 6] == 1).all()
    assert (y[:, 7] == np.where(warp == 0, 1, 2)).all()


@pytest.mark.parametrize("order", ORDERS)
def test_a_kernel_of_a_factory_with_device_functions(order):
    def make(T):
        @cuda.jit(device=True)
        def warp_sum(v):
            step = 16
            while step > 0:
                v += cuda.shfl_xor_sync(FULL, v, step)
                step //= 2
            return v

        @cuda.jit
        def softmax(y, x):
            room = cuda.shared.array(32, T)
            t, row = cuda.threadIdx.x, cuda.blockIdx.x
            total = T(0)
            for i in range(t, x.shape[1], cuda.blockDim.x):
                total += math.exp(x[row, i])
            total = warp_sum(total)
            if t % 32 == 0:
                room[t // 32] = total
            cuda.syncthreads()
            total = warp_sum(room[t % 32] if t % 32 < cuda.blockDim.x // 32 else T(0))
            for i in range(t, x.shape[1], cuda.blockDim.x):
                y[row, i] = math.exp(x[row, i]) / total

        return softmax

    for T, dtype in ((numba.float32, np.float32), (numba.float64, np.float64)):
        x = np.random.default_rng(0).standard_normal((3, 100)).astype(dtype)
        y = run(make(T), np.empty_like(x), x, grid=3, order=order)
        assert np.allclose(y, np.exp(x) / np.exp(x).sum(1, keepdims=True))


def test_two_shared_arrays_on_one_line_are_two():
    @cuda.jit
    def kernel(y, x):
        a, b = cuda.shared.array(64, float32), cuda.shared.array(64, float32)
        t = cuda.threadIdx.x
        a[t], b[t] = x[t], -x[t]
        cuda.syncthreads()
        y[t] = a[63 - t] - b[63 - t]

    assert (run(kernel, zeros(), X) == 2 * X[::-1]).all()


def test_dynamic_shared_memory_and_atomics():
    @cuda.jit
    def kernel(y, x):
        s = cuda.shared.array(0, float32)
        t = cuda.threadIdx.x
        s[t] = x[t]
        cuda.syncthreads()
        cuda.atomic.add(y, 0, s[63 - t])
        cuda.atomic.max(y, 1, x[t])

    assert (run(kernel, zeros(2), X, shared=256) == [X.sum(), 63]).all()


def test_exited_threads_are_not_waited_for():
    @cuda.jit
    def kernel(y, x):
        t = cuda.threadIdx.x
        if t >= 40:
            return
        s = cuda.shared.array(64, float32)
        s[t] = x[t]
        cuda.syncthreads()
        y[t] = s[39 - t]

    assert (run(kernel, zeros(), X)[:40] == X[:40][::-1]).all()


def test_three_dimensions():
    @cuda.jit
    def kernel(y):
        i, j, k = cuda.grid(3)
        if i < y.shape[2] and j < y.shape[1] and k < y.shape[0]:
            y[k, j, i] = 100 * k + 10 * j + i + 1000 * cuda.gridsize(3)[2]

    y = run(kernel, zeros((2, 3, 5), np.int64), grid=(3, 2, 1), block=(2, 2, 2))
    k, j, i = np.indices(y.shape)
    assert (y == 100 * k + 10 * j + i + 2000).all()


def test_local_constant_and_row_views_in_float16():
    @cuda.jit
    def kernel(y, x):
        t = cuda.grid(1)
        mine = cuda.local.array(2, float32)
        weights = cuda.const.array_like(WEIGHTS)
        row = x[t]
        for k in range(2):
            mine[k] = float32(row[k]) * weights[k]
        y[t] = mine[0] + mine[1]

    x = np.arange(8, dtype=np.float16).reshape(4, 2)
    assert (run(kernel, zeros(4, np.float16), x, block=4) == x @ WEIGHTS).all()


WEIGHTS = np.array([2.0, 3.0], np.float32)


def test_bits_and_casts():
    @cuda.jit
    def kernel(y):
        y[0] = cuda.popc(0b1011)
        y[1] = cuda.ffs(8)
        y[2] = cuda.clz(1)
        y[3] = int32(1 << 31)
        y[4] = numba.uint8(300)
        y[5] = cuda.laneid + cuda.warpsize

    assert run(kernel, zeros(6, np.int64), block=1).tolist() == [3, 4, 63, -(2**31), 44, 32]


def test_the_special_values_of_a_gpu():
    @cuda.jit
    def kernel(y, x):
        y[0] = math.exp(x[0])
        y[1] = math.log(x[1])
        y[2] = x[0] / x[1]
        y[3] = max(x[2], x[0])
        y[4] = math.sqrt(-x[0])
        y[5] = float32(-math.inf)

    y = run(kernel, zeros(6), np.array([1000, 0, np.nan], np.float32), block=1)
    assert np.array_equal(y, np.array([np.inf, -np.inf, np.inf, 1000, np.nan, -np.inf]), equal_nan=True)


def test_in_place_through_two_names():
    @cuda.jit
    def kernel(y, x):
        t = cuda.threadIdx.x
        y[t] = x[t] + x[t]

    y = X.copy()
    simulator.launch(kernel, 1, 64, (y, y))
    assert (y == 2 * X).all()


def test_an_empty_grid_runs_nothing():
    @cuda.jit
    def kernel(y):
        y[0] = 1

    assert run(kernel, zeros(), grid=0)[0] == 0
