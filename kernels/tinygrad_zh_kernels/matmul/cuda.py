"""Matrix multiplication in Numba CUDA: the naive loops, and tiles in shared memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import matmul
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.matmul import batch, covers

TILE = 16


def multiply(launch: Launcher, kernel: Callable[[Any], Any], a: Any, b: Any) -> Any:
    """A new C: a kernel whose blocks compute 16 × 16 numbers of it."""
    c = launch.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    stacks = tuple([x.reshape((batch(x), *x.shape[-2:])) for x in (c, a, b)])
    grid = (blocks(c.shape[-1], TILE), blocks(c.shape[-2], TILE), batch(c))
    launch.numba(kernel(numba.from_dtype(a.dtype)), grid, (TILE, TILE), stacks)
    return c


@matmul.forward.body("numba-cuda-1-naive", device="cuda", covers=covers)
def naive(launch: Launcher, a: Any, b: Any) -> Any:
    """One thread a number of C; neighbouring threads read neighbouring numbers of B.

    中文：每个线程算 C 的一个数；相邻线程读 B 中相邻的数。
    """
    return multiply(launch, _naive, a, b)


@cache
def _naive(T):
    @cuda.jit
    def matmul_naive(c, a, b):
        column, row, z = cuda.grid(3)
        if row < c.shape[1] and column < c.shape[2]:
            total = T(0)
            for p in range(a.shape[2]):
                total += a[z, row, p] * b[z, p, column]
            c[z, row, column] = total

    return matmul_naive


@matmul.forward.body("numba-cuda-2-shared-tile", device="cuda", covers=covers)
def shared_tile(launch: Launcher, a: Any, b: Any) -> Any:
    """Tiles of A and B in shared memory: what a block fetches is used 16 times.

    中文：A、B 的小块放进共享内存：取来的每个数用 16 次。
    """
    return multiply(launch, _shared_tile, a, b)


@cache
def _shared_tile(T):
    @cuda.jit
    def matmul_shared_tile(c, a, b):
        a_tile = cuda.shared.array((TILE, TILE), T)
        b_tile = cuda.shared.array((TILE, TILE), T)
        column, row, z = cuda.grid(3)
        x, y = cuda.threadIdx.x, cuda.threadIdx.y
        m, k, n = a.shape[1], a.shape[2], b.shape[2]

        total = T(0)
        for first in range(0, k, TILE):
            a_tile[y, x] = a[z, row, first + x] if row < m and first + x < k else T(0)
            b_tile[y, x] = b[z, first + y, column] if first + y < k and column < n else T(0)
            cuda.syncthreads()
            for p in range(TILE):
                total += a_tile[y, p] * b_tile[p, x]
            cuda.syncthreads()  # nobody brings the next tiles before all have used these
        if row < m and column < n:
            c[z, row, column] = total

    return matmul_shared_tile
