"""Convolution in Numba CUDA: the formulas as they stand, one number a thread."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
from numba import cuda

from tinygrad_zh_kernels import conv2d
from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.cuda_sums import over
from tinygrad_zh_kernels.launcher import Launcher, blocks

Pair = tuple[int, int]

THREADS = 128
WARPS = 4


@conv2d.forward.body("numba-cuda", device="cuda")
def forward(launch: Launcher, x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """One number of Y a thread, the formula's three sums in it.

    中文：每个线程算 Y 的一个数，照公式做三重求和。
    """
    y = launch.empty((len(x), len(W), *out_size(x.shape[2:], W.shape[2:], stride, padding)), x.dtype)
    launch.numba(_forward(numba.from_dtype(x.dtype)), (blocks(y.size, THREADS),), (THREADS,),
                 (y, x, W, b, *stride, *padding))
    return y


@cache
def _forward(T):
    @cuda.jit
    def conv2d_forward(y, x, W, b, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= y.size:
            return
        j = me % y.shape[3]
        i = me // y.shape[3] % y.shape[2]
        o = me // (y.shape[3] * y.shape[2]) % y.shape[1]
        n = me // (y.shape[3] * y.shape[2] * y.shape[1])

        total = b[o]
        for c in range(x.shape[1]):
            for u in range(W.shape[2]):
                row = s * i + u - p
                for v in range(W.shape[3]):
                    column = t * j + v - q
                    pixel = T(0)
                    if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                        pixel = x[n, c, row, column]
                    total += W[o, c, u, v] * pixel
        y[n, o, i, j] = total

    return conv2d_forward


@conv2d.backward_x.body("numba-cuda", device="cuda")
def backward_x(launch: Launcher, dy: Any, W: Any, x_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """One pixel a thread, which gathers from the windows that see it: nothing is added by two threads.

    中文：每个线程算一个像素，从含有它的各个窗口收集，因此不需要原子操作。
    """
    dx = launch.empty(x_shape, dy.dtype)
    launch.numba(_backward_x(numba.from_dtype(dy.dtype)), (blocks(dx.size, THREADS),), (THREADS,),
                 (dx, dy, W, *stride, *padding))
    return dx


@cache
def _backward_x(T):
    @cuda.jit
    def conv2d_backward_x(dx, dy, W, s, t, p, q):
        me = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
        if me >= dx.size:
            return
        column = me % dx.shape[3]
        row = me // dx.shape[3] % dx.shape[2]
        c = me // (dx.shape[3] * dx.shape[2]) % dx.shape[1]
        n = me // (dx.shape[3] * dx.shape[2] * dx.shape[1])

        total = T(0)
        for u in range(W.shape[2]):
            top = row + p - u  # where a window with this pixel at (u, v) begins, if there is one
            if top >= 0 and top % s == 0 and top // s < dy.shape[2]:
                for v in range(W.shape[3]):
                    left = column + q - v
                    if left >= 0 and left % t == 0 and left // t < dy.shape[3]:
                        for o in range(dy.shape[1]):
                            total += W[o, c, u, v] * dy[n, o, top // s, left // t]
        dx[n, c, row, column] = total

    return conv2d_backward_x


@conv2d.backward_W.body("numba-cuda", device="cuda")
def backward_W(launch: Launcher, dy: Any, x: Any, W_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """One weight a warp: its threads share the places of all images, and add up what they found.

    中文：每个线程束算一个权重：32 个线程分担所有图像的所有位置，再合并各自的和。
    """
    dW = launch.empty(W_shape, dy.dtype)
    launch.numba(_backward_W(numba.from_dtype(dy.dtype)), (blocks(dW.size, WARPS),), (32, WARPS),
                 (dW, dy, x, *stride, *padding))
    return dW


@cache
def _backward_W(T):
    warp_sum = over(T).warp_sum

    @cuda.jit
    def conv2d_backward_W(dW, dy, x, s, t, p, q):
        weight = cuda.blockIdx.x * WARPS + cuda.threadIdx.y
        if weight >= dW.size:
            return  # the whole warp
        v = weight % dW.shape[3]
        u = weight // dW.shape[3] % dW.shape[2]
        c = weight // (dW.shape[3] * dW.shape[2]) % dW.shape[1]
        o = weight // (dW.shape[3] * dW.shape[2] * dW.shape[1])

        total = T(0)
        for n in range(dy.shape[0]):
            for place in range(cuda.threadIdx.x, dy.shape[2] * dy.shape[3], 32):
                i = place // dy.shape[3]
                j = place % dy.shape[3]
                row = s * i + u - p
                column = t * j + v - q
                pixel = T(0)
                if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                    pixel = x[n, c, row, column]
                total += dy[n, o, i, j] * pixel
        total = warp_sum(total)
        if cuda.threadIdx.x == 0:
            dW[o, c, u, v] = total

    return conv2d_backward_W


@conv2d.backward_b.body("numba-cuda", device="cuda")
def backward_b(launch: Launcher, dy: Any) -> Any:
    """One launch, a block a channel: neighbouring threads read neighbouring numbers.

    中文：只启动一次，每个线程块算一个通道：相邻线程读相邻的数。
    """
    db = launch.empty((dy.shape[1],), dy.dtype)
    pixels = dy.reshape(*dy.shape[:2], dy.shape[2] * dy.shape[3])
    launch.numba(_backward_b(numba.from_dtype(dy.dtype)), (dy.shape[1],), (THREADS,), (db, pixels))
    return db


@cache
def _backward_b(T):
    block_sum = over(T).block_sum

    @cuda.jit
    def conv2d_backward_b(db, dy):
        room = cuda.shared.array(32, T)
        o = cuda.blockIdx.x
        total = T(0)
        for n in range(dy.shape[0]):
            for place in range(cuda.threadIdx.x, dy.shape[2], THREADS):
                total += dy[n, o, place]
        total = block_sum(total, room)
        if cuda.threadIdx.x == 0:
            db[o] = total

    return conv2d_backward_b
