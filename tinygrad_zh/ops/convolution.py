"""Convolution: the same few weights at every place of an image.

A window is what the kernel sees at one place. The windows side by side are the columns of a matrix (im2col), and the
convolution is one matrix product with it (Chellapilla, Puri, Simard 2006). Its adjoint puts every window back where it
was taken from (col2im): a pixel receives the sum over all windows that see it.

In the formulas s is the stride and p the padding, here for the rows and the columns of the image alike; outside of the
image x is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor

Pair = tuple[int, int]


def padded(x: Any, padding: Pair, outside: float) -> Any:
    """The images (n, c, h, w) with a frame of one value around each."""
    p, q = padding
    return np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=outside) if p or q else x


def places(kernel: Pair, stride: Pair, count: Pair) -> Iterator[tuple[Any, ...]]:
    """For each place (u, v) in the kernel, the pixels that stand there in some window: an index into images."""
    for u, v in np.ndindex(*kernel):
        yield ..., slice(u, u + count[0] * stride[0], stride[0]), slice(v, v + count[1] * stride[1], stride[1])


def im2col(x: Any, kernel: Pair, stride: Pair, padding: Pair, outside: float) -> Any:
    """(n, c, h, w) → (n, c, u, v, i, j): the windows of images, a copy."""
    x = padded(x, padding, outside)
    i, j = ((length - k) // s + 1 for length, k, s in zip(x.shape[2:], kernel, stride, strict=True))
    y = np.stack([x[pixels] for pixels in places(kernel, stride, (i, j))], axis=2)
    return y.reshape(*x.shape[:2], *kernel, i, j)


def col2im(x: Any, shape: Pair, stride: Pair, padding: Pair) -> Any:
    """(n, c, u, v, i, j) → (n, c, h, w): every window added to the image where it was taken from."""
    (h, w), (p, q), (n, c, *kernel, i, j) = shape, padding, x.shape
    y = np.zeros_like(x, shape=(n, c, h + 2 * p, w + 2 * q))
    for (u, v), pixels in zip(np.ndindex(*kernel), places(kernel, stride, (i, j)), strict=True):
        y[pixels] += x[:, :, u, v]
    return y[:, :, p : p + h, q : q + w]


class Windows(Op):
    """y[n,c,u,v,i,j] = x[n, c, s·i + u − p, s·j + v − p]
    ∂L/∂x = Σ ∂L/∂y, over the windows that see it
    中文：滑动窗口（im2col）

    Outside of the image x is `outside`. `im2col` stands above, in the op's file.
    """

    def forward(x, *, kernel, stride, padding, outside=0.0):
        return im2col(x, kernel, stride, padding, outside)

    def backward(dy, x_shape, *, stride, padding):
        return Unwindows(dy, shape=x_shape[2:], stride=stride, padding=padding)


class Unwindows(Op):
    """y = 0, y[n, c, s·i + u − p, s·j + v − p] += x[n,c,u,v,i,j]
    ∂L/∂x[n,c,u,v,i,j] = ∂L/∂y[n, c, s·i + u − p, s·j + v − p]
    中文：滑动窗口的伴随：放回原位并累加（col2im）

    What falls outside of the image is dropped. `col2im` stands above, in the op's file.
    """

    def forward(x, *, shape, stride, padding):
        return col2im(x, shape, stride, padding)

    def backward(dy, x_shape, *, stride, padding):
        return Windows(dy, kernel=x_shape[2:4], stride=stride, padding=padding)


class Conv2d(Op):
    """Y[n,o,i,j] = Σ_{c,u,v} W[o,c,u,v] X[n, c, s·i + u − p, s·j + v − p] + b[o]
    ∂L/∂X = Σ_o W[o,c,u,v] ∂L/∂Y[n,o,i,j], added at X[n, c, s·i + u − p, s·j + v − p]
    ∂L/∂W = Σ_{n,i,j} ∂L/∂Y[n,o,i,j] X[n, c, s·i + u − p, s·j + v − p]
    ∂L/∂b = Σ_{n,i,j} ∂L/∂Y[n,o,i,j]
    中文：二维卷积

    As in all of deep learning this is a cross-correlation: W is not turned around. Source: LeCun et al. 1989.
    """

    def forward(x, W, b, *, stride, padding):
        o, c, u, v = W.shape
        windows = Windows(x, kernel=(u, v), stride=stride, padding=padding)
        n, c, u, v, i, j = windows.shape
        product = W.reshape(o, c * u * v) @ windows.reshape(n, c * u * v, i * j)
        return product.reshape(n, o, i, j) + b[:, None, None]

    def backward_x(dy, W, x_shape, *, stride, padding):
        o, c, u, v = W.shape
        n, o, i, j = dy.shape
        n, c, h, w = x_shape
        dwindows = W.reshape(o, c * u * v).mT @ dy.reshape(n, o, i * j)
        return Unwindows(dwindows.reshape(n, c, u, v, i, j), shape=(h, w), stride=stride, padding=padding)

    def backward_W(dy, x, W_shape, *, stride, padding):
        o, c, u, v = W_shape
        n, o, i, j = dy.shape
        windows = Windows(x, kernel=(u, v), stride=stride, padding=padding)
        dW = dy.reshape(n, o, i * j) @ windows.reshape(n, c * u * v, i * j).mT
        return dW.sum(axis=0).reshape(o, c, u, v)

    def backward_b(dy):
        return dy.sum(axis=(0, 2, 3))


# ---- what users call


def conv2d(x: Any, W: Any, b: Any = None, stride: int | Pair = 1, padding: int | Pair = 0) -> Tensor:
    """Y[n,o,i,j] = Σ_{c,u,v} W[o,c,u,v] X[n, c, s·i + u − p, s·j + v − p] + b[o]. 中文：二维卷积。

    x (n, c, h, w), W (o, c, u, v), b (o,) or none → (n, o, ⌊(h + 2p − u) / s⌋ + 1, ⌊(w + 2p − v) / s⌋ + 1).
    stride s and padding p: a whole number, or one for the rows and one for the columns; the padding is of zeros.
    Raises ValueError for shapes that do not fit, TypeError for a stride or padding that is no whole number.

    >>> import tinygrad_zh as tz
    >>> edge = tz.tensor([[[[-1.0, 1.0]]]])  # answers where a row grows brighter
    >>> conv2d(tz.tensor([[[[0.0, 0.0, 5.0, 5.0]]]]), edge).tolist()
    [[[[0.0, 5.0, 0.0]]]]
    """
    size = image_size("conv2d", x)
    if len(np.shape(W)) != 4:
        raise ValueError(f"conv2d: the weights W are (out channels, in channels, height, width), not {np.shape(W)}")
    o, c, u, v = np.shape(W)
    if np.shape(x)[1] != c:
        raise ValueError(f"conv2d: x {np.shape(x)} has {np.shape(x)[1]} channels, W {(o, c, u, v)} is for {c}")
    if b is not None and np.shape(b) != (o,):
        raise ValueError(f"conv2d: the bias of {o} output channels is ({o},), not {np.shape(b)}")
    stride, padding = pair("conv2d", "stride", stride, 1), pair("conv2d", "padding", padding, 0)
    check_fit("conv2d", size, pair("conv2d", "kernel", (u, v), 1), padding)
    return Conv2d(x, W, np.zeros_like(W, shape=(o,)) if b is None else b, stride=stride, padding=padding)


def image_size(name: str, x: Any) -> Pair:
    """Height and width of a batch of images (n, channels, height, width). Raises ValueError for anything else."""
    shape = np.shape(x)
    if len(shape) != 4:
        fix = "; x[:, None] gives grey images their one channel" if len(shape) == 3 else ""
        raise ValueError(f"{name} takes images (n, channels, height, width), not {shape}{fix}")
    return shape[2], shape[3]


def check_fit(name: str, size: Pair, kernel: Pair, padding: Pair) -> None:
    """Raises ValueError for a kernel that is larger than the image with its padding."""
    if any(k > length + 2 * p for k, length, p in zip(kernel, size, padding, strict=True)):
        around = f" with padding {padding}" if any(padding) else ""
        raise ValueError(f"{name}: a kernel of {kernel[0]} × {kernel[1]} is larger than "
                         f"the image of {size[0]} × {size[1]}{around}")


def pair(name: str, what: str, value: Any, least: int) -> Pair:
    """One whole number for the rows and one for the columns, from one for both or a pair."""
    values = value if isinstance(value, tuple) else (value, value)
    if len(values) != 2 or any(isinstance(n, bool) or not isinstance(n, (int, np.integer)) for n in values):
        raise TypeError(f"{name}: {what} is a whole number or a pair of them, not {value!r}")
    if min(values) < least:
        raise ValueError(f"{name}: {what} is at least {least}, not {value!r}")
    return int(values[0]), int(values[1])
