"""A bias and an activation in Numba CUDA: a thread stays in its column and goes down the rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import bias_activation
from tinygrad_zh_kernels.activation import CUBIC, U
from tinygrad_zh_kernels.bias_activation import covers, covers_backward
from tinygrad_zh_kernels.cuda_sums import column_sums
from tinygrad_zh_kernels.launcher import Launcher, blocks

THREADS = 128
STAY = 4
"""Blocks a multiprocessor. Neighbouring threads have neighbouring columns."""


def run(launch: Launcher, kernel: Callable[[Any], Any], x: Any, b: Any) -> Any:
    """y, which the kernel, made for its dtype, fills."""
    y = launch.empty(x.shape, x.dtype)
    table = (x.size // max(1, b.size), b.size)
    arrays = (y.reshape(table), x.reshape(table), b)
    launch.numba(kernel(numba.from_dtype(x.dtype)), grid(launch, *table), (THREADS,), arrays)
    return y


def run_backward(launch: Launcher, kernel: Callable[[Any], Any], dy: Any, kept: Any, *b: Any) -> tuple[Any, Any]:
    """dx and db: the kernel fills dx and the partial sums of its columns, a second one adds these up."""
    dx = launch.empty(dy.shape, dy.dtype)
    columns = dy.shape[-1]
    table = (dy.size // max(1, columns), columns)
    wide, high = grid(launch, *table)
    partial = launch.empty((high, columns), dy.dtype)
    db = launch.empty((columns,), dy.dtype)
    T = numba.from_dtype(dy.dtype)
    arrays = (dx.reshape(table), partial, dy.reshape(table), kept.reshape(table), *b)
    launch.numba(kernel(T), (wide, high), (THREADS,), arrays)
    launch.numba(column_sums(T), (wide,), (THREADS,), (db, partial))
    return dx, db


def grid(launch: Launcher, rows: int, columns: int) -> tuple[int, int]:
    """Blocks across the columns, and blocks that share a column's rows."""
    wide = blocks(columns, THREADS)
    return wide, min(rows, max(1, STAY * launch.multiprocessors // max(1, wide)))


# ---- relu


@bias_activation.relu_forward.body("numba-cuda", device="cuda", covers=covers)
def relu_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """One launch; a thread reads its bias once.

    中文：只启动一次；每个线程只读一次自己的偏置。
    """
    return run(launch, _relu_forward, x, b)


@cache
def _relu_forward(T):
    @cuda.jit
    def relu_forward(y, x, b):
        j = cuda.grid(1)
        if j < b.size:
            bias = b[j]
            for i in range(cuda.blockIdx.y, x.shape[0], cuda.gridDim.y):
                z = x[i, j] + bias
                y[i, j] = T(0) if z < T(0) else z  # max(z, 0) would make 0 of nan

    return relu_forward


@bias_activation.relu_backward.body("numba-cuda", device="cuda", covers=covers_backward)
def relu_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """A thread sums what it sends back; a second, small launch adds up the threads of a column.

    中文：每个线程边求梯度边累加；再由一次小的启动把同一列各线程的和加起来。
    """
    return run_backward(launch, _relu_backward, dy, y)


@cache
def _relu_backward(T):
    @cuda.jit
    def relu_backward(dx, partial, dy, y):
        j = cuda.grid(1)
        if j < dy.shape[1]:
            total = T(0)
            for i in range(cuda.blockIdx.y, dy.shape[0], cuda.gridDim.y):
                g = dy[i, j] if y[i, j] > T(0) else T(0)
                dx[i, j] = g
                total += g
            partial[cuda.blockIdx.y, j] = total

    return relu_backward


# ---- sigmoid


@bias_activation.sigmoid_forward.body("numba-cuda", device="cuda", covers=covers)
def sigmoid_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """One launch; a thread reads its bias once.

    中文：只启动一次；每个线程只读一次自己的偏置。
    """
    return run(launch, _sigmoid_forward, x, b)


@cache
def _sigmoid_forward(T):
    @cuda.jit
    def sigmoid_forward(y, x, b):
        j = cuda.grid(1)
        if j < b.size:
            bias = b[j]
            for i in range(cuda.blockIdx.y, x.shape[0], cuda.gridDim.y):
                y[i, j] = T(1) / (T(1) + math.exp(-(x[i, j] + bias)))

    return sigmoid_forward


@bias_activation.sigmoid_backward.body("numba-cuda", device="cuda", covers=covers_backward)
def sigmoid_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """A thread sums what it sends back; a second, small launch adds up the threads of a column.

    中文：每个线程边求梯度边累加；再由一次小的启动把同一列各线程的和加起来。
    """
    return run_backward(launch, _sigmoid_backward, dy, y)


@cache
def _sigmoid_backward(T):
    @cuda.jit
    def sigmoid_backward(dx, partial, dy, y):
        j = cuda.grid(1)
        if j < dy.shape[1]:
            total = T(0)
            for i in range(cuda.blockIdx.y, dy.shape[0], cuda.gridDim.y):
                g = dy[i, j] * y[i, j] * (T(1) - y[i, j])
                dx[i, j] = g
                total += g
            partial[cuda.blockIdx.y, j] = total

    return sigmoid_backward


# ---- tanh


@bias_activation.tanh_forward.body("numba-cuda", device="cuda", covers=covers)
def tanh_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """One launch; a thread reads its bias once.

    中文：只启动一次；每个线程只读一次自己的偏置。
    """
    return run(launch, _tanh_forward, x, b)


@cache
def _tanh_forward(T):
    @cuda.jit
    def tanh_forward(y, x, b):
        j = cuda.grid(1)
        if j < b.size:
            bias = b[j]
            for i in range(cuda.blockIdx.y, x.shape[0], cuda.gridDim.y):
                y[i, j] = math.tanh(x[i, j] + bias)

    return tanh_forward


@bias_activation.tanh_backward.body("numba-cuda", device="cuda", covers=covers_backward)
def tanh_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """A thread sums what it sends back; a second, small launch adds up the threads of a column.

    中文：每个线程边求梯度边累加；再由一次小的启动把同一列各线程的和加起来。
    """
    return run_backward(launch, _tanh_backward, dy, y)


@cache
def _tanh_backward(T):
    @cuda.jit
    def tanh_backward(dx, partial, dy, y):
        j = cuda.grid(1)
        if j < dy.shape[1]:
            total = T(0)
            for i in range(cuda.blockIdx.y, dy.shape[0], cuda.gridDim.y):
                g = dy[i, j] * (T(1) - y[i, j] * y[i, j])
                dx[i, j] = g
                total += g
            partial[cuda.blockIdx.y, j] = total

    return tanh_backward


# ---- gelu


@bias_activation.gelu_forward.body("numba-cuda", device="cuda", covers=covers)
def gelu_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """One launch; a thread reads its bias once.

    中文：只启动一次；每个线程只读一次自己的偏置。
    """
    return run(launch, _gelu_forward, x, b)


@cache
def _gelu_forward(T):
    @cuda.jit
    def gelu_forward(y, x, b):
        j = cuda.grid(1)
        if j < b.size:
            bias = b[j]
            for i in range(cuda.blockIdx.y, x.shape[0], cuda.gridDim.y):
                z = x[i, j] + bias
                u = z * (T(U) + T(U * CUBIC) * (z * z))
                y[i, j] = z / (T(1) + math.exp(-u))

    return gelu_forward


@bias_activation.gelu_backward.body("numba-cuda", device="cuda", covers=covers_backward)
def gelu_backward(launch: Launcher, dy: Any, x: Any, b: Any) -> tuple[Any, Any]:
    """A thread sums what it sends back; a second, small launch adds up the threads of a column.

    中文：每个线程边求梯度边累加；再由一次小的启动把同一列各线程的和加起来。
    """
    return run_backward(launch, _gelu_backward, dy, x, b)


@cache
def _gelu_backward(T):
    @cuda.jit
    def gelu_backward(dx, partial, dy, x, b):
        j = cuda.grid(1)
        if j < dy.shape[1]:
            total = T(0)
            for i in range(cuda.blockIdx.y, dy.shape[0], cuda.gridDim.y):
                z = x[i, j] + b[j]
                u = z * (T(U) + T(U * CUBIC) * (z * z))
                s = T(1) / (T(1) + math.exp(-u))
                g = dy[i, j] * (s + z * (s * (T(1) - s)) * (T(U) + T(3 * U * CUBIC) * (z * z)))
                dx[i, j] = g
                total += g
            partial[cuda.blockIdx.y, j] = total

    return gelu_backward
