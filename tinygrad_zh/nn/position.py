"""Positions: attention alone does not see the order of its rows."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.dtype import get_default_dtype
from tinygrad_zh.device import device_of, move, on_cuda
from tinygrad_zh.nn.init import Initializer, small_normal
from tinygrad_zh.nn.layers import check_lengths, initial
from tinygrad_zh.nn.module import Module

Array = np.ndarray[Any, Any]


def sinusoidal(length: int, width: int) -> Array:
    """P[i, 2k] = sin(i / 10000^(2k/width)), P[i, 2k + 1] = cos(i / 10000^(2k/width)). 中文：正弦位置编码。

    (length, width) in float64. Every pair (2k, 2k + 1) is a clock hand of its own speed, so that P[i + s] is P[i]
    turned by an angle that depends on s alone. Vaswani et al. 2017, §3.5.

    >>> sinusoidal(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]])
    """
    check_lengths("sinusoidal", length=length, width=width)
    return _sinusoidal(length, width)


@lru_cache(maxsize=32)
def _sinusoidal(length: int, width: int) -> Array:
    column = np.arange(width)
    angle = np.arange(length)[:, None] / 10000 ** (column // 2 * 2 / width)
    P = np.where(column % 2, np.cos(angle), np.sin(angle))
    P.setflags(write=False)
    return P


@lru_cache(maxsize=32)
def _placed(length: int, width: int, dtype: np.dtype[Any], device: str) -> Any:
    return move(sinusoidal(length, width).astype(dtype), device)


class SinusoidalPosition(Module):
    """Y = X + P, P fixed sines and cosines (`sinusoidal`). X (…, n, width), any n. 中文：正弦位置编码层。"""

    def __init__(self, width: int) -> None:
        check_lengths("SinusoidalPosition", width=width)
        self.width = width

    def forward(self, x: Any) -> Any:
        dtype = getattr(x, "dtype", None)
        dtype = dtype if dtype and dtype.kind == "f" else get_default_dtype()
        rows = _rows("SinusoidalPosition", x, self.width)
        home = x.array if isinstance(x, Tensor) else x
        P = _placed(rows, self.width, dtype, device_of(home) if on_cuda(home) else "cpu")
        h = x + P
        return h

    def describe(self) -> str:
        return str(self.width)


class LearnedPosition(Module):
    """Y = X + P[0 … n − 1], P (length, width) learned. X (…, n, width), n ≤ length. 中文：可学习的位置编码层。

    Raises ValueError for more rows than positions. Gehring et al. 2017; Devlin et al. 2019.
    """

    def __init__(self, length: int, width: int, init: Initializer = small_normal) -> None:
        check_lengths("LearnedPosition", length=length, width=width)
        self.P = initial("LearnedPosition", "P", init, (length, width))

    def forward(self, x: Any) -> Tensor:
        length, width = self.P.shape
        n = _rows("LearnedPosition", x, width)
        if n > length:
            raise ValueError(f"LearnedPosition knows {length} positions, not {n}; cut the input, or make it longer")
        h = x + self.P[:n]
        return h

    def describe(self) -> str:
        return f"{self.P.shape[0]} × {self.P.shape[1]}"


def _rows(layer: str, x: Any, width: int) -> int:
    shape = np.shape(x)
    if len(shape) < 2 or shape[-1] != width:
        raise ValueError(f"{layer} takes (…, length, {width}), not {shape}")
    return int(shape[-2])
