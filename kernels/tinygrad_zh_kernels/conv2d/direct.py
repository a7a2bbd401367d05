"""3 × 3 kernels at every pixel, without columns: nine products for each number that is read. 3 × 3 卷积的直接算法

Nearly all convolutions have this size and stride 1. Images with their frames of zeros lie in memory row after row, some
of them in one plane, so the neighbour below stands one row's length further on, and a whole plane is one long loop: at
the end of each row and of each image it computes windows that reach into the next one, which nobody reads.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

TOGETHER = 2048
"""Pixels of a plane: enough for one long loop, few enough that the planes of several channels stay in the cache."""


@kernel(parallel=True)
def forward_shared(y, x, W, b, padding, images, threads):
    for t in prange(threads):
        forward(y, x, W, b, padding, images * t // threads, images * (t + 1) // threads)


@kernel
def forward(y, x, W, b, padding, first, last):
    """Two output channels at a time: what is read of x serves both. W (o, c, 9)."""
    use_widest_vectors()
    outputs, rows, columns = y.shape[1:]
    pitch = columns + 2
    image = (rows + 2) * pitch
    together = max(1, TOGETHER // image)
    planes = _planes(x.shape[1], together * image, x.dtype)
    sums = np.empty((2, together * image), x.dtype)
    for start in range(first, last, together):
        count = min(together, last - start)
        _frame(x[start : start + count], planes, padding, image, pitch)
        windows = count * image - 2 * pitch
        for o in range(0, outputs, 2):
            other = min(o + 1, outputs - 1)
            a, z = sums[0, :windows], sums[1, :windows]
            a[:] = b[o]
            z[:] = b[other]
            for c in range(x.shape[1]):
                _taps(planes[c], W[o, c], W[other, c], a, z, pitch)
            for n in range(count):
                _unframe(y[start + n, o], a[n * image :], pitch)
                _unframe(y[start + n, other], z[n * image :], pitch)


@kernel
def _taps(x, w, v, a, z, pitch):
    """a += w ∗ x, z += v ∗ x. A window's nine numbers are nine shifted views of the plane."""
    use_widest_vectors()
    n = a.size
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7], w[8]
    v0, v1, v2, v3, v4, v5, v6, v7, v8 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8]
    top, middle, bottom = x[: n + 2], x[pitch : pitch + n + 2], x[2 * pitch : 2 * pitch + n + 2]
    for m in range(n):
        x0, x1, x2 = top[m], top[m + 1], top[m + 2]
        x3, x4, x5 = middle[m], middle[m + 1], middle[m + 2]
        x6, x7, x8 = bottom[m], bottom[m + 1], bottom[m + 2]
        a[m] += w0 * x0 + w1 * x1 + w2 * x2 + w3 * x3 + w4 * x4 + w5 * x5 + w6 * x6 + w7 * x7 + w8 * x8
        z[m] += v0 * x0 + v1 * x1 + v2 * x2 + v3 * x3 + v4 * x4 + v5 * x5 + v6 * x6 + v7 * x7 + v8 * x8


@kernel(parallel=True)
def backward_W_shared(dW, dy, x, padding, parts, threads):
    for t in prange(threads):
        backward_W(dW, dy, x, padding, parts * t // threads, parts * (t + 1) // threads)


@kernel
def backward_W(dW, dy, x, padding, first, last):
    """dW (parts, o, c, 9), each of its part of the images."""
    for part in range(first, last):
        dW[part] = 0
        _backward_W(dW[part], dy, x, padding, len(x) * part // len(dW), len(x) * (part + 1) // len(dW))


@kernel
def _backward_W(dW, dy, x, padding, first, last):
    """Nine sums at a time. dW (o, c, 9)."""
    use_widest_vectors()
    outputs, rows, columns = dy.shape[1:]
    pitch = columns + 2
    image = (rows + 2) * pitch
    together = max(1, TOGETHER // image)
    planes = _planes(x.shape[1], together * image, x.dtype)
    wide = np.zeros((1, together * image), dy.dtype)  # zeros where there is no window, so those add nothing
    for start in range(first, last, together):
        count = min(together, last - start)
        _frame(x[start : start + count], planes, padding, image, pitch)
        if not finite(planes.reshape(planes.size)):
            _one_by_one(dW, dy[start : start + count], planes, image, pitch)
            continue
        for o in range(outputs):
            _frame(dy[start : start + count, o : o + 1], wide, (0, 0), image, pitch)
            for c in range(x.shape[1]):
                _sums(wide[0, : count * image - 2 * pitch], planes[c], dW[o, c], pitch)


@kernel
def _sums(d, x, dw, pitch):
    use_widest_vectors()
    n = d.size
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = d.dtype.type(0)
    top, middle, bottom = x[: n + 2], x[pitch : pitch + n + 2], x[2 * pitch : 2 * pitch + n + 2]
    for m in range(n):
        e = d[m]
        s0 += e * top[m]
        s1 += e * top[m + 1]
        s2 += e * top[m + 2]
        s3 += e * middle[m]
        s4 += e * middle[m + 1]
        s5 += e * middle[m + 2]
        s6 += e * bottom[m]
        s7 += e * bottom[m + 1]
        s8 += e * bottom[m + 2]
    for k, s in enumerate((s0, s1, s2, s3, s4, s5, s6, s7, s8)):
        dw[k] += s


@kernel
def finite(flat):
    """0 · ∞ and 0 · nan are nan: times such a number a zero that stands for no window would not be nothing."""
    use_widest_vectors()
    spoiled = flat.dtype.type(0)
    for m in range(flat.size):
        spoiled += flat[m] * flat.dtype.type(0)
    return spoiled == 0


@kernel
def _one_by_one(dW, dy, planes, image, pitch):
    """The same sums, over true windows only."""
    for n, o, i, j in np.ndindex(dy.shape):
        for c in range(dW.shape[1]):
            for k in range(9):
                dW[o, c, k] += dy[n, o, i, j] * planes[c, n * image + (i + k // 3) * pitch + j + k % 3]


@kernel
def _planes(channels, pixels, dtype):
    """A row for each channel; two more pixels, for the last window that nobody reads."""
    return np.zeros((channels, pixels + 2), dtype)


@kernel
def _frame(x, planes, padding, image, pitch):
    """Images (n, c, h, w) into their planes; the zeros around them are there already."""
    p, q = padding
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(x.shape[2]):
                row = planes[c, n * image + (i + p) * pitch + q :]
                for j in range(x.shape[3]):
                    row[j] = x[n, c, i, j]


@kernel
def _unframe(y, windows, pitch):
    """The windows of one image that are read, (i, j)."""
    for i in range(y.shape[0]):
        row = windows[i * pitch : i * pitch + y.shape[1]]
        for j in range(y.shape[1]):
            y[i, j] = row[j]
