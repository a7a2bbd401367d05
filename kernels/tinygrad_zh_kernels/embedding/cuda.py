"""Embedding in Numba CUDA."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import embedding
from tinygrad_zh_kernels.embedding import covers_forward, covers_scatter_add
from tinygrad_zh_kernels.launcher import Launcher

THREADS = 32


@embedding.forward.body("numba-cuda", device="cuda", covers=covers_forward)
def forward(launch: Launcher, t: Any, W: Any) -> Any:
    """One launch, a block a token: neighbouring threads copy neighbouring numbers.

    中文：只启动一次，每个线程块复制一行：相邻线程复制相邻的数。
    """
    y = launch.empty((*t.shape, W.shape[1]), W.dtype)
    launch.numba(_gather, (t.size,), (THREADS,), (y.reshape(t.size, W.shape[1]), t.reshape(-1), W))
    return y


@cuda.jit
def _gather(y, t, W):
    token = cuda.blockIdx.x
    row = t[token]
    if row < 0:
        row += W.shape[0]
    for c in range(cuda.threadIdx.x, W.shape[1], THREADS):
        y[token, c] = W[row, c]


@embedding.scatter_add.body("numba-cuda", device="cuda", covers=covers_scatter_add)
def scatter_add(launch: Launcher, x: Any, index: Any, *, shape: tuple[int, ...]) -> Any:
    """A block a token: the first of each row adds up its repetitions in their order: the same digits in every run.

    中文：每个线程块负责一个词元：每一行由最先出现的词元按顺序累加所有重复项，每次运行的结果逐位相同。
    """
    y = launch.zeros(shape, x.dtype)
    width = math.prod(shape[1:])
    launch.numba(_scatter_add(numba.from_dtype(x.dtype)), (index.size,), (THREADS,),
                 (y.reshape(shape[0], width), x.reshape(index.size, width), index.reshape(-1)))
    return y


@cache
def _scatter_add(T):
    @cuda.jit
    def scatter_add(y, x, t):
        first = cuda.blockIdx.x
        row = t[first]
        if row < 0:
            row += y.shape[0]

        earlier = 0
        for i in range(cuda.threadIdx.x, first, THREADS):
            if t[i] == row or t[i] + y.shape[0] == row:
                earlier = 1
        if cuda.syncthreads_or(earlier):
            return  # that block adds this row too

        for c in range(cuda.threadIdx.x, x.shape[1], THREADS):
            total = T(0)
            for i in range(first, t.size):
                if t[i] == row or t[i] + y.shape[0] == row:
                    total += x[i, c]
            y[row, c] = total

    return scatter_add
