"""Layer norm on the CPU, by Numba."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, layer_norm
from tinygrad_zh_kernels.layer_norm import covers, covers_backward
from tinygrad_zh_kernels.sums import add_up, parts_of
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import SAFE, kernel, use_widest_vectors

FEW = 50_000
"""Numbers below which a second thread costs more than it helps."""

LEAST = 16_384
"""Numbers of a part of the rows, whose share of dγ and dβ backward sums by itself."""


@layer_norm.forward.body("numba", device="cpu", covers=covers)
def forward(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> tuple[Any, Any, Any]:
    """A row stays in the nearest cache while its mean, its variance and y are computed, in vector instructions.

    中文：一行数据留在最近的缓存里，依次求均值、方差和 y，都用向量指令。
    """
    table = (x.size // x.shape[-1], x.shape[-1])
    y = buffers.empty(x.shape, x.dtype)
    mean, rstd = (buffers.empty((*x.shape[:-1], 1), x.dtype) for _ in range(2))
    arrays = (y.reshape(table), mean.reshape(-1), rstd.reshape(-1), x.reshape(table), gamma, beta, x.dtype.type(eps))
    threads = threads_for(x.size, FEW)
    if threads == 1:
        _forward(*arrays)
    else:
        _forward_parallel(*arrays, threads)
    return y, mean, rstd


@kernel(parallel=True)
def _forward_parallel(y, mean, rstd, x, gamma, beta, eps, threads):
    for t in prange(threads):
        first, last = len(x) * t // threads, len(x) * (t + 1) // threads
        _forward(y[first:last], mean[first:last], rstd[first:last], x[first:last], gamma, beta, eps)


@kernel(fastmath=SAFE)  # LOOSE makes 1 / √ an estimate that is nan at ∞, and γ n r another product
def _forward(y, mean, rstd, x, gamma, beta, eps):
    use_widest_vectors()
    one, columns = x.dtype.type(1), x.dtype.type(x.shape[1])
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        m = _sum(row) / columns
        r = one / math.sqrt(_squares(row, m) / columns + eps)
        for j in range(row.size):
            out[j] = gamma[j] * ((row[j] - m) * r) + beta[j]
        mean[i] = m
        rstd[i] = r


@kernel(forceinline=True)
def _sum(row):
    use_widest_vectors()
    total = row.dtype.type(0)
    for j in range(row.size):
        total += row[j]
    return total


@kernel(forceinline=True)
def _squares(row, m):
    """Σ (x − m)²."""
    use_widest_vectors()
    total = row.dtype.type(0)
    for j in range(row.size):
        total += (row[j] - m) * (row[j] - m)
    return total


@layer_norm.backward.body("numba", device="cpu", covers=covers_backward)
def backward(dy: Any, x: Any, gamma: Any, mean: Any, rstd: Any) -> tuple[Any, Any, Any]:
    """Two passes over a row in the nearest cache: all four sums in the first, dx in the second.

    中文：对留在最近缓存里的一行数据做两遍：第一遍求全部四个和，第二遍求 dx。
    """
    table = (x.size // x.shape[-1], x.shape[-1])
    dx, dgamma, dbeta = buffers.empty(x.shape, x.dtype), np.empty_like(gamma), np.empty_like(gamma)
    parts = parts_of(x.size, LEAST)
    gammas, betas = (np.empty((parts, table[1]), x.dtype) for _ in range(2))
    arrays = *[a.reshape(table) for a in (dx, dy, x)], gamma, mean.reshape(-1), rstd.reshape(-1), gammas, betas
    threads = threads_for(x.size, FEW)
    if threads == 1:
        _backward(*arrays, 0, parts)
    else:
        _backward_parallel(*arrays, parts, threads)
    add_up(dgamma, gammas)
    add_up(dbeta, betas)
    return dx, dgamma, dbeta


@kernel(parallel=True)
def _backward_parallel(dx, dy, x, gamma, mean, rstd, gammas, betas, parts, threads):
    for t in prange(threads):
        _backward(dx, dy, x, gamma, mean, rstd, gammas, betas, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _backward(dx, dy, x, gamma, mean, rstd, gammas, betas, first, last):
    use_widest_vectors()
    zero, columns = x.dtype.type(0), x.dtype.type(x.shape[1])
    for part in range(first, last):
        dgamma, dbeta = gammas[part], betas[part]
        dgamma[:] = 0
        dbeta[:] = 0
        for i in range(len(x) * part // len(gammas), len(x) * (part + 1) // len(gammas)):
            row, slope, out = x[i], dy[i], dx[i]
            m, r = mean[i], rstd[i]
            sum_g, sum_gn = zero, zero
            for j in range(row.size):
                n = (row[j] - m) * r
                g = slope[j] * gamma[j]
                sum_g += g
                sum_gn += g * n
                dgamma[j] += slope[j] * n
                dbeta[j] += slope[j]
            mean_g, mean_gn = sum_g / columns, sum_gn / columns
            for j in range(row.size):
                out[j] = r * (slope[j] * gamma[j] - mean_g - (row[j] - m) * r * mean_gn)
