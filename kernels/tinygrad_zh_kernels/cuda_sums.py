"""Sums and maxima over a warp and over a block, for bodies in Numba CUDA: what common.cuh is for those in CUDA C."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

from numba import cuda

FULL = 0xFFFFFFFF


class Over(NamedTuple):
    """Device functions. Every thread that takes part receives the result.

    Those of a block need whole warps and `room`, 32 numbers of shared memory, which may be used again at once.
    """

    warp_sum: Any
    warp_max: Any
    block_sum: Any
    block_max: Any


@cache
def over(T: Any) -> Over:
    """The functions for one type, numba.float32 or numba.float64: no number is to become another's by the way."""

    @cuda.jit(device=True)
    def warp_sum(x):
        step = 16
        while step > 0:
            x += cuda.shfl_xor_sync(FULL, x, step)
            step //= 2
        return x

    @cuda.jit(device=True)
    def warp_max(x):
        step = 16
        while step > 0:
            x = max(x, cuda.shfl_xor_sync(FULL, x, step))
            step //= 2
        return x

    @cuda.jit(device=True)
    def block_sum(x, room):
        lane = cuda.threadIdx.x % 32
        x = warp_sum(x)
        if lane == 0:
            room[cuda.threadIdx.x // 32] = x
        cuda.syncthreads()
        x = warp_sum(room[lane] if lane < cuda.blockDim.x // 32 else T(0))
        cuda.syncthreads()  # nobody writes to the room again before all have read
        return x

    @cuda.jit(device=True)
    def block_max(x, room):
        lane = cuda.threadIdx.x % 32
        x = warp_max(x)
        if lane == 0:
            room[cuda.threadIdx.x // 32] = x
        cuda.syncthreads()
        x = warp_max(room[lane] if lane < cuda.blockDim.x // 32 else T(-math.inf))
        cuda.syncthreads()
        return x

    return Over(warp_sum, warp_max, block_sum, block_max)


@cache
def column_sums(T: Any) -> Any:
    """The kernel that sums the columns of a table, one thread a column, always in the same order."""

    @cuda.jit
    def column_sums(sums, table):
        j = cuda.grid(1)
        if j < sums.size:
            total = T(0)
            for i in range(table.shape[0]):
                total += table[i, j]
            sums[j] = total

    return column_sums
