"""Softmax on the CPU, by Numba: a first attempt, then what is used. A function over rows takes those it is given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, softmax
from tinygrad_zh_kernels.softmax import covers, table
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import SAFE, exp, kernel, maximum, use_widest_vectors

FEW = 50_000
"""Numbers below which a second thread costs more than it helps."""

SHORT, TOGETHER = 256, 4096
"""Of rows shorter than this, so many numbers go through eˣ in one loop: a loop over each row would mostly run its
last, incomplete vector. They stay in the nearest cache."""


def run(serial: Callable[..., None], parallel: Callable[..., None], inputs: tuple[Any, ...]) -> Any:
    """A new array of the shape of the inputs, filled by one thread or by all of them."""
    x = inputs[0]
    out = buffers.empty(x.shape, x.dtype)
    rows, columns = table(x)
    arrays = [a.reshape(rows, columns) for a in (out, *inputs)]
    threads = threads_for(x.size, FEW)
    if threads == 1:
        serial(*arrays, 0, rows)
    else:
        parallel(*arrays, threads)
    return out


# ---- a first attempt


@softmax.forward.body("numba-1-loops", device="cpu", covers=covers)
def loops(x: Any, *, axis: int = -1) -> Any:
    """The loops as one would write them, compiled: no temporary arrays, but one number after the other.

    中文：照公式写出循环再编译：不产生临时数组，但一次只算一个数。
    """
    y = np.empty_like(x)
    _loops(y.reshape(table(y)), x.reshape(table(x)))
    return y


@kernel(fastmath=False)
def _loops(y, x):
    for i in range(x.shape[0]):
        m = -math.inf
        for j in range(x.shape[1]):
            m = max(m, x[i, j])
        s = 0.0
        for j in range(x.shape[1]):
            y[i, j] = math.exp(x[i, j] - m)
            s += y[i, j]
        for j in range(x.shape[1]):
            y[i, j] /= s


# ---- softmax


@softmax.forward.body("numba", device="cpu", covers=covers)
def forward(x: Any, *, axis: int = -1) -> Any:
    """Vector instructions for eˣ and for the maximum, memory that is still in the cache, all threads.

    中文：eˣ 和最大值用向量指令计算，结果写入仍在缓存里的内存，使用全部线程。
    """
    return run(_forward, _forward_parallel, (x,))


@kernel(parallel=True)
def _forward_parallel(y, x, threads):
    for t in prange(threads):
        _forward(y, x, len(x) * t // threads, len(x) * (t + 1) // threads)


@kernel
def _forward(y, x, first, last):
    if x.shape[1] < SHORT:
        _forward_short(y, x, first, last)
    else:
        _forward_long(y, x, first, last)


@kernel
def _forward_long(y, x, first, last):
    use_widest_vectors()
    columns = x.shape[1]
    for i in range(first, last):
        m = row_max(x[i])
        s = x.dtype.type(0)
        for j in range(columns):
            e = exp(x[i, j] - m)
            y[i, j] = e
            s += e
        share = x.dtype.type(1) / s
        for j in range(columns):
            y[i, j] *= share


@kernel
def _forward_short(y, x, first, last):
    use_widest_vectors()
    columns = x.shape[1]
    together = TOGETHER // max(1, columns)
    for start in range(first, last, together):
        some = y[start : min(start + together, last)]
        for i in range(len(some)):
            m = row_max(x[start + i])
            for j in range(columns):
                some[i, j] = x[start + i, j] - m
        flat = some.reshape(some.size)
        for j in range(flat.size):
            flat[j] = exp(flat[j])
        for i in range(len(some)):
            s = x.dtype.type(0)
            for j in range(columns):
                s += some[i, j]
            share = x.dtype.type(1) / s
            for j in range(columns):
                some[i, j] *= share


@kernel(forceinline=True)
def row_max(row):
    """The largest of a row, nan if one is nan. In half registers, which leave less of a short row over."""
    m = row[0]
    for j in range(row.size):
        m = maximum(m, row[j])
    return m


@softmax.backward.body("numba", device="cpu", covers=covers, least=1 << 11)
def backward(dy: Any, y: Any, *, axis: int) -> Any:
    """One pass for Σ dy y and one for dx, over rows that stay in the cache.

    中文：一遍求 Σ dy y，一遍求 dx，两遍之间数据都留在缓存里。
    """
    return run(_backward, _backward_parallel, (dy, y))


@kernel(parallel=True)
def _backward_parallel(dx, dy, y, threads):
    for t in prange(threads):
        _backward(dx, dy, y, len(y) * t // threads, len(y) * (t + 1) // threads)


@kernel
def _backward(dx, dy, y, first, last):
    use_widest_vectors()
    columns = y.shape[1]
    for i in range(first, last):
        dot = y.dtype.type(0)
        for j in range(columns):
            dot += dy[i, j] * y[i, j]
        for j in range(columns):
            dx[i, j] = y[i, j] * (dy[i, j] - dot)


# ---- its logarithm


@softmax.log_forward.body("numba", device="cpu", covers=covers)
def log_forward(x: Any, *, axis: int = -1) -> Any:
    """Vector instructions for eˣ and for the maximum; eˣ is summed and never stored.

    中文：eˣ 和最大值用向量指令计算；eˣ 只求和，不存储。
    """
    return run(_log_forward, _log_forward_parallel, (x,))


@kernel(parallel=True)
def _log_forward_parallel(y, x, threads):
    for t in prange(threads):
        _log_forward(y, x, len(x) * t // threads, len(x) * (t + 1) // threads)


@kernel
def _log_forward(y, x, first, last):
    use_widest_vectors()
    columns = x.shape[1]
    for i in range(first, last):
        m = row_max(x[i])
        s = x.dtype.type(0)
        for j in range(columns):
            s += exp(x[i, j] - m)
        _subtract(y[i], x[i], m, x.dtype.type(math.log(s)))


@kernel(fastmath=SAFE)  # the order counts: x − m is exact, m + ln s is not
def _subtract(y, x, m, log_s):
    use_widest_vectors()
    for j in range(x.size):
        y[j] = x[j] - m - log_s


@softmax.log_backward.body("numba", device="cpu", covers=covers, least=1 << 11)
def log_backward(dy: Any, y: Any, *, axis: int) -> Any:
    """One pass for Σ dy and one for dx, with eʸ in vector instructions.

    中文：一遍求 Σ dy，一遍求 dx，eʸ 用向量指令计算。
    """
    return run(_log_backward, _log_backward_parallel, (dy, y))


@kernel(parallel=True)
def _log_backward_parallel(dx, dy, y, threads):
    for t in prange(threads):
        _log_backward(dx, dy, y, len(y) * t // threads, len(y) * (t + 1) // threads)


@kernel
def _log_backward(dx, dy, y, first, last):
    use_widest_vectors()
    columns = y.shape[1]
    for i in range(first, last):
        s = y.dtype.type(0)
        for j in range(columns):
            s += dy[i, j]
        for j in range(columns):
            dx[i, j] = dy[i, j] - exp(y[i, j]) * s
