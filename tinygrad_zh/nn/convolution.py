"""Layers for images (n, channels, height, width): convolution, and pooling over windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor
from tinygrad_zh.nn.init import Initializer, xavier_uniform, zeros
from tinygrad_zh.nn.layers import check_lengths, initial
from tinygrad_zh.nn.module import Module
from tinygrad_zh.ops.convolution import Pair, pair


class Conv2d(Module):
    """Y[n,o,i,j] = Σ_{c,u,v} W[o,c,u,v] X[n, c, s·i + u − p, s·j + v − p] + b[o]. 中文：二维卷积层。

    X (n, inputs, h, w), W (outputs, inputs, u, v) → Y (n, outputs, …), as F.conv2d. kernel, stride s and padding p: a
    whole number, or one for the rows and one for the columns. Raises ValueError for an input of another shape. LeCun
    et al. 1989.

    >>> import numpy as np, tinygrad_zh as tz
    >>> tz.nn.Conv2d(1, 8, kernel=3, padding=1)(np.zeros((5, 1, 28, 28), np.float32)).shape
    (5, 8, 28, 28)
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | Pair, stride: int | Pair = 1, padding: int | Pair = 0,
                 bias: bool = True, init: Initializer = xavier_uniform, bias_init: Initializer = zeros) -> None:
        check_lengths("Conv2d", inputs=inputs, outputs=outputs)
        self.W = initial("Conv2d", "W", init, (outputs, inputs, *pair("Conv2d", "kernel", kernel, 1)))
        self.b = initial("Conv2d", "b", bias_init, (outputs,)) if bias else None
        self.stride = pair("Conv2d", "stride", stride, 1)
        self.padding = pair("Conv2d", "padding", padding, 0)

    def forward(self, x: Any) -> Tensor:
        shape, channels = np.shape(x), self.W.shape[1]
        if len(shape) != 4 or shape[1] != channels:
            fix = "; x[:, None] gives grey images their one channel" if len(shape) == 3 and channels == 1 else ""
            raise ValueError(f"Conv2d({self.describe()}) takes (n, {channels}, height, width), not {shape}{fix}")
        return F.conv2d(x, self.W, self.b, self.stride, self.padding)

    def describe(self) -> str:
        o, c, u, v = self.W.shape
        stride = f", stride {_spelled(self.stride)}" if self.stride != (1, 1) else ""
        padding = f", padding {_spelled(self.padding)}" if self.padding != (0, 0) else ""
        return f"{c} → {o}, {u} × {v}{stride}{padding}"


class MaxPool2d(Module):
    """y[n,c,i,j] = max_{u,v} x[n, c, s·i + u − p, s·j + v − p]. 中文：最大池化层。

    X (n, c, h, w) → (n, c, …), as F.max_pool2d; the stride is the kernel unless given. MaxPool is for sequences.
    """

    def __init__(self, kernel: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        self.kernel = pair(type(self).__name__, "kernel", kernel, 1)
        self.stride = self.kernel if stride is None else pair(type(self).__name__, "stride", stride, 1)
        self.padding = pair(type(self).__name__, "padding", padding, 0)

    def forward(self, x: Any) -> Any:
        return F.max_pool2d(x, self.kernel, self.stride, self.padding)

    def describe(self) -> str:
        stride = f", stride {_spelled(self.stride)}" if self.stride != self.kernel else ""
        padding = f", padding {_spelled(self.padding)}" if self.padding != (0, 0) else ""
        return f"{self.kernel[0]} × {self.kernel[1]}{stride}{padding}"


class AvgPool2d(MaxPool2d):
    """y[n,c,i,j] = mean_{u,v} x[n, c, s·i + u − p, s·j + v − p]. 中文：平均池化层。

    X (n, c, h, w) → (n, c, …), as F.avg_pool2d; the stride is the kernel unless given. MeanPool is for sequences.
    """

    def forward(self, x: Any) -> Any:
        return F.avg_pool2d(x, self.kernel, self.stride, self.padding)


def _spelled(numbers: Pair) -> str:
    return str(numbers[0]) if numbers[0] == numbers[1] else f"{numbers[0]} × {numbers[1]}"
