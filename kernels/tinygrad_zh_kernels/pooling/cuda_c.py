"""Pooling in CUDA C: the host's side of pooling.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import pooling
from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.launcher import Launcher, blocks

Pair = tuple[int, int]

FILE = Path(__file__).with_name("pooling.cu")
THREADS = 256


@pooling.max_forward.body("cuda-c", device="cuda")
def max_forward(launch: Launcher, x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """One window a thread.

    中文：每个线程算一个窗口。
    """
    y = launch.empty((*x.shape[:2], *out_size(x.shape[2:], kernel, stride, padding)), x.dtype)
    k = launch.empty(y.shape, np.int32)
    _launch(launch, "max_pool", y.size, (y, k, x), x.shape, kernel, stride, padding)
    return y, k


@pooling.max_backward.body("cuda-c", device="cuda")
def max_backward(launch: Launcher, dy: Any, x_shape: tuple[int, ...], k: Any, *, kernel: Pair, stride: Pair,
                 padding: Pair) -> Any:
    """One pixel a thread: it asks the windows that see it which one took it, so nothing is added by two threads.

    中文：每个线程算一个像素：查看含有它的各个窗口是否取了它，因此不需要原子操作。
    """
    dx = launch.empty(x_shape, dy.dtype)
    _launch(launch, "max_pool_backward", dx.size, (dx, dy, k), x_shape, kernel, stride, padding)
    return dx


@pooling.avg_forward.body("cuda-c", device="cuda")
def avg_forward(launch: Launcher, x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """One window a thread.

    中文：每个线程算一个窗口。
    """
    y = launch.empty((*x.shape[:2], *out_size(x.shape[2:], kernel, stride, padding)), x.dtype)
    _launch(launch, "avg_pool", y.size, (y, x), x.shape, kernel, stride, padding)
    return y


@pooling.avg_backward.body("cuda-c", device="cuda")
def avg_backward(launch: Launcher, dy: Any, x_shape: tuple[int, ...], *, kernel: Pair, stride: Pair,
                 padding: Pair) -> Any:
    """One pixel a thread, which gathers from the windows that see it.

    中文：每个线程算一个像素，从含有它的各个窗口收集。
    """
    dx = launch.empty(x_shape, dy.dtype)
    _launch(launch, "avg_pool_backward", dx.size, (dx, dy), x_shape, kernel, stride, padding)
    return dx


def _launch(launch: Launcher, name: str, numbers: int, arrays: tuple[Any, ...], x: tuple[int, ...], kernel: Pair,
            stride: Pair, padding: Pair) -> None:
    lengths = (*x[2:], *kernel, *out_size(x[2:], kernel, stride, padding), *stride, *padding)  # type: ignore[arg-type]
    launch.cuda_c(FILE, name, (blocks(numbers, THREADS),), (THREADS,), (*arrays, np.int64(x[0] * x[1]), *lengths),
                  dtype=arrays[0].dtype)
