"""Pooling on the CPU, by Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, pooling
from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import kernel, select, use_widest_vectors

Pair = tuple[int, int]

FEW = 1 << 18
"""Pixels below which a second thread costs more than it helps."""

WIDE = 16
"""Windows in a row from which on they fill a vector."""


@pooling.max_forward.body("numba", device="cpu")
def max_forward(x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """2 × 2 windows by pairs of rows, then of columns; others one pixel of each at a time in wide rows, else in turn.

    中文：2 × 2 的窗口先比较两行，再比较两列；其他窗口在较宽的行里同时各取一个像素，否则逐个计算。
    """
    y = _like_windows(x, kernel, stride, padding)
    k = buffers.empty(y.shape, np.int32)
    _run(_max_forward, _max_forward_shared, x.size, _planes(y), _planes(k), _planes(x), kernel, stride, padding)
    return y, k


@pooling.max_backward.body("numba", device="cpu")
def max_backward(dy: Any, x_shape: tuple[int, ...], k: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """Every window adds to the one pixel that it took; a channel belongs to one thread.

    中文：每个窗口把梯度加到它取的那个像素上；一个通道只归一个线程。
    """
    dx = buffers.empty(x_shape, dy.dtype)
    _run(_max_backward, _max_backward_shared, dx.size, _planes(dx), _planes(dy), _planes(k), kernel, stride, padding)
    return dx


@pooling.avg_forward.body("numba", device="cpu")
def avg_forward(x: Any, *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """The sums of a row of windows grow by one of their pixels at a time.

    中文：一行窗口的和同时累加，每次加上窗口中的一个像素。
    """
    y = _like_windows(x, kernel, stride, padding)
    _run(_avg_forward, _avg_forward_shared, x.size, _planes(y), _planes(x), kernel, stride, padding)
    return y


@pooling.avg_backward.body("numba", device="cpu")
def avg_backward(dy: Any, x_shape: tuple[int, ...], *, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """A row of windows adds its shares to one of their pixels at a time.

    中文：一行窗口同时把各自的一份加到窗口中的一个像素上。
    """
    dx = buffers.empty(x_shape, dy.dtype)
    _run(_avg_backward, _avg_backward_shared, dx.size, _planes(dx), _planes(dy), kernel, stride, padding)
    return dx


def _like_windows(x: Any, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    return buffers.empty((*x.shape[:2], *out_size(x.shape[2:], kernel, stride, padding)), x.dtype)


def _planes(x: Any) -> Any:
    """Images and channels as one axis: a window belongs to one channel."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _run(serial: Any, shared: Any, work: int, *arguments: Any) -> None:
    """All planes by this thread, or by all threads."""
    planes, threads = len(arguments[0]), threads_for(work, FEW)
    if threads == 1:
        serial(*arguments, 0, planes)
    else:
        shared(*arguments, planes, threads)


# ---- what Numba compiles: planes from first to last


