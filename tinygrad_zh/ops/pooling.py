"""Pooling: one number from each window of an image, every channel by itself.

s is the stride and p the padding, as in convolution.py. Around the image are zeros for the average, and −∞ for the
maximum, which therefore never takes them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.ops.convolution import Pair, Unwindows, Windows, check_fit, image_size, pair


class MaxPool2d(Op):
    """y[n,c,i,j] = max_{u,v} x[n, c, s·i + u − p, s·j + v − p]
    ∂L/∂x = Σ ∂L/∂y, over the windows of which it is the largest, the first where several are equal
    中文：最大池化（并列时取第一个）

    k says which one of its window was taken, counted row by row.
    """

    aux = ("k",)

    def forward(x, *, kernel, stride, padding):
        windows = Windows(x, kernel=kernel, stride=stride, padding=padding, outside=-np.inf)
        n, c, u, v, i, j = windows.shape
        rows = windows.reshape(n, c, u * v, i, j)
        return rows.max(axis=2), rows.argmax(axis=2).astype(np.int32)

    def backward(dy, x_shape, k, *, kernel, stride, padding):
        n, c, h, w = x_shape
        u, v = kernel
        n, c, i, j = dy.shape
        taken = k[:, :, None] == np.arange(u * v, like=k)[:, None, None]
        dwindows = np.where(taken, dy[:, :, None], 0).reshape(n, c, u, v, i, j)
        return Unwindows(dwindows, shape=(h, w), stride=stride, padding=padding)


class AvgPool2d(Op):
    """y[n,c,i,j] = Σ_{u,v} x[n, c, s·i + u − p, s·j + v − p] / |K|, |K| the pixels of a window
    ∂L/∂x = Σ ∂L/∂y / |K|, over the windows that see it
    中文：平均池化
    """

    def forward(x, *, kernel, stride, padding):
        return Windows(x, kernel=kernel, stride=stride, padding=padding).mean(axis=(2, 3))

    def backward(dy, x_shape, *, kernel, stride, padding):
        n, c, h, w = x_shape
        u, v = kernel
        n, c, i, j = dy.shape
        dwindows = np.broadcast_to((dy / (u * v))[:, :, None, None], (n, c, u, v, i, j))
        return Unwindows(dwindows, shape=(h, w), stride=stride, padding=padding)


# ---- what users call


def max_pool2d(x: Any, kernel: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """y[n,c,i,j] = max_{u,v} x[n, c, s·i + u − p, s·j + v − p]. 中文：最大池化。

    x (n, c, h, w) → (n, c, ⌊(h + 2p − u) / s⌋ + 1, ⌊(w + 2p − v) / s⌋ + 1) for windows of u × v. The stride s is the
    kernel unless given: windows side by side. kernel, stride, padding: a whole number, or one for the rows and one for
    the columns. Equal maxima: the first receives the gradient. nan if any x of a window is nan. Raises ValueError for
    a window that does not fit, or that might see nothing but padding.

    >>> import tinygrad_zh as tz
    >>> max_pool2d(tz.tensor([[[[1.0, 2.0, 0.0, 1.0], [3.0, 0.0, 0.0, 5.0]]]]), 2).tolist()
    [[[[3.0, 5.0]]]]
    """
    return MaxPool2d(x, **_plan("max_pool2d", x, kernel, stride, padding))


def avg_pool2d(x: Any, kernel: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> Tensor:
    """y[n,c,i,j] = mean_{u,v} x[n, c, s·i + u − p, s·j + v − p]. 中文：平均池化。

    Shapes, arguments and errors as in max_pool2d. The zeros of the padding count.
    """
    return AvgPool2d(x, **_plan("avg_pool2d", x, kernel, stride, padding))


def _plan(name: str, x: Any, kernel: Any, stride: Any, padding: Any) -> dict[str, Pair]:
    """The literals of a pooling. Raises ValueError where its windows do not fit."""
    size, kernel, padding = image_size(name, x), pair(name, "kernel", kernel, 1), pair(name, "padding", padding, 0)
    stride = kernel if stride is None else pair(name, "stride", stride, 1)
    if any(p >= k for p, k in zip(padding, kernel, strict=True)):
        raise ValueError(f"{name}: with padding {padding} a window of {kernel[0]} × {kernel[1]} may see nothing of the "
                         "image; the padding is less than the kernel")
    check_fit(name, size, kernel, padding)
    return {"kernel": kernel, "stride": stride, "padding": padding}
