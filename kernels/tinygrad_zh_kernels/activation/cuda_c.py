"""Activations in CUDA C: the host's side of activation.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import activation
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.row import aligned

FILE = Path(__file__).parent / "activation.cu"
THREADS = 256
STAY = 4
"""Blocks a multiprocessor: it has registers for so many at once, each thread with several loads under way. More blocks
would come in a second, incomplete wave."""


def run(launch: Launcher, name: str, *inputs: Any) -> Any:
    """A new array of the shape of the inputs, which kernel `name` fills."""
    x = inputs[0]
    out = launch.empty(x.shape, x.dtype)
    packs = x.size * x.itemsize // 16 if all(map(aligned, (out, *inputs))) else 0
    grid = (min(blocks(packs or x.size, THREADS), STAY * launch.multiprocessors),)
    launch.cuda_c(FILE, name, grid, (THREADS,), (out, *inputs, np.int64(x.size), np.int64(packs)), dtype=x.dtype)
    return out


@activation.relu_forward.body("cuda-c", device="cuda")
def relu_forward(launch: Launcher, x: Any) -> Any:
    """Sixteen bytes at a time, in one launch of as many threads as run at once.

    中文：每次读写 16 字节，只启动一次，线程数正好是能同时运行的数目。
    """
    return run(launch, "relu_forward", x)


@activation.relu_backward.body("cuda-c", device="cuda")
def relu_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "relu_backward", dy, y)


@activation.sigmoid_forward.body("cuda-c", device="cuda")
def sigmoid_forward(launch: Launcher, x: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "sigmoid_forward", x)


@activation.sigmoid_backward.body("cuda-c", device="cuda")
def sigmoid_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "sigmoid_backward", dy, y)


@activation.tanh_forward.body("cuda-c", device="cuda")
def tanh_forward(launch: Launcher, x: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "tanh_forward", x)


@activation.tanh_backward.body("cuda-c", device="cuda")
def tanh_backward(launch: Launcher, dy: Any, y: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "tanh_backward", dy, y)


@activation.gelu_forward.body("cuda-c", device="cuda")
def gelu_forward(launch: Launcher, x: Any) -> Any:
    """Sixteen bytes at a time, in one launch.

    中文：每次读写 16 字节，只启动一次。
    """
    return run(launch, "gelu_forward", x)


@activation.gelu_backward.body("cuda-c", device="cuda")
def gelu_backward(launch: Launcher, dy: Any, x: Any) -> Any:
    """Sixteen bytes at a time, in one launch; s is computed again.

    中文：每次读写 16 字节，只启动一次；s 重新计算。
    """
    return run(launch, "gelu_backward", dy, x)
