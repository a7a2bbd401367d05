"""Reductions in Numba CUDA."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import reduction
from tinygrad_zh_kernels.launcher import Launcher
from tinygrad_zh_kernels.reduction import covers, covers_something, parts_of, rows_and_columns, shape_of_result

THREADS = 128
FULL = 0xFFFFFFFF


@reduction.sum.body("numba-cuda", device="cuda", covers=covers)
def sum_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """A block for every part of a row, warp shuffles, and a second launch for what the blocks have found.

    中文：每个线程块算一行的一部分，用线程束洗牌指令合并，第二次启动合并各线程块的结果。
    """
    return reduce(launch, _sum, x, axis, keepdims)


@reduction.mean.body("numba-cuda", device="cuda", covers=covers_something)
def mean_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = (), n: float) -> Any:
    """As the sum; the last launch divides by n.

    中文：与求和相同，最后一次启动除以 n。
    """
    return reduce(launch, _sum, x, axis, keepdims, n)


@reduction.max.body("numba-cuda", device="cuda", covers=covers_something)
def max_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """A block for every part of a row, warp shuffles, and a second launch for what the blocks have found.

    中文：每个线程块算一行的一部分，用线程束洗牌指令合并，第二次启动合并各线程块的结果。
    """
    return reduce(launch, _max, x, axis, keepdims)


def reduce(launch: Launcher, kernel: Any, x: Any, axis: Any, keepdims: bool, divisor: float = 1) -> Any:
    """One launch if a block is enough for a row, else two."""
    rows, columns = rows_and_columns(x, axis) or (0, 0)
    out = launch.empty(shape_of_result(x, axis, keepdims), x.dtype)
    made = kernel(numba.from_dtype(x.dtype))
    table = x.reshape(rows, columns)
    parts = parts_of(launch, rows, columns)
    if parts > 1:
        partial = launch.empty((rows, parts), x.dtype)
        launch.numba(made, (rows * parts,), (THREADS,), (partial, table, x.dtype.type(1)))
        table = partial
    launch.numba(made, (rows,), (THREADS,), (out.reshape(rows, 1), table, x.dtype.type(divisor)))
    return out


@cache
def _sum(T):
    @cuda.jit(device=True)
    def add(a, b):
        return a + b

    return _reduce(T, T(0), add)


@cache
def _max(T):
    @cuda.jit(device=True)
    def larger(a, b):
        return a + b if a != a or b != b else max(a, b)  # nan, if one is nan

    return _reduce(T, T(-math.inf), larger)


def _reduce(T, start, join):
    @cuda.jit(device=True)
    def over_warp(x):
        step = 16
        while step > 0:
            x = join(x, cuda.shfl_xor_sync(FULL, x, step))
            step //= 2
        return x

    @cuda.jit
    def reduce_rows(out, x, divisor):
        room = cuda.shared.array(32, T)
        parts = out.shape[1]
        row = cuda.blockIdx.x // parts
        part = cuda.blockIdx.x % parts
        me = cuda.threadIdx.x

        found = start
        for j in range(part * THREADS + me, x.shape[1], parts * THREADS):
            found = join(found, x[row, j])
        found = over_warp(found)
        if me % 32 == 0:
            room[me // 32] = found
        cuda.syncthreads()
        if me < 32:
            found = over_warp(room[me] if me < THREADS // 32 else start)
            if me == 0:
                out[row, part] = found / divisor

    return reduce_rows
