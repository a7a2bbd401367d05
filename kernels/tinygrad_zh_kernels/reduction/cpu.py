"""Reductions on the CPU, by Numba. A function over parts takes those it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import reduction
from tinygrad_zh_kernels.launcher import blocks
from tinygrad_zh_kernels.reduction import covers, covers_something, rows_and_columns, shape_of_result
from tinygrad_zh_kernels.softmax.cpu import row_max
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

LEAF = 1024
"""Numbers that are added in one loop, in a few dozen sums side by side; beyond, sums are added in pairs."""

PART = 1 << 16
"""Numbers of a long row that one thread takes. Fixed, so that the result is the same for any number of threads."""


def reduce(serial: Callable[..., None], parallel: Callable[..., None], x: Any, axis: Any, keepdims: bool) -> Any:
    """A new array of results: of the rows, or of the parts of a long one and then of those."""
    rows, columns = rows_and_columns(x, axis) or (0, 0)
    out = np.empty(shape_of_result(x, axis, keepdims), x.dtype)
    flat = x.reshape(x.size)
    if rows == 1 and columns > PART:
        parts = np.empty(blocks(columns, PART), np.float64)  # few, so their sum may as well be exact
        over(serial, parallel, parts, flat, PART)
        flat, columns = parts, parts.size
    over(serial, parallel, out.reshape(rows), flat, columns)
    return out


def over(serial: Callable[..., None], parallel: Callable[..., None], out: Any, x: Any, length: int) -> None:
    """Each result from so many numbers, the last one perhaps from fewer; by all threads if it is worth their while."""
    threads = threads_for(x.size, PART + 1)
    if threads == 1:
        serial(out, x, length, 0, out.size)
    else:
        parallel(out, x, length, threads)


# ---- sum and mean


@reduction.sum.body("numba", device="cpu", covers=covers, least=1 << 15)
def sum_of(x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """Vector instructions, in sums of a thousand numbers that are added in pairs; all threads.

    中文：用向量指令，每一千个数求一个和，再两两相加；使用全部线程。
    """
    return reduce(_sums, _sums_parallel, x, axis, keepdims)


@reduction.mean.body("numba", device="cpu", covers=covers_something, least=1 << 14)
def mean_of(x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = (), n: float) -> Any:
    """As the sum, divided by n.

    中文：与求和相同，最后除以 n。
    """
    y = reduce(_sums, _sums_parallel, x, axis, keepdims)
    _divide(y.reshape(y.size), x.dtype.type(n))
    return y


@kernel
def _divide(y, n):
    use_widest_vectors()
    for i in range(y.size):
        y[i] /= n


@kernel(parallel=True)
def _sums_parallel(out, x, length, threads):
    for t in prange(threads):
        _sums(out, x, length, out.size * t // threads, out.size * (t + 1) // threads)


@kernel
def _sums(out, x, length, first, last):
    use_widest_vectors()
    if length <= LEAF:
        for i in range(first, last):
            out[i] = _in_one_loop(x[i * length : min((i + 1) * length, x.size)])
    else:
        for i in range(first, last):
            out[i] = _in_pairs(x[i * length : min((i + 1) * length, x.size)])


@kernel
def _in_pairs(x):
    use_widest_vectors()
    if x.size <= LEAF:
        return _in_one_loop(x)
    half = x.size // 2
    return _in_pairs(x[:half]) + _in_pairs(x[half:])


@kernel(forceinline=True)
def _in_one_loop(x):
    use_widest_vectors()
    s = x.dtype.type(0)
    for i in range(x.size):
        s += x[i]
    return s


# ---- max


@reduction.max.body("numba", device="cpu", covers=covers_something, least=1 << 12)
def max_of(x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """Vector instructions, all threads.

    中文：用向量指令，使用全部线程。
    """
    return reduce(_maxima, _maxima_parallel, x, axis, keepdims)


@kernel(parallel=True)
def _maxima_parallel(out, x, length, threads):
    for t in prange(threads):
        _maxima(out, x, length, out.size * t // threads, out.size * (t + 1) // threads)


@kernel
def _maxima(out, x, length, first, last):
    use_widest_vectors()
    for i in range(first, last):
        out[i] = row_max(x[i * length : min((i + 1) * length, x.size)])
