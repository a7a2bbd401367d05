"""Pooling: the maximum, or the average, of each window of an image. 池化

    max_forward     y[n,c,i,j] = max_{u,v} x[n, c, s·i + u − p, s·j + v − p], and k, which one of its window was taken
    max_backward    dx[n,c,y,x] = Σ dy[n,c,i,j] over the windows that took this pixel
    avg_forward     y[n,c,i,j] = Σ_{u,v} x[n, c, s·i + u − p, s·j + v − p] / |K|
    avg_backward    dx[n,c,y,x] = Σ dy[n,c,i,j] / |K| over the windows that see this pixel

Covered: x (n, c, h, w), windows of any size, stride and padding (each a pair); float32, float64. k is of int32 and
counts a window's pixels row by row, those of the padding too.

Least traffic: x and y once, and k; a comparison or an addition for each pixel of a window. Bound by memory, so windows
that lie side by side should be computed by threads that lie side by side.

Easy to get wrong: of equal maxima the first is taken, of several nan the first, and where all of a window is −∞ its
first pixel, in the padding or not. In an average the zeros of the padding count, in a maximum the padding is −∞.
Backward asks from the pixel's side which windows see it (gather): windows overlap, and adding from their side would
need atomics.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh_kernels.conv2d import out_size
from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]
Pair = tuple[int, int]


class Problem:
    """Random arrays of one pooling, and its four calls."""

    def __init__(self, rng: Rng, dtype: DType, x: Size, kernel: Pair, stride: Pair | None = None,
                 padding: Pair = (0, 0)) -> None:
        self.x = rng.standard_normal(x).astype(dtype)
        self.keywords = {"kernel": kernel, "stride": stride or kernel, "padding": padding}
        shape = (*x[:2], *out_size(x[2:], kernel, stride or kernel, padding))  # type: ignore[arg-type]
        self.dy = rng.standard_normal(shape).astype(dtype)
        self.k = rng.integers(0, kernel[0] * kernel[1], shape, dtype=np.int32)

    def max_forward(self) -> Arguments:
        return Arguments((self.x,), self.keywords)

    avg_forward = max_forward

    def max_backward(self) -> Arguments:
        return Arguments((self.dy, self.x.shape, self.k), self.keywords)

    def avg_backward(self) -> Arguments:
        return Arguments((self.dy, self.x.shape), self.keywords)


def _with(rng: Rng, dtype: DType, *values: float, width: int = 7) -> Problem:
    """Windows that overlap, of these values among few others, so that many are equal."""
    problem = Problem(rng, dtype, (2, 2, 6, width), (3, 2), (2, 1), (1, 1))
    problem.x = rng.choice([*values, 0.0, 1.0], problem.x.shape).astype(dtype)
    return problem


CASES: dict[str, Callable[[Rng, DType], Problem]] = {
    "windows of one pixel": lambda rng, dtype: Problem(rng, dtype, (2, 3, 4, 5), (1, 1)),
    "a window as large as the image": lambda rng, dtype: Problem(rng, dtype, (2, 3, 4, 5), (4, 5)),
    "windows that overlap": lambda rng, dtype: Problem(rng, dtype, (2, 3, 7, 9), (3, 3), (2, 1), (1, 1)),
    "windows that leave pixels out": lambda rng, dtype: Problem(rng, dtype, (1, 2, 9, 8), (2, 1), (3, 4), (1, 0)),
    "a last row that fits no window": lambda rng, dtype: Problem(rng, dtype, (1, 2, 5, 7), (2, 2)),
    "an image wider than a block": lambda rng, dtype: Problem(rng, dtype, (1, 1, 4, 131), (2, 3), (1, 2), (1, 1)),
    "equal numbers": lambda rng, dtype: _with(rng, dtype, 0.0),
    "−∞, ∞ and nan": lambda rng, dtype: _with(rng, dtype, -np.inf, np.inf, np.nan),
    "−∞, ∞ and nan in wide rows": lambda rng, dtype: _with(rng, dtype, -np.inf, np.inf, np.nan, width=37),
    "quarters of equal numbers": lambda rng, dtype: _quarters(rng, dtype, 0.0, 1.0),
    "quarters of −∞, ∞ and nan": lambda rng, dtype: _quarters(rng, dtype, 0.0, 1.0, -np.inf, np.inf, np.nan),
    "nothing but −∞": lambda rng, dtype: _minus_infinity(rng, dtype),
    "no image": lambda rng, dtype: Problem(rng, dtype, (0, 2, 4, 4), (2, 2)),
}


def _quarters(rng: Rng, dtype: DType, *values: float) -> Problem:
    """Windows of 2 × 2 side by side, of few values, so that many are equal."""
    problem = Problem(rng, dtype, (4, 3, 28, 26), (2, 2))
    problem.x = rng.choice([*values], problem.x.shape).astype(dtype)
    return problem


def _minus_infinity(rng: Rng, dtype: DType) -> Problem:
    problem = Problem(rng, dtype, (1, 2, 4, 4), (3, 3), (1, 1), (1, 1))
    problem.x[...] = -np.inf
    problem.k[...] = 0
    return problem


def of_size(rng: Rng, dtype: DType, size: Size) -> Problem:
    """n images of c channels and side × side pixels, windows of 2 × 2 side by side."""
    n, c, side = size
    return Problem(rng, dtype, (n, c, side, side), (2, 2))


def _kernel(name: str, formula: str, flops: Callable[[Arguments], int]) -> Kernel:
    def case(make: Callable[[Rng, DType], Problem]) -> Callable[[Rng, DType], Arguments]:
        return lambda rng, dtype: getattr(make(rng, dtype), name)()

    return Kernel(
        f"pooling.{name}",
        formula=formula,
        arguments=lambda rng, dtype, size: getattr(of_size(rng, dtype, size), name)(),
        limits=((0, 3), (1, 3), (2, 11)),
        cases={label: case(make) for label, make in CASES.items()},
        sizes=((64, 8, 28), (64, 16, 56), (64, 64, 112)),
        flops=flops,
    )


def _of_windows(call: Arguments) -> int:
    u, v = call.keywords["kernel"]
    i, j = out_size(call.arrays[0].shape[2:], (u, v), call.keywords["stride"], call.keywords["padding"])
    return int(np.prod(call.arrays[0].shape[:2])) * i * j * u * v


max_forward = _kernel("max_forward", "MaxPool2d.forward", _of_windows)
max_backward = _kernel("max_backward", "MaxPool2d.backward", lambda call: int(call.arrays[0].size))
avg_forward = _kernel("avg_forward", "AvgPool2d.forward", _of_windows)
avg_backward = _kernel("avg_backward", "AvgPool2d.backward",
                       lambda call: int(call.arrays[0].size * np.prod(call.keywords["kernel"])))
