"""A bias and an activation on the CPU, by Numba.

Short rows are taken together until they are several vectors long: one loop, with the bias repeated, serves all of them.
A loop over each would mostly run its incomplete last step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import bias_activation, buffers
from tinygrad_zh_kernels.activation import CUBIC, U
from tinygrad_zh_kernels.bias_activation import covers, covers_backward
from tinygrad_zh_kernels.sums import add_up, parts_of
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import exp, kernel, sigmoid, tanh, use_widest_vectors

FEW = 50_000
"""Numbers below which a second thread costs more than it helps."""

WIDE = 512
"""Numbers that rows taken together have at least."""

LEAST = 16_384
"""Numbers of a part of the rows, which backward sums by itself."""


def run(serial: Callable[..., None], parallel: Callable[..., None], x: Any, b: Any) -> Any:
    """y, filled by one thread or by all of them."""
    y = buffers.empty(x.shape, x.dtype)
    if not x.size:
        return y
    wide = repeated(b, together(b.size))
    threads = threads_for(x.size, FEW)
    if threads == 1:
        serial(y.reshape(-1), x.reshape(-1), wide)
    else:
        parallel(y.reshape(-1), x.reshape(-1), wide, b.size, threads)
    return y


def run_backward(serial: Callable[..., None], parallel: Callable[..., None], dy: Any, kept: Any,
                 *b: Any) -> tuple[Any, Any]:
    """dx and db. Each part of the rows has its own sums, as long as rows taken together."""
    columns = dy.shape[-1]
    dx, db = buffers.empty(dy.shape, dy.dtype), np.empty(columns, dy.dtype)
    if not dy.size:
        return dx, np.zeros_like(db)
    times, parts = together(columns), parts_of(dy.size, LEAST)
    sums = np.empty((parts, times * columns), dy.dtype)
    arrays = *[a.reshape(-1) for a in (dx, dy, kept)], *[repeated(bias, times) for bias in b], sums, columns
    threads = threads_for(dy.size, FEW)
    if threads == 1:
        serial(*arrays, 0, parts)
    else:
        parallel(*arrays, parts, threads)
    add_up(db, sums.reshape(parts * times, columns))
    return dx, db


def together(columns: int) -> int:
    """How many rows are taken together."""
    return max(1, WIDE // max(1, columns))


def repeated(b: Any, times: int) -> Any:
    """b, so many times one after the other."""
    if times == 1:
        return b
    wide = np.empty(times * b.size, b.dtype)
    _repeat(wide, b)
    return wide


@kernel
def _repeat(wide, b):
    for start in range(0, wide.size, b.size):
        wide[start : start + b.size] = b


@kernel
def share(i, shares, size, columns):
    """Where the i-th of the shares begins and ends: whole rows, as even as can be."""
    rows = size // columns
    return columns * (rows * i // shares), columns * (rows * (i + 1) // shares)


# ---- relu


@bias_activation.relu_forward.body("numba", device="cpu", covers=covers, least=1 << 13)
def relu_forward(x: Any, b: Any) -> Any:
    """One pass in vector instructions: x + b is never stored.

    中文：用向量指令一遍算完，x + b 不写入内存。
    """
    return run(_relu, _relu_parallel, x, b)


@kernel(parallel=True)
def _relu_parallel(y, x, wide, columns, threads):
    for t in prange(threads):
        first, last = share(t, threads, x.size, columns)
        _relu(y[first:last], x[first:last], wide)


@kernel
def _relu(y, x, wide):
    use_widest_vectors()
    zero = x.dtype.type(0)
    for start in range(0, x.size, wide.size):
        row, out = x[start : start + wide.size], y[start : start + wide.size]
        for j in range(row.size):
            z = row[j] + wide[j]
            out[j] = zero if z < zero else z


@bias_activation.relu_backward.body("numba", device="cpu", covers=covers_backward, least=1 << 13)
def relu_backward(dy: Any, y: Any) -> Any:
    """dx and the sums of its columns in one pass.

    中文：一遍算出 dx，同时按列求和。
    """
    return run_backward(_relu_backward, _relu_backward_parallel, dy, y)


@kernel(parallel=True)
def _relu_backward_parallel(dx, dy, y, sums, columns, parts, threads):
    for t in prange(threads):
        _relu_backward(dx, dy, y, sums, columns, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _relu_backward(dx, dy, y, sums, columns, first, last):
    use_widest_vectors()
    zero = y.dtype.type(0)
    for part in range(first, last):
        total = sums[part]
        total[:] = 0
        begin, end = share(part, len(sums), y.size, columns)
        for start in range(begin, end, total.size):
            row = slice(start, min(start + total.size, end))
            kept, slope, out = y[row], dy[row], dx[row]
            for j in range(kept.size):
                g = slope[j] if kept[j] > zero else zero
                out[j] = g
                total[j] += g


# ---- sigmoid


@bias_activation.sigmoid_forward.body("numba", device="cpu", covers=covers)
def sigmoid_forward(x: Any, b: Any) -> Any:
    """One pass, with eˣ as a polynomial in vector instructions.

    中文：一遍算完，eˣ 用多项式以向量指令计算。
    """
    return run(_sigmoid, _sigmoid_parallel, x, b)


@kernel(parallel=True)
def _sigmoid_parallel(y, x, wide, columns, threads):
    for t in prange(threads):
        first, last = share(t, threads, x.size, columns)
        _sigmoid(y[first:last], x[first:last], wide)


@kernel
def _sigmoid(y, x, wide):
    use_widest_vectors()
    for start in range(0, x.size, wide.size):
        row, out = x[start : start + wide.size], y[start : start + wide.size]
        for j in range(row.size):
            out[j] = sigmoid(row[j] + wide[j])


@bias_activation.sigmoid_backward.body("numba", device="cpu", covers=covers_backward, least=1 << 15)
def sigmoid_backward(dy: Any, y: Any) -> Any:
    """dx and the sums of its columns in one pass.

    中文：一遍算出 dx，同时按列求和。
    """
    return run_backward(_sigmoid_backward, _sigmoid_backward_parallel, dy, y)


@kernel(parallel=True)
def _sigmoid_backward_parallel(dx, dy, y, sums, columns, parts, threads):
    for t in prange(threads):
        _sigmoid_backward(dx, dy, y, sums, columns, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _sigmoid_backward(dx, dy, y, sums, columns, first, last):
    use_widest_vectors()
    one = y.dtype.type(1)
    for part in range(first, last):
        total = sums[part]
        total[:] = 0
        begin, end = share(part, len(sums), y.size, columns)
        for start in range(begin, end, total.size):
            row = slice(start, min(start + total.size, end))
            kept, slope, out = y[row], dy[row], dx[row]
            for j in range(kept.size):
                g = slope[j] * kept[j] * (one - kept[j])
                out[j] = g
                total[j] += g


# ---- tanh


@bias_activation.tanh_forward.body("numba", device="cpu", covers=covers, least=1 << 14)
def tanh_forward(x: Any, b: Any) -> Any:
    """One pass, with tanh as a rational function in vector instructions.

    中文：一遍算完，tanh 用有理函数以向量指令计算。
    """
    return run(_tanh, _tanh_parallel, x, b)


@kernel(parallel=True)
def _tanh_parallel(y, x, wide, columns, threads):
    for t in prange(threads):
        first, last = share(t, threads, x.size, columns)
        _tanh(y[first:last], x[first:last], wide)


@kernel
def _tanh(y, x, wide):
    use_widest_vectors()
    for start in range(0, x.size, wide.size):
        row, out = x[start : start + wide.size], y[start : start + wide.size]
        for j in range(row.size):
            out[j] = tanh(row[j] + wide[j])


@bias_activation.tanh_backward.body("numba", device="cpu", covers=covers_backward, least=1 << 14)
def tanh_backward(dy: Any, y: Any) -> Any:
    """dx and the sums of its columns in one pass.

    中文：一遍算出 dx，同时按列求和。
    """
    return run_backward(_tanh_backward, _tanh_backward_parallel, dy, y)


@kernel(parallel=True)
def _tanh_backward_parallel(dx, dy, y, sums, columns, parts, threads):
    for t in prange(threads):
        _tanh_backward(dx, dy, y, sums, columns, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _tanh_backward(dx, dy, y, sums, columns, first, last):
    use_widest_vectors()
    one = y.dtype.type(1)
    for part in range(first, last):
        total = sums[part]
        total[:] = 0
        begin, end = share(part, len(sums), y.size, columns)
        for start in range(begin, end, total.size):
            row = slice(start, min(start + total.size, end))
            kept, slope, out = y[row], dy[row], dx[row]
            for j in range(kept.size):
                g = slope[j] * (one - kept[j] * kept[j])
                out[j] = g
                total[j] += g


# ---- gelu


@bias_activation.gelu_forward.body("numba", device="cpu", covers=covers)
def gelu_forward(x: Any, b: Any) -> Any:
    """One pass, as z / (1 + e⁻ᵘ): one polynomial and one division.

    中文：一遍算完，写成 z / (1 + e⁻ᵘ)：一个多项式加一次除法。
    """
    return run(_gelu, _gelu_parallel, x, b)


@kernel(parallel=True)
def _gelu_parallel(y, x, wide, columns, threads):
    for t in prange(threads):
        first, last = share(t, threads, x.size, columns)
        _gelu(y[first:last], x[first:last], wide)


@kernel
def _gelu(y, x, wide):
    use_widest_vectors()
    one, linear, cubic = x.dtype.type(1), x.dtype.type(U), x.dtype.type(U * CUBIC)
    for start in range(0, x.size, wide.size):
        row, out = x[start : start + wide.size], y[start : start + wide.size]
        for j in range(row.size):
            z = row[j] + wide[j]
            out[j] = z / (one + exp(-z * (linear + cubic * (z * z))))


@bias_activation.gelu_backward.body("numba", device="cpu", covers=covers_backward)
def gelu_backward(dy: Any, x: Any, b: Any) -> Any:
    """dx and the sums of its columns in one pass; z and s are computed again.

    中文：一遍算出 dx，同时按列求和；z 和 s 重新计算。
    """
    return run_backward(_gelu_backward, _gelu_backward_parallel, dy, x, b)


@kernel(parallel=True)
def _gelu_backward_parallel(dx, dy, x, wide, sums, columns, parts, threads):
    for t in prange(threads):
        _gelu_backward(dx, dy, x, wide, sums, columns, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _gelu_backward(dx, dy, x, wide, sums, columns, first, last):
    use_widest_vectors()
    one, linear, cubic = x.dtype.type(1), x.dtype.type(U), x.dtype.type(U * CUBIC)
    slope_cubic = x.dtype.type(3 * U * CUBIC)
    for part in range(first, last):
        total = sums[part]
        total[:] = 0
        begin, end = share(part, len(sums), x.size, columns)
        for start in range(begin, end, total.size):
            row = slice(start, min(start + total.size, end))
            kept, slope, out = x[row], dy[row], dx[row]
            for j in range(kept.size):
                z = kept[j] + wide[j]
                square = z * z
                s = one / (one + exp(-z * (linear + cubic * square)))
                g = slope[j] * (s + z * (s * (one - s)) * (linear + slope_cubic * square))
                out[j] = g
                total[j] += g
