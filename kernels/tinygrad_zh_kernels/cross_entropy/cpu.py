"""Cross-entropy on the CPU, by Numba. A function over rows takes those it is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, cross_entropy
from tinygrad_zh_kernels.cross_entropy import covers, covers_backward
from tinygrad_zh_kernels.softmax.cpu import FEW, SHORT, TOGETHER, row_max
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import SAFE, exp, kernel, use_widest_vectors


@cross_entropy.forward.body("numba", device="cpu", covers=covers)
def forward(x: Any, t: Any) -> tuple[Any, Any]:
    """One pass for the maximum, one for the sum, over a row that stays in the cache; eˣ is summed and never stored.

    中文：一遍求最大值，一遍求和，两遍之间整行留在缓存里；eˣ 只求和，不存储。
    """
    losses = np.empty(t.shape, x.dtype)
    lse = np.empty((*t.shape, 1), x.dtype)
    arrays = losses.reshape(t.size), lse.reshape(t.size), x.reshape(t.size, x.shape[-1]), t.reshape(t.size)
    threads = threads_for(x.size, FEW)
    if threads == 1:
        _forward(*arrays, 0, t.size)
    else:
        _forward_parallel(*arrays, threads)
    return losses, lse


@kernel(parallel=True)
def _forward_parallel(losses, lse, x, t, threads):
    for i in prange(threads):
        _forward(losses, lse, x, t, len(x) * i // threads, len(x) * (i + 1) // threads)


@kernel(fastmath=SAFE)  # the order of the terms counts: m − x_t is exact, m + ln s is not
def _forward(losses, lse, x, t, first, last):
    top, total = losses, lse  # there is room for the maxima and the sums where the results will stand
    if x.shape[1] < SHORT:
        _sums_of_short(top, total, x, first, last)
    else:
        _sums_of_long(top, total, x, first, last)
    for i in range(first, last):  # after the sums and not among them: a call of log would empty the vector registers
        m = top[i]
        log_s = x.dtype.type(math.log(total[i]))
        lse[i] = m + log_s
        losses[i] = m - x[i, t[i]] + log_s if 0 <= t[i] < x.shape[1] else 0


@kernel
def _sums_of_long(top, total, x, first, last):
    use_widest_vectors()
    for i in range(first, last):
        m = row_max(x[i])
        s = x.dtype.type(0)
        for j in range(x.shape[1]):
            s += exp(x[i, j] - m)
        top[i] = m
        total[i] = s


@kernel
def _sums_of_short(top, total, x, first, last):
    use_widest_vectors()
    columns = x.shape[1]
    together = TOGETHER // columns
    some = np.empty((together, columns), x.dtype)
    flat = some.reshape(some.size)
    for start in range(first, last, together):
        rows = min(together, last - start)
        for i in range(rows):
            m = row_max(x[start + i])
            for j in range(columns):
                some[i, j] = x[start + i, j] - m
            top[start + i] = m
        for j in range(rows * columns):
            flat[j] = exp(flat[j])
        for i in range(rows):
            s = x.dtype.type(0)
            for j in range(columns):
                s += some[i, j]
            total[start + i] = s


@cross_entropy.backward.body("numba", device="cpu", covers=covers_backward, least=1 << 10)
def backward(dy: Any, x: Any, t: Any, lse: Any) -> Any:
    """One pass: eˣ⁻ˡˢᵉ in vector instructions, times ∂L/∂y; the label's own number is computed again, less 1.

    中文：只有一遍：eˣ⁻ˡˢᵉ 用向量指令计算并乘以 ∂L/∂y；标签那一项另算一次，减去 1。
    """
    dx = buffers.empty(x.shape, x.dtype)
    rows = t.size, x.shape[-1]
    arrays = dx.reshape(rows), dy.reshape(t.size), x.reshape(rows), t.reshape(t.size), lse.reshape(t.size)
    threads = threads_for(x.size, FEW)
    if threads == 1:
        _backward(*arrays, 0, t.size)
    else:
        _backward_parallel(*arrays, threads)
    return dx


@kernel(parallel=True)
def _backward_parallel(dx, dy, x, t, lse, threads):
    for i in prange(threads):
        _backward(dx, dy, x, t, lse, len(x) * i // threads, len(x) * (i + 1) // threads)


@kernel
def _backward(dx, dy, x, t, lse, first, last):
    use_widest_vectors()
    one, columns = x.dtype.type(1), x.shape[1]
    for i in range(first, last):
        for j in range(columns):
            dx[i, j] = dy[i] * exp(x[i, j] - lse[i])
        if 0 <= t[i] < columns:  # not dx − dy, which is nan where dy is ∞
            dx[i, t[i]] = dy[i] * (exp(x[i, t[i]] - lse[i]) - one)
