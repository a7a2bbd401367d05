"""Pooling in Numba CUDA: a thread for each window forward, and for each pixel backward."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from tinygrad_zh_kernels import pooling
from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.launcher import Launcher, blocks

Pair = tuple[int, int]

THREADS = 128


@pooling.max_forward.body("numba-cuda", device="cuda")
def max_forward(launch: Launcher, x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """One window a thread.

    中文：每个线程算一个窗口。
    """
    y = launch.empty((*x.shape[:2], *out_size(x.shape[2:], kernel, stride, padding)), x.dtype)
    k = launch.empty(y.shape, np.int32)
    _launch(launch, _max_forward, (y, k, x), kernel, stride, padding)
    return y, k


@cache
def _max_forward(T):
    @cuda.jit
    def max_pool(y, k, x, U, V, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= y.size:
            return
        j = me % y.shape[2]
        i = me // y.shape[2] % y.shape[1]
        plane = me // (y.shape[2] * y.shape[1])
        top = s * i - p
        left = t * j - q

        largest = T(-math.inf)
        taken = 0
        for u in range(max(0, -top), min(U, x.shape[1] - top)):
            for v in range(max(0, -left), min(V, x.shape[2] - left)):
                pixel = x[plane, top + u, left + v]
                if not pixel <= largest and largest == largest:  # a nan is taken, and stays
                    largest = pixel
                    taken = u * V + v
        y[plane, i, j] = largest
        k[plane, i, j] = taken

    return max_pool


@pooling.max_backward.body("numba-cuda", device="cuda")
def max_backward(launch: Launcher, dy: Any, x_shape: tuple[int, ...], k: Any, *, kernel: Pair, stride: Pair,
                 padding: Pair) -> Any:
    """One pixel a thread: it asks the windows that see it which one took it, so nothing is added by two threads.

    中文：每个线程算一个像素：查看含有它的各个窗口是否取了它，因此不需要原子操作。
    """
    dx = launch.empty(x_shape, dy.dtype)
    _launch(launch, _max_backward, (dx, dy, k), kernel, stride, padding)
    return dx


@cache
def _max_backward(T):
    @cuda.jit
    def max_pool_backward(dx, dy, k, U, V, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= dx.size:
            return
        column = me % dx.shape[2]
        row = me // dx.shape[2] % dx.shape[1]
        plane = me // (dx.shape[2] * dx.shape[1])

        total = T(0)
        for i in range(max(0, (row + p - U) // s + 1), min(dy.shape[1], (row + p) // s + 1)):
            for j in range(max(0, (column + q - V) // t + 1), min(dy.shape[2], (column + q) // t + 1)):
                if k[plane, i, j] == (row + p - s * i) * V + column + q - t * j:
                    total += dy[plane, i, j]
        dx[plane, row, column] = total

    return max_pool_backward


@pooling.avg_forward.body("numba-cuda", device="cuda")
def avg_forward(launch: Launcher, x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """One window a thread.

    中文：每个线程算一个窗口。
    """
    y = launch.empty((*x.shape[:2], *out_size(x.shape[2:], kernel, stride, padding)), x.dtype)
    _launch(launch, _avg_forward, (y, x), kernel, stride, padding)
    return y


@cache
def _avg_forward(T):
    @cuda.jit
    def avg_pool(y, x, U, V, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= y.size:
            return
        j = me % y.shape[2]
        i = me // y.shape[2] % y.shape[1]
        plane = me // (y.shape[2] * y.shape[1])
        top = s * i - p
        left = t * j - q

        total = T(0)
        for u in range(max(0, -top), min(U, x.shape[1] - top)):
            for v in range(max(0, -left), min(V, x.shape[2] - left)):
                total += x[plane, top + u, left + v]
        y[plane, i, j] = total / T(U * V)

    return avg_pool


@pooling.avg_backward.body("numba-cuda", device="cuda")
def avg_backward(launch: Launcher, dy: Any, x_shape: tuple[int, ...], *, kernel: Pair, stride: Pair,
                 padding: Pair) -> Any:
    """One pixel a thread, which gathers from the windows that see it.

    中文：每个线程算一个像素，从含有它的各个窗口收集。
    """
    dx = launch.empty(x_shape, dy.dtype)
    _launch(launch, _avg_backward, (dx, dy), kernel, stride, padding)
    return dx


@cache
def _avg_backward(T):
    @cuda.jit
    def avg_pool_backward(dx, dy, U, V, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= dx.size:
            return
        column = me % dx.shape[2]
        row = me // dx.shape[2] % dx.shape[1]
        plane = me // (dx.shape[2] * dx.shape[1])

        total = T(0)
        for i in range(max(0, (row + p - U) // s + 1), min(dy.shape[1], (row + p) // s + 1)):
            for j in range(max(0, (column + q - V) // t + 1), min(dy.shape[2], (column + q) // t + 1)):
                total += dy[plane, i, j]
        dx[plane, row, column] = total / T(U * V)

    return avg_pool_backward


def _launch(launch: Launcher, kernel_for: Any, arrays: tuple[Any, ...], kernel: Pair, stride: Pair,
            padding: Pair) -> None:
    """A thread for each number of the first array, which is written; images and channels as one axis."""
    planes = [x.reshape(x.shape[0] * x.shape[1], *x.shape[2:]) for x in arrays]
    launch.numba(kernel_for(numba.from_dtype(arrays[0].dtype)), (blocks(arrays[0].size, THREADS),), (THREADS,),
                 (*planes, *kernel, *stride, *padding))
