"""Softmax and its logarithm, along the last axis. 归一化指数函数及其对数

    forward         y = eˣ⁻ᵐ / s            with m = max x, s = Σ eˣ⁻ᵐ
    backward        dx = y (dy − Σ dy y)
    log_forward     y = x − m − ln s
    log_backward    dx = dy − eʸ Σ dy

Covered: x (…, C), contiguous, axis −1; float32, float64, and in CUDA C float16 with sums in float32.

Least traffic: forward reads x and writes y, 8 bytes a number in float32, for five operations; backward moves 12 bytes
for four. Every processor computes more than that in the time that it takes to fetch the bytes, so all that a body can
do is to read a row once. What stands in the way is that a row must be read to its end before the first y is known.

Easy to get wrong: m must be subtracted, or e¹⁰⁰⁰ is ∞. A row with a nan or +∞ is nan, and so is a row of −∞ alone
(−∞ − −∞); a part of a row may be −∞ without harm. Rows that do not begin at multiples of 16 bytes, and the last,
incomplete vector of a row.

Milakov, Gimelshein 2018 (the maximum and the sum in one pass).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]


def covers(*arrays: Any, axis: int = -1) -> bool:
    """Along the last axis, and there is one."""
    return arrays[0].ndim > 0 and axis in (-1, arrays[0].ndim - 1)


def table(x: Any) -> tuple[int, int]:
    """How many rows and columns x has, whatever its shape."""
    columns = x.shape[-1]
    return (x.size // columns if columns else 0), columns


def one(x: Any) -> Arguments:
    """A call of forward."""
    return Arguments((x,), {"axis": -1})


def two(dy: Any, y: Any) -> Arguments:
    """A call of backward."""
    return Arguments((dy, y), {"axis": -1})


def scores(rng: Rng, dtype: DType, size: Size) -> Any:
    """x, a few units wide."""
    return (2 * rng.standard_normal(size)).astype(dtype)


def shares(rng: Rng, dtype: DType, size: Size) -> Any:
    """y: rows of positive numbers with sum 1, as softmax gives them."""
    return np.exp(log_shares(rng, dtype, size))


def log_shares(rng: Rng, dtype: DType, size: Size) -> Any:
    """The logarithm of such rows."""
    x = 2 * rng.standard_normal(size)
    return (x - np.logaddexp.reduce(x, axis=-1, keepdims=True)).astype(dtype)


def spoiled(x: Any, *values: float) -> Any:
    """x with these values spread over its second row."""
    x[1, :: max(1, x.shape[1] // len(values))][: len(values)] = values
    return x


def peaks(rng: Rng, dtype: DType) -> Any:
    """Rows with one number so large that e^x overflows, each row in another place: no warp's maximum may be lost."""
    x = scores(rng, dtype, (16, 1000))
    x[np.arange(16), 62 * np.arange(16)] = 200
    return x


LIMITS = ((0, 5), (0, 64))
SIZES = ((4096, 64), (4096, 1000), (4096, 8192), (1024, 32768))
LENGTHS = {  # of rows: where bodies change from one way to another
    "one column": (4, 1),
    "a thousand columns": (1, 1000),
    "rows of many warps": (1, 3076),
    "rows that begin anywhere": (2, 2051),
    "rows too long for registers": (1, 16_501),
}


def of_lengths(arguments: Callable[[Rng, DType, Size], Arguments]) -> dict[str, Callable[[Rng, DType], Arguments]]:
    """A case for each of them."""
    return {name: partial(_of_size, arguments, size) for name, size in LENGTHS.items()}


def _of_size(arguments: Callable[[Rng, DType, Size], Arguments], size: Size, rng: Rng, dtype: DType) -> Arguments:
    return arguments(rng, dtype, size)


LARGE = [[1000.0, 0.0, -1000.0], [-1000.0, -1000.0, -1000.0], [1e4, 0.0, 1e4]]

