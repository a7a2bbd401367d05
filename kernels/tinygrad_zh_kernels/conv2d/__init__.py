"""Convolution of images with a few small kernels. 二维卷积

    forward      Y[n,o,i,j] = Σ_{c,u,v} W[o,c,u,v] X[n, c, s·i + u − p, s·j + v − p] + b[o]
    backward_x   dX[n,c,y,x] = Σ_{o,u,v} W[o,c,u,v] dY[n,o,i,j]    over the i, j with s·i + u − p = y, s·j + v − p = x
    backward_W   dW[o,c,u,v] = Σ_{n,i,j} dY[n,o,i,j] X[n, c, s·i + u − p, s·j + v − p]
    backward_b   db[o] = Σ_{n,i,j} dY[n,o,i,j]

Covered: X (n, c, h, w), W (o, c, u, v), any stride s and padding p (each a pair); float32, float64.

Least traffic: every array once. A pixel of Y costs 2·c·u·v operations: with 3 × 3 kernels and 8 channels that is 144
for 8 bytes, so unlike nearly all other kernels a convolution is bound by arithmetic, as a product of matrices is. It is
one: W, as an (o, c·u·v) matrix, times the windows of X side by side as columns (c·u·v, i·j). What a body can do is to
build the columns where they are cheap: in the cache, in shared memory, or never, as an address that is computed.

Easy to get wrong: what lies outside of the image is 0 and is not read; a stride of 2 leaves pixels that no window ends
at, whose dX is 0; a kernel as large as the image has one window; no image at all has dW = 0. dX is summed by the pixel
that receives it (gather), for windows that add to it (scatter) would need atomics. A nan or ∞ in X or dY must go where
the formula takes it and nowhere else; one in W may go, in dX on CUDA, to pixels at the border that it does not reach:
there the tiles multiply it by zeros. The formula's forward multiplies it by the padding's zeros as well, the plain
loops on the CPU do not.

Chellapilla, Puri, Simard 2006 (the matrix product).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]
Make = Callable[[Rng, DType], Arguments]


def out_size(size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int],
             padding: tuple[int, int]) -> tuple[int, int]:
    """How many windows an image has, below each other and side by side."""
    i, j = ((n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True))
    return i, j


class Problem:
    """Random arrays of one convolution, and its four calls."""

    def __init__(self, rng: Rng, dtype: DType, x: Size, W: Size, stride: tuple[int, int] = (1, 1),
                 padding: tuple[int, int] = (0, 0)) -> None:
        self.x, self.W = (rng.standard_normal(shape).astype(dtype) for shape in (x, W))
        self.b = rng.standard_normal(W[:1]).astype(dtype)
        i, j = out_size(x[2:], W[2:], stride, padding)  # type: ignore[arg-type]
        self.dy = rng.standard_normal((x[0], W[0], i, j)).astype(dtype)
        self.keywords = {"stride": stride, "padding": padding}

    def forward(self) -> Arguments:
        return Arguments((self.x, self.W, self.b), self.keywords)

    def backward_x(self) -> Arguments:
        return Arguments((self.dy, self.W, self.x.shape), self.keywords)

    def backward_W(self) -> Arguments:
        return Arguments((self.dy, self.x, self.W.shape), self.keywords)

    def backward_b(self) -> Arguments:
        return Arguments((self.dy,))


CASES: dict[str, Callable[[Rng, DType], Problem]] = {
    "a kernel of one pixel": lambda rng, dtype: Problem(rng, dtype, (2, 5, 4, 3), (3, 5, 1, 1)),
    "a kernel as large as the image": lambda rng, dtype: Problem(rng, dtype, (3, 2, 4, 5), (2, 2, 4, 5)),
    "a stride wider than the kernel": lambda rng, dtype: Problem(rng, dtype, (2, 2, 9, 8), (3, 2, 2, 1), (3, 4)),
    "padding, rows unlike columns": lambda rng, dtype: Problem(rng, dtype, (2, 3, 5, 7), (4, 3, 3, 2), (2, 1), (1, 3)),
    "padding wider than the kernel": lambda rng, dtype: Problem(rng, dtype, (1, 1, 2, 3), (1, 1, 1, 2), (1, 1), (2, 3)),
    "more inputs than a tile": lambda rng, dtype: Problem(rng, dtype, (1, 67, 3, 2), (2, 67, 1, 1)),
    "more outputs than a tile": lambda rng, dtype: Problem(rng, dtype, (1, 2, 2, 3), (67, 2, 1, 1)),
    "an image wider than a tile": lambda rng, dtype: Problem(rng, dtype, (1, 1, 3, 150), (2, 1, 3, 3), (1, 1), (1, 1)),
    "no image": lambda rng, dtype: Problem(rng, dtype, (0, 2, 4, 4), (3, 2, 3, 3), (1, 1), (1, 1)),
}


def of_size(rng: Rng, dtype: DType, size: Size) -> Problem:
    """n images of c channels and side × side pixels, o kernels of 3 × 3, padded so that the side stays."""
    n, c, o, side = size
    return Problem(rng, dtype, (n, c, side, side), (o, c, 3, 3), (1, 1), (1, 1))


def _calls(which: str) -> dict[str, Make]:
    def case(make: Callable[[Rng, DType], Problem]) -> Make:
        return lambda rng, dtype: getattr(make(rng, dtype), which)()

    def spoiled(rng: Rng, dtype: DType) -> Arguments:
        call = getattr(of_size(rng, dtype, (2, 2, 2, 5)), which)()
        call.arrays[0][1, 1, 2:4, 2] = np.nan, np.inf
        return call

    cases = CASES if which != "backward_b" else {"no image": CASES["no image"]}  # the rest differs for it in size alone
    return {**{name: case(make) for name, make in cases.items()}, "a nan and an infinity": spoiled}


def _kernel(name: str, flops: Callable[[Arguments], int], tolerance: dict[str, float]) -> Kernel:
    return Kernel(
        f"conv2d.{name}",
        formula=f"Conv2d.{name}",
        arguments=lambda rng, dtype, size: getattr(of_size(rng, dtype, size), name)(),
        limits=((0, 3), (1, 2), (1, 3), (1, 9)),
        cases=_calls(name),
        sizes=((64, 1, 8, 28), (64, 8, 16, 14), (64, 32, 64, 28), (32, 128, 128, 28)),
        flops=flops,
        tolerance=tolerance,
    )


def _flops(dy: Any, W_shape: Size) -> int:
    """A multiplication and an addition for each weight at each place."""
    _, c, u, v = W_shape
    return int(2 * dy.size * c * u * v)


def _flops_of_forward(call: Arguments) -> int:
    x, W, _ = call.arrays
    i, j = out_size(x.shape[2:], W.shape[2:], call.keywords["stride"], call.keywords["padding"])
    return 2 * x.shape[0] * i * j * int(W.size)


SUMS = {"float32": 5e-6}  # sums of up to c·u·v or n·i·j products, in whatever order

forward = _kernel("forward", _flops_of_forward, SUMS)
backward_x = _kernel("backward_x", lambda call: _flops(call.arrays[0], call.arrays[1].shape), SUMS)
backward_W = _kernel("backward_W", lambda call: _flops(call.arrays[0], call.arrays[2]), SUMS)
backward_b = _kernel("backward_b", lambda call: int(call.arrays[0].size), SUMS)
