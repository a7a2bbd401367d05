"""A bias and an activation in CUDA C: the host's side of bias_activation.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import bias_activation
from tinygrad_zh_kernels.bias_activation import covers, covers_backward
from tinygrad_zh_kernels.columns import sums, tiling
from tinygrad_zh_kernels.launcher import Launcher

FILE = Path(__file__).parent / "bias_activation.cu"


def run(launch: Launcher, name: str, x: Any, b: Any) -> Any:
    """y, which kernel `name` fills."""
    y = launch.empty(x.shape, x.dtype)
    columns = b.size
    rows = x.size // max(1, columns)
    tiles = tiling(launch, rows, columns, y, x, b)
    launch.cuda_c(FILE, name, tiles.grid, tiles.block, (y, x, b, np.int64(rows), columns), dtype=x.dtype,
                  defines=tiles.defines)
    return y


def run_backward(launch: Launcher, name: str, dy: Any, *kept: Any) -> tuple[Any, Any]:
    """dx and db: kernel `name` sends back dx and sums what it sends, a second one adds the partial sums."""
    dx = launch.empty(dy.shape, dy.dtype)
    columns = dy.shape[-1]
    rows = dy.size // max(1, columns)
    tiles = tiling(launch, rows, columns, dx, dy, *kept)
    partial = launch.empty((tiles.parts, columns), dy.dtype)
    launch.cuda_c(FILE, name, tiles.grid, tiles.block, (dx, partial, dy, *kept, np.int64(rows), columns),
                  dtype=dy.dtype, defines=tiles.defines)
    return dx, sums(launch, FILE, partial, dy.dtype, tiles.defines)


@bias_activation.relu_forward.body("cuda-c", device="cuda", covers=covers)
def relu_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """Sixteen bytes at a time; a thread stays in its columns and reads the bias once.

    中文：每次读写 16 字节；每个线程固定负责几列，偏置只读一次。
    """
    return run(launch, "relu_forward", x, b)


@bias_activation.relu_backward.body("cuda-c", device="cuda", covers=covers_backward)
def relu_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """Sixteen bytes at a time; db is summed on the way, in registers, and in a second, small launch.

    中文：每次读写 16 字节；db 随手在寄存器里累加，再由一次小的启动求总和。
    """
    return run_backward(launch, "relu_backward", dy, y)


@bias_activation.sigmoid_forward.body("cuda-c", device="cuda", covers=covers)
def sigmoid_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """Sixteen bytes at a time; a thread stays in its columns and reads the bias once.

    中文：每次读写 16 字节；每个线程固定负责几列，偏置只读一次。
    """
    return run(launch, "sigmoid_forward", x, b)


@bias_activation.sigmoid_backward.body("cuda-c", device="cuda", covers=covers_backward)
def sigmoid_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """Sixteen bytes at a time; db is summed on the way, in registers, and in a second, small launch.

    中文：每次读写 16 字节；db 随手在寄存器里累加，再由一次小的启动求总和。
    """
    return run_backward(launch, "sigmoid_backward", dy, y)


@bias_activation.tanh_forward.body("cuda-c", device="cuda", covers=covers)
def tanh_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """Sixteen bytes at a time; a thread stays in its columns and reads the bias once.

    中文：每次读写 16 字节；每个线程固定负责几列，偏置只读一次。
    """
    return run(launch, "tanh_forward", x, b)


@bias_activation.tanh_backward.body("cuda-c", device="cuda", covers=covers_backward)
def tanh_backward(launch: Launcher, dy: Any, y: Any) -> tuple[Any, Any]:
    """Sixteen bytes at a time; db is summed on the way, in registers, and in a second, small launch.

    中文：每次读写 16 字节；db 随手在寄存器里累加，再由一次小的启动求总和。
    """
    return run_backward(launch, "tanh_backward", dy, y)


@bias_activation.gelu_forward.body("cuda-c", device="cuda", covers=covers)
def gelu_forward(launch: Launcher, x: Any, b: Any) -> Any:
    """Sixteen bytes at a time; a thread stays in its columns and reads the bias once.

    中文：每次读写 16 字节；每个线程固定负责几列，偏置只读一次。
    """
    return run(launch, "gelu_forward", x, b)


@bias_activation.gelu_backward.body("cuda-c", device="cuda", covers=covers_backward)
def gelu_backward(launch: Launcher, dy: Any, x: Any, b: Any) -> tuple[Any, Any]:
    """Sixteen bytes at a time; z and s are computed again, and db is summed on the way.

    中文：每次读写 16 字节；z 和 s 重新计算，db 随手累加。
    """
    return run_backward(launch, "gelu_backward", dy, x, b)
