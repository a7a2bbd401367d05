"""Convolution on the CPU, by Numba: the formula's loops, a matrix product for each image, and 3 × 3 without either."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, conv2d
from tinygrad_zh_kernels.blas import gemm, one_thread
from tinygrad_zh_kernels.conv2d import direct, out_size
from tinygrad_zh_kernels.sums import add_up, parts_of
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

Pair = tuple[int, int]

MANY = 1024
"""Pairs of channels from which on the matrix product is faster than the direct way."""

FEW = 1 << 22
"""Multiplications below which a second thread costs more than it helps."""


# ---- a first attempt


@conv2d.forward.body("numba-1-loops", device="cpu")
def loops(x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """The seven loops of the formula, compiled: no columns, but every pixel is asked whether it is in the image.

    中文：照公式写出七层循环再编译：不展开窗口，但每个像素都要判断是否在图像内。
    """
    y = np.empty((len(x), len(W), *out_size(x.shape[2:], W.shape[2:], stride, padding)), x.dtype)
    _loops(y, x, W, b, *stride, *padding)
    return y


@kernel
def _loops(y, x, W, b, s, t, p, q):
    for n, o, i, j in np.ndindex(y.shape):
        total = b[o]
        for c in range(x.shape[1]):
            for u in range(W.shape[2]):
                for v in range(W.shape[3]):
                    row, column = s * i + u - p, t * j + v - q
                    if 0 <= row < x.shape[2] and 0 <= column < x.shape[3]:
                        total += W[o, c, u, v] * x[n, c, row, column]
        y[n, o, i, j] = total


# ---- a matrix product for each image


@conv2d.forward.body("numba-2-columns", device="cpu")
def columns_forward(x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """The windows of one image as columns, which stay in the cache, times the weights by BLAS; images go to threads.

    中文：每次把一张图像的窗口排成列（留在缓存里），再由 BLAS 与权重相乘；各张图像分给多个线程。
    """
    y = buffers.empty((len(x), len(W), *out_size(x.shape[2:], W.shape[2:], stride, padding)), x.dtype)
    with one_thread():
        _run(_forward, _forward_shared, y.size * W[0].size, len(x), y, x, W.reshape(len(W), W[0].size), b, W.shape[2:],
             stride, padding)
    return y


@conv2d.backward_x.body("numba-2-columns", device="cpu")
def columns_backward_x(dy: Any, W: Any, x_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """One product gives the gradient of all windows of an image; they are added up in the cache.

    中文：一次矩阵乘法求出一张图像所有窗口的梯度，再在缓存里累加。
    """
    dx = buffers.empty(x_shape, dy.dtype)
    with one_thread():
        _run(_backward_x, _backward_x_shared, dy.size * W[0].size, len(dy), dx, dy, W.reshape(len(W), W[0].size),
             W.shape[2:], stride, padding)
    return dx


@conv2d.backward_W.body("numba-2-columns", device="cpu")
def columns_backward_W(dy: Any, x: Any, W_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """The columns are built again and not kept from forward; the products of all images add up in dW by themselves.

    中文：窗口重新展开，不从前向保留；各张图像的乘积由矩阵乘法直接累加到 dW。
    """
    o, c, u, v = W_shape
    with one_thread():
        return _added_up(_backward_W, _backward_W_shared, (o, c * u * v), dy, x, (u, v), stride,
                         padding).reshape(W_shape)


# ---- what is used


@conv2d.forward.body("numba", device="cpu")
def forward(x: Any, W: Any, b: Any, *, stride: Pair, padding: Pair) -> Any:
    """3 × 3 at every pixel, of few channels: no columns; two output channels at a time, nine products for each number.

    中文：3 × 3、步长 1 且通道较少时不展开窗口：每次算两个输出通道，每读一个数做九次乘法。
    """
    if not _directly(W.shape, stride):
        return columns_forward(x, W, b, stride=stride, padding=padding)
    y = buffers.empty((len(x), len(W), *out_size(x.shape[2:], (3, 3), stride, padding)), x.dtype)
    _run(direct.forward, direct.forward_shared, y.size * W[0].size, len(x), y, x, W.reshape(*W.shape[:2], 9), b,
         padding)
    return y


@conv2d.backward_x.body("numba", device="cpu")
def backward_x(dy: Any, W: Any, x_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """3 × 3 at every pixel, of few channels: forward once more, with the kernels turned around.

    中文：3 × 3、步长 1 且通道较少时，就是把卷积核旋转 180° 后再做一次前向卷积。
    """
    if not _directly(W.shape, stride) or max(padding) > 2:
        return columns_backward_x(dy, W, x_shape, stride=stride, padding=padding)
    dx = buffers.empty(x_shape, dy.dtype)
    with one_thread():
        _run(_turned_backward_x, _turned_backward_x_shared, dy.size * W[0].size, len(dy), dx, dy, W, padding)
    return dx


@conv2d.backward_W.body("numba", device="cpu")
def backward_W(dy: Any, x: Any, W_shape: tuple[int, ...], *, stride: Pair, padding: Pair) -> Any:
    """3 × 3 at every pixel, of few channels: the nine sums of one kernel at a time.

    中文：3 × 3、步长 1 且通道较少时，每次同时求一个卷积核的九个和。
    """
    if not _directly(W_shape, stride):
        return columns_backward_W(dy, x, W_shape, stride=stride, padding=padding)
    return _added_up(direct.backward_W, direct.backward_W_shared, (*W_shape[:2], 9), dy, x, padding).reshape(W_shape)


@conv2d.backward_b.body("numba", device="cpu")
def backward_b(dy: Any) -> Any:
    """Vector sums along the image, channel after channel.

    中文：沿图像用向量指令求和，逐个通道进行。
    """
    db = np.empty(dy.shape[1], dy.dtype)
    _backward_b(db, dy.reshape(*dy.shape[:2], dy.shape[2] * dy.shape[3]))
    return db


def _directly(W_shape: tuple[int, ...], stride: Pair) -> bool:
    return W_shape[2:] == (3, 3) and stride == (1, 1) and W_shape[0] * W_shape[1] <= MANY


def _added_up(serial: Any, shared: Any, shape: tuple[int, ...], dy: Any, x: Any, *arguments: Any) -> Any:
    """A sum over the images: of each part of them, then of the parts."""
    work = dy.size * math.prod(shape[1:])
    parts = parts_of(work, FEW)
    total, sums = np.empty(shape, dy.dtype), np.empty((parts, *shape), dy.dtype)
    _run(serial, shared, work, parts, sums, dy, x, *arguments)
    add_up(total.reshape(total.size), sums.reshape(parts, total.size))
    return total


def _run(serial: Any, shared: Any, work: int, count: int, *arguments: Any) -> None:
    """So many images, or parts of them, by this thread or by all threads."""
    threads = threads_for(work, FEW)
    if threads == 1:
        serial(*arguments, 0, count)
    else:
        shared(*arguments, count, threads)


# ---- what Numba compiles: images from first to last


@kernel(parallel=True)
def _forward_shared(y, x, W, b, window, stride, padding, images, threads):
    for t in prange(threads):
        _forward(y, x, W, b, window, stride, padding, images * t // threads, images * (t + 1) // threads)


@kernel
def _forward(y, x, W, b, window, stride, padding, first, last):
    use_widest_vectors()
    o, i, j = y.shape[1:]
    frame = _frame(x.shape, padding, x.dtype)
    columns = np.empty((W.shape[1], i * j), x.dtype)
    for n in range(first, last):
        _frame_image(x[n], frame, padding)
        _columns(frame, columns, window, stride, i, j)
        yn = y[n].reshape(o, i * j)
        for k in range(o):
            for m in range(i * j):
                yn[k, m] = b[k]
        gemm(1.0, W, columns, 1.0, yn)


@kernel(parallel=True)
def _backward_x_shared(dx, dy, W, window, stride, padding, images, threads):
    for t in prange(threads):
        _backward_x(dx, dy, W, window, stride, padding, images * t // threads, images * (t + 1) // threads)


@kernel
def _backward_x(dx, dy, W, window, stride, padding, first, last):
    use_widest_vectors()
    o, i, j = dy.shape[1:]
    h, w = dx.shape[2:]
    p, q = padding
    frame = _frame(dx.shape, padding, dx.dtype)
    columns = np.empty((W.shape[1], i * j), dx.dtype)
    for n in range(first, last):
        gemm(1.0, W.T, dy[n].reshape(o, i * j), 0.0, columns)
        frame[:] = 0
        _add_columns(frame, columns, window, stride, i, j)
        dx[n] = frame[:, p : p + h, q : q + w]


@kernel(parallel=True)
def _turned_backward_x_shared(dx, dy, W, padding, images, threads):
    for t in prange(threads):
        _turned_backward_x(dx, dy, W, padding, images * t // threads, images * (t + 1) // threads)


@kernel
def _turned_backward_x(dx, dy, W, padding, first, last):
    outputs, inputs = W.shape[:2]
    weights = W.reshape(outputs, inputs, 9)
    if not direct.finite(W.reshape(W.size)):  # it would meet the zeros around dy, which are no windows
        _backward_x(dx, dy, W.reshape(outputs, inputs * 9), (3, 3), (1, 1), padding, first, last)
        return
    turned = np.empty((inputs, outputs, 9), W.dtype)
    for o in range(outputs):
        for c in range(inputs):
            turned[c, o] = weights[o, c, ::-1]
    direct.forward(dx, dy, turned, np.zeros(inputs, W.dtype), (2 - padding[0], 2 - padding[1]), first, last)


@kernel(parallel=True)
def _backward_W_shared(dW, dy, x, window, stride, padding, parts, threads):
    for t in prange(threads):
        _backward_W(dW, dy, x, window, stride, padding, parts * t // threads, parts * (t + 1) // threads)


@kernel
def _backward_W(dW, dy, x, window, stride, padding, first, last):
    use_widest_vectors()
    o, i, j = dy.shape[1:]
    frame = _frame(x.shape, padding, x.dtype)
    columns = np.empty((dW.shape[2], i * j), x.dtype)
    for part in range(first, last):
        dW[part] = 0
        for n in range(len(x) * part // len(dW), len(x) * (part + 1) // len(dW)):
            _frame_image(x[n], frame, padding)
            _columns(frame, columns, window, stride, i, j)
            gemm(1.0, dy[n].reshape(o, i * j), columns.T, 1.0, dW[part])


@kernel
def _backward_b(db, dy):
    use_widest_vectors()
    db[:] = 0
    for n in range(dy.shape[0]):
        for o in range(dy.shape[1]):
            row = dy[n, o]
            total = db[o]
            for m in range(row.size):
                total += row[m]
            db[o] = total


@kernel
def _frame(shape, padding, dtype):
    """Room for one image with zeros around it."""
    return np.zeros((shape[1], shape[2] + 2 * padding[0], shape[3] + 2 * padding[1]), dtype)


@kernel
def _frame_image(x, frame, padding):
    p, q = padding
    frame[:, p : p + x.shape[1], q : q + x.shape[2]] = x


@kernel
def _columns(frame, columns, window, stride, i, j):
    """columns[(c, u, v), (i, j)] = frame[c, s·i + u, t·j + v]."""
    use_widest_vectors()
    (U, V), (s, t) = window, stride
    for c in range(frame.shape[0]):
        for u in range(U):
            for v in range(V):
                column = columns[(c * U + u) * V + v]
                for k in range(i):
                    row, part = frame[c, s * k + u, v:], column[k * j : (k + 1) * j]
                    if t == 1:  # known to lie side by side, they are copied in vectors
                        for m in range(j):
                            part[m] = row[m]
                    else:
                        for m in range(j):
                            part[m] = row[t * m]


@kernel
def _add_columns(frame, columns, window, stride, i, j):
    """frame[c, s·i + u, t·j + v] += columns[(c, u, v), (i, j)]."""
    use_widest_vectors()
    (U, V), (s, t) = window, stride
    for c in range(frame.shape[0]):
        for u in range(U):
            for v in range(V):
                column = columns[(c * U + u) * V + v]
                for k in range(i):
                    row, part = frame[c, s * k + u, v:], column[k * j : (k + 1) * j]
                    if t == 1:  # known to lie side by side, they are added in vectors
                        for m in range(j):
                            row[m] += part[m]
                    else:
                        for m in range(j):
                            row[t * m] += part[m]
