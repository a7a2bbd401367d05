"""Activations in Numba CUDA: one thread a number."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import activation
from tinygrad_zh_kernels.activation import CUBIC, U
from tinygrad_zh_kernels.launcher import Launcher, blocks

THREADS = 256


def run(launch: Launcher, kernel: Callable[[Any], Any], *inputs: Any) -> Any:
    """A new array of the shape of the inputs, which the kernel, made for their dtype, fills."""
    x = inputs[0]
    out = launch.empty(x.shape, x.dtype)
    arrays = tuple([a.reshape(-1) for a in (out, *inputs)])
    launch.numba(kernel(numba.from_dtype(x.dtype)), (blocks(x.size, THREADS),), (THREADS,), arrays)
    return out


# ---- relu


@activation.relu_forward.body("numba-cuda", device="cuda")
def relu_forward(launch: Launcher, x: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _relu_forward, x)


@cache
def _relu_forward(T):
    @cuda.jit
    def relu_forward(y, x):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = T(0) if x[i] < T(0) else x[i]  # max(x, 0) would make 0 of nan

    return relu_forward


@activation.relu_backward.body("numba-cuda", device="cuda")
def relu_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _relu_backward, dy, y)


@cache
def _relu_backward(T):
    @cuda.jit
    def relu_backward(dx, dy, y):
        i = cuda.grid(1)
        if i < y.size:
            dx[i] = dy[i] if y[i] > T(0) else T(0)

    return relu_backward


# ---- sigmoid


@activation.sigmoid_forward.body("numba-cuda", device="cuda")
def sigmoid_forward(launch: Launcher, x: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _sigmoid_forward, x)


@cache
def _sigmoid_forward(T):
    @cuda.jit
    def sigmoid_forward(y, x):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = T(1) / (T(1) + math.exp(-x[i]))

    return sigmoid_forward


@activation.sigmoid_backward.body("numba-cuda", device="cuda")
def sigmoid_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _sigmoid_backward, dy, y)


@cache
def _sigmoid_backward(T):
    @cuda.jit
    def sigmoid_backward(dx, dy, y):
        i = cuda.grid(1)
        if i < y.size:
            dx[i] = dy[i] * y[i] * (T(1) - y[i])

    return sigmoid_backward


# ---- tanh


@activation.tanh_forward.body("numba-cuda", device="cuda")
def tanh_forward(launch: Launcher, x: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _tanh_forward, x)


@cache
def _tanh_forward(T):
    @cuda.jit
    def tanh_forward(y, x):
        i = cuda.grid(1)
        if i < x.size:
            y[i] = math.tanh(x[i])

    return tanh_forward


@activation.tanh_backward.body("numba-cuda", device="cuda")
def tanh_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _tanh_backward, dy, y)


@cache
def _tanh_backward(T):
    @cuda.jit
    def tanh_backward(dx, dy, y):
        i = cuda.grid(1)
        if i < y.size:
            dx[i] = dy[i] * (T(1) - y[i] * y[i])

    return tanh_backward


# ---- gelu


@activation.gelu_forward.body("numba-cuda", device="cuda")
def gelu_forward(launch: Launcher, x: Any) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    return run(launch, _gelu_forward, x)


@cache
def _gelu_forward(T):
    @cuda.jit
    def gelu_forward(y, x):
        i = cuda.grid(1)
        if i < x.size:
            v = x[i]
            u = v * (T(U) + T(U * CUBIC) * (v * v))
            y[i] = v / (T(1) + math.exp(-u))

    return gelu_forward


@activation.gelu_backward.body("numba-cuda", device="cuda")
def gelu_backward(launch: Launcher, dy: Any, x: Any) -> Any:
    """One thread a number, in one launch; s is computed again.

    中文：每个线程算一个数，只启动一次；s 重新计算。
    """
    return run(launch, _gelu_backward, dy, x)


@cache
def _gelu_backward(T):
    @cuda.jit
    def gelu_backward(dx, dy, x):
        i = cuda.grid(1)
        if i < x.size:
            v = x[i]
            u = v * (T(U) + T(U * CUBIC) * (v * v))
            s = T(1) / (T(1) + math.exp(-u))
            dx[i] = dy[i] * (s + v * (s * (T(1) - s)) * (T(U) + T(3 * U * CUBIC) * (v * v)))

    return gelu_backward
