"""Cross-entropy in Numba CUDA: one block a row."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import cross_entropy
from tinygrad_zh_kernels.cross_entropy import covers, covers_backward
from tinygrad_zh_kernels.cuda_sums import over
from tinygrad_zh_kernels.launcher import Launcher

THREADS = 128


@cross_entropy.forward.body("numba-cuda", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, t: Any) -> tuple[Any, Any]:
    """One launch that reads the logits once: the maximum and the sum in one pass.

    中文：只启动一次，分数只读一遍：一遍同时求最大值与和。
    """
    losses = launch.empty(t.shape, x.dtype)
    lse = launch.empty((*t.shape, 1), x.dtype)
    arrays = losses.reshape(t.size), lse.reshape(t.size), x.reshape(t.size, x.shape[-1]), t.reshape(t.size)
    launch.numba(_forward(numba.from_dtype(x.dtype)), (t.size,), (THREADS,), arrays)
    return losses, lse


@cache
def _forward(T):
    block_sum, block_max = over(T).block_sum, over(T).block_max

    @cuda.jit
    def cross_entropy(losses, lse, x, t):
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

        if me == 0:
            log_s = math.log(s)
            label = t[row]
            lse[row] = m + log_s
            losses[row] = T(0)
            if 0 <= label and label < x.shape[1]:
                losses[row] = m - x[row, label] + log_s  # not lse − x_t: lse has been rounded

    return cross_entropy


@cross_entropy.backward.body("numba-cuda", device="cuda", covers=covers_backward)
def backward(launch: Launcher, dy: Any, x: Any, t: Any, lse: Any) -> Any:
    """One launch that reads the logits once and writes their gradient: softmax is never stored.

    中文：只启动一次，读一遍分数，直接写出梯度：不存储 softmax。
    """
    dx = launch.empty(x.shape, x.dtype)
    rows = t.size, x.shape[-1]
    arrays = dx.reshape(rows), dy.reshape(t.size), x.reshape(rows), t.reshape(t.size), lse.reshape(t.size)
    launch.numba(_backward(numba.from_dtype(x.dtype)), (t.size,), (THREADS,), arrays)
    return dx


@cache
def _backward(T):
    @cuda.jit
    def cross_entropy_backward(dx, dy, x, t, lse):
        row = cuda.blockIdx.x
        slope = dy[row]
        log_sum = lse[row]
        label = t[row]
        for j in range(cuda.threadIdx.x, x.shape[1], THREADS):
            hot = T(1) if j == label else T(0)
            dx[row, j] = slope * (math.exp(x[row, j] - log_sum) - hot)

    return cross_entropy_backward