@kernel(parallel=True)
def _max_forward_shared(y, k, x, window, stride, padding, planes, threads):
    for t in prange(threads):
        _max_forward(y, k, x, window, stride, padding, planes * t // threads, planes * (t + 1) // threads)


@kernel
def _max_forward(y, k, x, window, stride, padding, first, last):
    if _are_quarters(y, x, window, stride, padding):
        _max_of_quarters(y, k, x, first, last)
    elif y.shape[2] < WIDE:
        _max_of_each(y, k, x, window, stride, padding, first, last)
    else:
        _max_of_rows(y, k, x, window, stride, padding, first, last)


@kernel
def _are_quarters(y, x, window, stride, padding):
    """Whether windows of 2 × 2 lie side by side and cover all of the image."""
    (U, V), (s, t), (p, q) = window, stride, padding
    return (U == V == s == t == 2) and (p == q == 0) and x.shape[1] == 2 * y.shape[1] and x.shape[2] == 2 * y.shape[2]


@kernel
def _max_of_quarters(y, k, x, first, last):
    """The larger of two rows, pixel by pixel; then of two neighbours in that, with a whole channel as one long row."""
    use_widest_vectors()
    rows, columns = y.shape[1], x.shape[2]
    larger, which = np.empty((rows, columns), x.dtype), np.empty((rows, columns), np.int32)
    pairs, lower = larger.reshape(-1), which.reshape(-1)
    above, below = np.int32(0), np.int32(2)
    for plane in range(first, last):
        for i in range(rows):
            upper, under, top, row = x[plane, 2 * i], x[plane, 2 * i + 1], larger[i], which[i]
            for j in range(top.size):
                down = _replaces(under[j], upper[j])
                top[j] = select(down, under[j], upper[j])
                row[j] = select(down, below, above)
        largest, taken = y[plane].reshape(-1), k[plane].reshape(-1)
        for m in range(largest.size):
            left, right = pairs[2 * m], pairs[2 * m + 1]
            first_row, other_row = lower[2 * m], lower[2 * m + 1]
            # Of equal ones the first row's is taken, and the left one of a row.
            over = _replaces(right, left) | ((not _replaces(left, right)) & (other_row < first_row))
            largest[m] = select(over, right, left)
            taken[m] = select(over, np.int32(other_row + 1), first_row)


@kernel
def _max_of_each(y, k, x, window, stride, padding, first, last):
    """A window after the other. No branch asks which pixel is larger: nobody can guess it."""
    (U, V), (s, t), (p, q) = window, stride, padding
    h, w = x.shape[1:]
    for plane in range(first, last):
        pixels = x[plane].reshape(h * w)
        for i in range(y.shape[1]):
            above, below = max(0, p - s * i), min(U, h + p - s * i)
            for j in range(y.shape[2]):
                left, right = max(0, q - t * j), min(V, w + q - t * j)
                largest, taken = y.dtype.type(-np.inf), 0
                for u in range(above, below):
                    start, place = np.uint64((s * i + u - p) * w + t * j - q + left), u * V + left
                    for v in range(right - left):
                        pixel = pixels[start + np.uint64(v)]  # no number below 0 has to be looked for
                        larger = _replaces(pixel, largest)
                        largest, taken = select(larger, pixel, largest), select(larger, place + v, taken)
                y[plane, i, j] = largest
                k[plane, i, j] = taken


@kernel
def _max_of_rows(y, k, x, window, stride, padding, first, last):
    """All windows of a row take one of their pixels at a time, in vectors."""
    use_widest_vectors()
    (U, V), (s, t), (p, q) = window, stride, padding
    h, w = x.shape[1:]
    begins, ends = np.empty(V, np.int64), np.empty(V, np.int64)
    for v in range(V):
        begins[v], ends[v] = _inside(v - q, t, w, y.shape[2])
    for plane in range(first, last):
        for i in range(y.shape[1]):
            y[plane, i] = -np.inf
            k[plane, i] = 0
            for u in range(max(0, p - s * i), min(U, h + p - s * i)):
                for v in range(V):
                    pixels = x[plane, s * i + u - p, t * begins[v] + v - q :: t]
                    largest, taken = y[plane, i, begins[v] : ends[v]], k[plane, i, begins[v] : ends[v]]
                    place = np.int32(u * V + v)
                    for j in range(largest.size):
                        larger = _replaces(pixels[j], largest[j])
                        largest[j] = select(larger, pixels[j], largest[j])
                        taken[j] = select(larger, place, taken[j])


@kernel(forceinline=True)
def _replaces(pixel, largest):
    """Whether a pixel is the largest so far: the first nan is, and stays."""
    return (not pixel <= largest) & (largest == largest)


@kernel(parallel=True)
def _max_backward_shared(dx, dy, k, window, stride, padding, planes, threads):
    for t in prange(threads):
        _max_backward(dx, dy, k, window, stride, padding, planes * t // threads, planes * (t + 1) // threads)


@kernel
def _max_backward(dx, dy, k, window, stride, padding, first, last):
    if _are_quarters(dy, dx, window, stride, padding):
        _max_backward_of_quarters(dx, dy, k, first, last)
    else:
        _max_backward_of_each(dx, dy, k, window, stride, padding, first, last)


@kernel
def _max_backward_of_quarters(dx, dy, k, first, last):
    """Each pixel belongs to one window, so that it is written once."""
    use_widest_vectors()
    zero = dy.dtype.type(0)
    for plane in range(first, last):
        for i in range(dy.shape[1]):
            upstream, taken, upper, under = dy[plane, i], k[plane, i], dx[plane, 2 * i], dx[plane, 2 * i + 1]
            for j in range(upstream.size):
                upper[2 * j] = select(taken[j] == 0, upstream[j], zero)
                upper[2 * j + 1] = select(taken[j] == 1, upstream[j], zero)
                under[2 * j] = select(taken[j] == 2, upstream[j], zero)
                under[2 * j + 1] = select(taken[j] == 3, upstream[j], zero)


@kernel
def _max_backward_of_each(dx, dy, k, window, stride, padding, first, last):
    (U, V), (s, t), (p, q) = window, stride, padding
    below, beside = np.empty(U * V, np.int64), np.empty(U * V, np.int64)  # a division for each window takes longer
    for place in range(U * V):
        below[place], beside[place] = place // V - p, place % V - q
    for plane in range(first, last):
        dx[plane] = 0
        for i in range(dy.shape[1]):
            for j in range(dy.shape[2]):
                place = k[plane, i, j]
                row, column = s * i + below[place], t * j + beside[place]
                if 0 <= row < dx.shape[1] and 0 <= column < dx.shape[2]:
                    dx[plane, row, column] += dy[plane, i, j]


@kernel(parallel=True)
def _avg_forward_shared(y, x, window, stride, padding, planes, threads):
    for t in prange(threads):
        _avg_forward(y, x, window, stride, padding, planes * t // threads, planes * (t + 1) // threads)


@kernel
def _avg_forward(y, x, window, stride, padding, first, last):
    use_widest_vectors()
    (U, V), (s, t), (p, q) = window, stride, padding
    share = x.dtype.type(1) / x.dtype.type(U * V)
    for plane in range(first, last):
        for i in range(y.shape[1]):
            sums = y[plane, i]
            sums[:] = 0
            for u in range(max(0, p - s * i), min(U, x.shape[1] + p - s * i)):
                row = x[plane, s * i + u - p]
                for v in range(V):
                    begin, end = _inside(v - q, t, x.shape[2], sums.size)
                    pixels = row[t * begin + v - q :: t]
                    for j in range(end - begin):
                        sums[begin + j] += pixels[j]
            for j in range(sums.size):
                sums[j] *= share


@kernel(parallel=True)
def _avg_backward_shared(dx, dy, window, stride, padding, planes, threads):
    for t in prange(threads):
        _avg_backward(dx, dy, window, stride, padding, planes * t // threads, planes * (t + 1) // threads)


@kernel
def _avg_backward(dx, dy, window, stride, padding, first, last):
    use_widest_vectors()
    (U, V), (s, t), (p, q) = window, stride, padding
    share = dy.dtype.type(1) / dy.dtype.type(U * V)
    for plane in range(first, last):
        dx[plane] = 0
        for i in range(dy.shape[1]):
            upstream = dy[plane, i]
            for u in range(max(0, p - s * i), min(U, dx.shape[1] + p - s * i)):
                row = dx[plane, s * i + u - p]
                for v in range(V):
                    begin, end = _inside(v - q, t, dx.shape[2], upstream.size)
                    pixels = row[t * begin + v - q :: t]
                    for j in range(end - begin):
                        pixels[j] += share * upstream[begin + j]


@kernel
def _inside(offset, step, length, count):
    """From which j to which 0 ≤ step · j + offset < length, of j < count."""
    return max(0, -(offset // step)), min(count, -((offset - length) // step))
