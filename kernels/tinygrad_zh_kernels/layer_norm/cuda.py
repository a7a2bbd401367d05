"""Layer norm in Numba CUDA: along the rows a block each, down the columns a thread each."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import layer_norm
from tinygrad_zh_kernels.cuda_sums import column_sums, over
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.layer_norm import covers, covers_backward

THREADS = 128
STAY = 4
"""Blocks a multiprocessor that go down the columns."""


@layer_norm.forward.body("numba-cuda", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> tuple[Any, Any, Any]:
    """One launch, one block a row: the mean, then the variance, then y.

    中文：只启动一次，每个线程块算一行：先求均值，再求方差，最后求 y。
    """
    y = launch.empty(x.shape, x.dtype)
    mean, rstd = (launch.empty((*x.shape[:-1], 1), x.dtype) for _ in range(2))
    table = (x.size // x.shape[-1], x.shape[-1])
    arrays = (y.reshape(table), mean.reshape(-1), rstd.reshape(-1), x.reshape(table), gamma, beta)
    launch.numba(_forward(numba.from_dtype(x.dtype)), table[:1], (THREADS,), (*arrays, x.dtype.type(eps)))
    return y, mean, rstd


@cache
def _forward(T):
    block_sum = over(T).block_sum

    @cuda.jit
    def layer_norm(y, mean, rstd, x, gamma, beta, eps):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x
        columns = T(x.shape[1])

        total = T(0)
        for j in range(me, x.shape[1], THREADS):
            total += x[row, j]
        m = block_sum(total, room) / columns
        squares = T(0)
        for j in range(me, x.shape[1], THREADS):
            squares += (x[row, j] - m) * (x[row, j] - m)
        r = T(1) / math.sqrt(block_sum(squares, room) / columns + eps)
        for j in range(me, x.shape[1], THREADS):
            y[row, j] = gamma[j] * ((x[row, j] - m) * r) + beta[j]
        if me == 0:
            mean[row] = m
            rstd[row] = r

    return layer_norm


@layer_norm.backward.body("numba-cuda", device="cuda", covers=covers_backward)
def backward(launch: Launcher, dy: Any, x: Any, gamma: Any, mean: Any, rstd: Any) -> tuple[Any, Any, Any]:
    """Three launches: dx along the rows, sums of dγ and dβ down parts of the columns, then the sums of these.

    中文：三次启动：沿行求 dx，沿列分段求 dγ、dβ 的部分和，再把各段相加。
    """
    dx = launch.empty(x.shape, x.dtype)
    rows, columns = table = (x.size // x.shape[-1], x.shape[-1])
    dy, x, mean, rstd = dy.reshape(table), x.reshape(table), mean.reshape(-1), rstd.reshape(-1)
    T = numba.from_dtype(x.dtype)
    launch.numba(_backward(T), (rows,), (THREADS,), (dx.reshape(table), dy, x, gamma, mean, rstd))

    wide = blocks(columns, THREADS)
    parts = min(rows, max(1, STAY * launch.multiprocessors // wide))
    partial, both = launch.empty((parts, 2 * columns), x.dtype), launch.empty((2 * columns,), x.dtype)
    launch.numba(_parameters(T), (wide, parts), (THREADS,), (partial, dy, x, mean, rstd))
    launch.numba(column_sums(T), (blocks(2 * columns, THREADS),), (THREADS,), (both, partial))
    return dx, both[:columns], both[columns:]


@cache
def _backward(T):
    block_sum = over(T).block_sum

    @cuda.jit
    def layer_norm_backward(dx, dy, x, gamma, mean, rstd):
        room = cuda.shared.array(32, T)
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x
        columns = T(x.shape[1])
        m = mean[row]
        r = rstd[row]

        mean_g = T(0)
        mean_gn = T(0)
        for j in range(me, x.shape[1], THREADS):
            g = dy[row, j] * gamma[j]
            mean_g += g
            mean_gn += g * ((x[row, j] - m) * r)
        mean_g = block_sum(mean_g, room) / columns
        mean_gn = block_sum(mean_gn, room) / columns
        for j in range(me, x.shape[1], THREADS):
            dx[row, j] = r * (dy[row, j] * gamma[j] - mean_g - (x[row, j] - m) * r * mean_gn)

    return layer_norm_backward


@cache
def _parameters(T):
    @cuda.jit
    def layer_norm_parameters(partial, dy, x, mean, rstd):
        j = cuda.grid(1)
        if j < x.shape[1]:
            dgamma = T(0)
            dbeta = T(0)
            for i in range(cuda.blockIdx.y, x.shape[0], cuda.gridDim.y):
                dgamma += dy[i, j] * ((x[i, j] - mean[i]) * rstd[i])
                dbeta += dy[i, j]
            partial[cuda.blockIdx.y, j] = dgamma
            partial[cuda.blockIdx.y, x.shape[1] + j] = dbeta

    return layer_norm_parameters