FORWARD_CASES = {
    **of_lengths(lambda rng, dtype, size: one(scores(rng, dtype, size) - dtype.type(300))),  # e⁻³⁰⁰ is 0
    "large numbers": lambda rng, dtype: one(np.array(LARGE, dtype)),
    "far from 0": lambda rng, dtype: one(np.array([[10_000, 9992, 9984]], dtype)),
    "−∞ among others": lambda rng, dtype: one(
        np.where(rng.random((4, 300)) < 0.5, -np.inf, scores(rng, dtype, (4, 300))).astype(dtype)),
    "−∞ in a long row": lambda rng, dtype: one(
        np.where(np.arange(16_501) % 7, scores(rng, dtype, (1, 16_501)), -np.inf).astype(dtype)),
    "a row of −∞": lambda rng, dtype: one(spoiled(scores(rng, dtype, (3, 70)), *70 * [-np.inf])),
    "a nan": lambda rng, dtype: one(spoiled(scores(rng, dtype, (3, 70)), np.nan)),
    "+∞": lambda rng, dtype: one(spoiled(scores(rng, dtype, (3, 70)), np.inf, -np.inf)),
    "a peak, in any warp": lambda rng, dtype: one(peaks(rng, dtype)),
    "three dimensions": lambda rng, dtype: one(scores(rng, dtype, (2, 3, 20))),
    "one dimension": lambda rng, dtype: one(scores(rng, dtype, (37,))),
}

forward = Kernel(
    "softmax.forward",
    formula="Softmax.forward",
    arguments=lambda rng, dtype, size: one(scores(rng, dtype, size)),
    limits=LIMITS,
    cases=FORWARD_CASES,
    sizes=SIZES,
    flops=lambda arguments: 5 * arguments.arrays[0].size,  # max, −, exp, +, /
)

backward = Kernel(
    "softmax.backward",
    formula="Softmax.backward",
    arguments=lambda rng, dtype, size: two(scores(rng, dtype, size), shares(rng, dtype, size)),
    limits=LIMITS,
    cases={
        **of_lengths(lambda rng, dtype, size: two(scores(rng, dtype, size), shares(rng, dtype, size))),
        "a certain row": lambda rng, dtype: two(scores(rng, dtype, (3, 40)), np.eye(3, 40, dtype=dtype)),
        "a nan": lambda rng, dtype: two(spoiled(scores(rng, dtype, (3, 70)), np.nan), shares(rng, dtype, (3, 70))),
    },
    sizes=SIZES,
    flops=lambda arguments: 4 * arguments.arrays[0].size,  # ·, +, −, ·
)

log_forward = Kernel(
    "softmax.log_forward",
    formula="LogSoftmax.forward",
    arguments=lambda rng, dtype, size: one(scores(rng, dtype, size)),
    limits=LIMITS,
    cases=FORWARD_CASES,
    sizes=SIZES,
    flops=lambda arguments: 5 * arguments.arrays[0].size,  # max, −, exp, +, −
)

log_backward = Kernel(
    "softmax.log_backward",
    formula="LogSoftmax.backward",
    arguments=lambda rng, dtype, size: two(scores(rng, dtype, size), log_shares(rng, dtype, size)),
    limits=LIMITS,
    cases={
        **of_lengths(lambda rng, dtype, size: two(scores(rng, dtype, size), log_shares(rng, dtype, size))),
        "−∞ among others": lambda rng, dtype: two(
            scores(rng, dtype, (3, 40)), spoiled(log_shares(rng, dtype, (3, 40)), *20 * [-np.inf])),
        "a nan": lambda rng, dtype: two(spoiled(scores(rng, dtype, (3, 70)), np.nan),
                                        log_shares(rng, dtype, (3, 70))),
    },
    sizes=SIZES,
    flops=lambda arguments: 4 * arguments.arrays[0].size,  # +, exp, ·, −
)
