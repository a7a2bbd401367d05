"""Convolution in CUDA C: the host's side of conv2d.cu."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tinygrad_zh_kernels import conv2d
from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.launcher import Launcher, blocks

Pair = tuple[int, int]

FILE = Path(__file__).with_name("conv2d.cu")
TILE = 64
"""Rows and columns of a product that a block of 16 × 16 threads computes."""

DEEP_ENOUGH = 256
"""Places that a block sums at least, before it is worth having more blocks."""


@conv2d.forward.body("cuda-c-1-direct", device="cuda")
def direct(launch: Launcher, x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """One number of Y a thread, the formula's three sums in it.

    中文：每个线程算 Y 的一个数，照公式做三重求和。
    """
    lengths = _lengths(x.shape, W.shape, stride, padding)
    y = launch.empty((len(x), len(W), *lengths[7:9]), x.dtype)
    launch.cuda_c(FILE, "conv2d_direct", (blocks(y.size, 256),), (256,), (y, x, W, b, *lengths), dtype=x.dtype)
    return y


@conv2d.forward.body("cuda-c", device="cuda")
def forward(launch: Launcher, x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """A product of matrices, tile by tile; the windows of X are looked up on the way to shared memory, never stored.

    中文：看作矩阵乘法，逐块计算；X 的窗口在读入共享内存时按下标查出，从不另存。
    """
    lengths = _lengths(x.shape, W.shape, stride, padding)
    y = launch.empty((len(x), len(W), *lengths[7:9]), x.dtype)
    launch.cuda_c(FILE, "conv2d_forward", _tiles(len(W), y.size // len(W)), (16, 16), (y, x, W, b, *lengths),
                  dtype=x.dtype)
    return y


@conv2d.backward_x.body("cuda-c", device="cuda")
def backward_x(launch: Launcher, dy: Any, W: Any, x_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """The same product with the windows of dY that hold a pixel: each pixel gathers its sum, nothing is added twice.

    中文：同样的矩阵乘法，查的是含有该像素的各个窗口的 dY：每个像素自己收集，不需要原子操作。
    """
    dx = launch.empty(x_shape, dy.dtype)
    channels = x_shape[1]
    launch.cuda_c(FILE, "conv2d_backward_x", _tiles(channels, dx.size // channels), (16, 16),
                  (dx, dy, W, *_lengths(x_shape, W.shape, stride, padding)), dtype=dy.dtype)
    return dx


@conv2d.backward_W.body("cuda-c", device="cuda")
def backward_W(launch: Launcher, dy: Any, x: Any, W_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """The same product, its long sum shared by several blocks; a second kernel adds up their parts, in one order.

    中文：同样的矩阵乘法，很长的求和由多个线程块分担；再启动一次把各部分相加，次序固定，结果可重复。
    """
    outputs, size = W_shape[0], math.prod(W_shape)
    places = dy.size // outputs
    across, down = _tiles(outputs, size // outputs)
    parts = max(1, min(blocks(places, DEEP_ENOUGH), blocks(4 * launch.multiprocessors, across * down)))
    summed = launch.empty((parts, *W_shape), dy.dtype)
    launch.cuda_c(FILE, "conv2d_backward_W", (across, down, parts), (16, 16),
                  (summed, dy, x, blocks(places, parts), *_lengths(x.shape, W_shape, stride, padding)), dtype=dy.dtype)
    dW = launch.empty(W_shape, dy.dtype)
    launch.cuda_c(FILE, "conv2d_add_parts", (blocks(size, 256),), (256,), (dW, summed, parts, size), dtype=dy.dtype)
    return dW


@conv2d.backward_b.body("cuda-c", device="cuda")
def backward_b(launch: Launcher, dy: Any) -> Any:
    """One launch, a block a channel: neighbouring threads read neighbouring numbers.

    中文：只启动一次，每个线程块算一个通道：相邻线程读相邻的数。
    """
    db = launch.empty((dy.shape[1],), dy.dtype)
    launch.cuda_c(FILE, "conv2d_backward_b", (dy.shape[1],), (256,),
                  (db, dy, dy.shape[0], dy.shape[1], dy.shape[2] * dy.shape[3]), dtype=dy.dtype)
    return db


def _lengths(x: tuple[int, ...], W: tuple[int, ...], stride: Pair, padding: Pair) -> tuple[int, ...]:
    """N, C, H, W, O, U, V, I, J, s, t, p, q."""
    return (*x, W[0], *W[2:], *out_size(x[2:], W[2:], stride, padding), *stride, *padding)  # type: ignore[arg-type]


def _tiles(rows: int, columns: int) -> tuple[int, int]:
    return blocks(columns, TILE), blocks(rows, TILE)
