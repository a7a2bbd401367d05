"""Softmax in Numba CUDA: one block a row throughout."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import softmax
from tinygrad_zh_kernels.cuda_sums import over
from tinygrad_zh_kernels.launcher import Launcher
from tinygrad_zh_kernels.softmax import covers, table

THREADS = 128


def run(launch: Launcher, kernel: Callable[[Any], Any], *inputs: Any) -> Any:
    """A new array of the shape of the inputs: the kernel, made for their dtype, fills a row a block."""
    x = inputs[0]
    out = launch.empty(x.shape, x.dtype)
    arrays = tuple([a.reshape(table(a)) for a in (out, *inputs)])
    launch.numba(kernel(numba.from_dtype(x.dtype)), arrays[0].shape[:1], (THREADS,), arrays)
    return out


# ---- softmax


@softmax.forward.body("numba-cuda-1-tree", device="cuda", covers=covers)
def tree(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """One block a row; what the threads found is put together in shared memory, in halves.

    中文：每个线程块算一行；各线程的结果在共享内存里两两合并。
    """
    return run(launch, _tree, x)


@cache
def _tree(T):
    @cuda.jit
    def softmax_tree(y, x):
        room = cuda.shared.array(THREADS, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        m = T(-math.inf)
        for j in range(me, x.shape[1], THREADS):
            m = max(m, x[row, j])
        room[me] = m
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if me < half:
                room[me] = max(room[me], room[me + half])
            cuda.syncthreads()
            half //= 2
        m = room[0]
        cuda.syncthreads()  # all have read m before the room is used again

        s = T(0)
        for j in range(me, x.shape[1], THREADS):
            s += math.exp(x[row, j] - m)
        room[me] = s
        cuda.syncthreads()
        half = THREADS // 2
        while half > 0:
            if me < half:
                room[me] += room[me + half]
            cuda.syncthreads()
            half //= 2
        s = room[0]

        for j in range(me, x.shape[1], THREADS):
            y[row, j] = math.exp(x[row, j] - m) / s

    return softmax_tree


@softmax.forward.body("numba-cuda-2-shuffle", device="cuda", covers=covers)
def shuffle(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """Warp shuffles instead of the tree: the threads of a warp need no barrier, so two are enough for a sum.

    中文：用线程束洗牌指令代替共享内存里的两两合并：同一线程束内不需要同步，求一次和只同步两次。
    """
    return run(launch, _shuffle, x)


@cache
def _shuffle(T):
    block_sum, block_max = over(T).block_sum, over(T).block_max

    @cuda.jit
    def softmax_shuffle(y, x):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        m = T(-math.inf)
        for j in range(me, x.shape[1], THREADS):
            m = max(m, x[row, j])
        m = block_max(m, room)
        s = T(0)
        for j in range(me, x.shape[1], THREADS):
            s += math.exp(x[row, j] - m)
        s = block_sum(s, room)
        for j in range(me, x.shape[1], THREADS):
            y[row, j] = math.exp(x[row, j] - m) / s

    return softmax_shuffle


@softmax.forward.body("numba-cuda", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """The maximum and the sum in one pass, so that a row is read twice and not three times.

    中文：一遍同时求最大值与和，每一行读两遍而不是三遍。
    """
    return run(launch, _forward, x)


@cache
def _forward(T):
    block_sum, block_max = over(T).block_sum, over(T).block_max

    @cuda.jit
    def softmax_online(y, x):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        mine = T(-math.inf)
        s = T(0)
        for j in range(me, x.shape[1], THREADS):
            v = x[row, j]
            if v > mine:
                s *= math.exp(mine - v)
                mine = v
            s += T(1) if v == mine else math.exp(v - mine)  # equal: −∞ − −∞ would be nan, too early
        m = block_max(mine, room)
        s = block_sum(s * math.exp(mine - m), room)
        for j in range(me, x.shape[1], THREADS):
            y[row, j] = math.exp(x[row, j] - m) / s

    return softmax_online


@softmax.backward.body("numba-cuda", device="cuda", covers=covers)
def backward(launch: Launcher, dy: Any, y: Any, *, axis: int) -> Any:
    """One launch, one block a row: Σ dy y, then dx.

    中文：只启动一次，每个线程块算一行：先求 Σ dy y，再求 dx。
    """
    return run(launch, _backward, dy, y)


@cache
def _backward(T):
    block_sum = over(T).block_sum

    @cuda.jit
    def softmax_backward(dx, dy, y):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        dot = T(0)
        for j in range(me, y.shape[1], THREADS):
            dot += dy[row, j] * y[row, j]
        dot = block_sum(dot, room)
        for j in range(me, y.shape[1], THREADS):
            dx[row, j] = y[row, j] * (dy[row, j] - dot)

    return softmax_backward


# ---- its logarithm


@softmax.log_forward.body("numba-cuda", device="cuda", covers=covers)
def log_forward(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """One launch, one block a row: the maximum, the sum, then y.

    中文：只启动一次，每个线程块算一行：先求最大值，再求和，最后求 y。
    """
    return run(launch, _log_forward, x)


@cache
def _log_forward(T):
    block_sum, block_max = over(T).block_sum, over(T).block_max

    @cuda.jit
    def log_softmax(y, x):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        m = T(-math.inf)
        for j in range(me, x.shape[1], THREADS):
            m = max(m, x[row, j])
        m = block_max(m, room)
        s = T(0)
        for j in range(me, x.shape[1], THREADS):
            s += math.exp(x[row, j] - m)
        log_s = math.log(block_sum(s, room))
        for j in range(me, x.shape[1], THREADS):
            y[row, j] = x[row, j] - m - log_s

    return log_softmax


@softmax.log_backward.body("numba-cuda", device="cuda", covers=covers)
def log_backward(launch: Launcher, dy: Any, y: Any, *, axis: int) -> Any:
    """One launch, one block a row: Σ dy, then dx.

    中文：只启动一次，每个线程块算一行：先求 Σ dy，再求 dx。
    """
    return run(launch, _log_backward, dy, y)


@cache
def _log_backward(T):
    block_sum = over(T).block_sum

    @cuda.jit
    def log_softmax_backward(dx, dy, y):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x

        s = T(0)
        for j in range(me, y.shape[1], THREADS):
            s += dy[row, j]
        s = block_sum(s, room)
        for j in range(me, y.shape[1], THREADS):
            dx[row, j] = dy[row, j] - math.exp(y[row, j]) * s

    return log_softmax_backward
