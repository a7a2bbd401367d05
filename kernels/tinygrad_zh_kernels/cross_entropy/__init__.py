"""Cross-entropy from logits and class labels, along the last axis. 交叉熵（由未归一化的分数和类别标签）

    forward     L = lse − x_t           with lse = ln Σ eˣ = m + ln Σ eˣ⁻ᵐ, m = max x
    backward    dx = dL (eˣ⁻ˡˢᵉ − 1_t)

Fused: softmax and its logarithm are never stored. Forward gives one loss a row, and lse, from which backward has
softmax(x) again: eˣ⁻ˡˢᵉ.

Covered: x (…, C), contiguous, C > 0; t (…), int32 or int64; float32 and float64. Not float16: lse is kept between the
two, and rounded to 11 bits it would cost softmax its third digit.

Least traffic: forward reads x; backward reads x and writes dx. Three times the logits in all, for eight operations a
number. Both in one launch, that writes softmax(x) − 1_t while x is at hand, would be two times, but only if ∂L/∂y were
known by then (a mean's 1/n, say): any other has yet to be multiplied with it, which makes four.

Easy to get wrong: m must be subtracted. A label that is out of range (F.cross_entropy refuses it) reads no memory of
others: it is no class, its loss is 0. A row of −∞ alone is nan, −∞ where the label is not is no matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]
LABELS = ("int32", "int64")


def covers(x: Any, t: Any) -> bool:
    """Whether there are classes, and a label for every row."""
    return x.ndim > 0 and x.shape[-1] > 0 and t.shape == x.shape[:-1] and t.dtype in LABELS


def covers_backward(dy: Any, x: Any, t: Any, lse: Any) -> bool:
    """The same, of backward's arguments."""
    return covers(x, t)


def scores(rng: Rng, dtype: DType, size: Size, middle: float = 0.0) -> Any:
    """x, a few units wide."""
    return np.asarray(middle + 2 * rng.standard_normal(size)).astype(dtype)


def labels(rng: Rng, x: Any) -> Any:
    """A class for every row."""
    return rng.integers(0, x.shape[-1], x.shape[:-1])


Batch = tuple[Any, Any]
"""Logits x and labels t."""


def batch(rng: Rng, dtype: DType, size: Size, middle: float = 0.0) -> Batch:
    """Random ones."""
    x = scores(rng, dtype, size, middle)
    return x, np.asarray(labels(rng, x))


def rows(dtype: DType, *values: list[float]) -> Batch:
    """Logits of these rows; the labels are in turn the first class and the last."""
    return np.array(values, dtype), np.arange(len(values)) % 2 * (len(values[0]) - 1)


def long_with_infinities(rng: Rng, dtype: DType) -> Batch:
    """A long row that begins with −∞ in every seventh place, its label elsewhere."""
    x = scores(rng, dtype, (1, 16_501))
    x[0, ::7] = -np.inf
    return x, np.array([1])


def call(rng: Rng, both: Batch) -> Arguments:
    """A call of forward."""
    return Arguments(both)


def call_backward(rng: Rng, both: Batch) -> Arguments:
    """A call of backward, with the lse that forward would have kept."""
    x, t = both
    lse = np.logaddexp.reduce(x.astype(np.float64), axis=-1, keepdims=True).astype(x.dtype)
    return Arguments((scores(rng, x.dtype, t.shape), x, t, lse))


INF = np.inf
CASES: dict[str, Callable[[Rng, DType], Batch]] = {
    "one class": lambda rng, dtype: batch(rng, dtype, (4, 1)),
    "ten classes": lambda rng, dtype: batch(rng, dtype, (33, 10)),
    "a thousand classes": lambda rng, dtype: batch(rng, dtype, (1, 1000)),
    "rows of many warps": lambda rng, dtype: batch(rng, dtype, (1, 3076)),
    "rows that begin anywhere": lambda rng, dtype: batch(rng, dtype, (2, 2051)),
    "rows too long for registers": lambda rng, dtype: batch(rng, dtype, (1, 16_501), -300.0),  # e⁻³⁰⁰ is 0
    "labels of 32 bits": lambda rng, dtype: (scores(rng, dtype, (3, 20)), rng.integers(0, 20, 3).astype(np.int32)),
    "three dimensions": lambda rng, dtype: batch(rng, dtype, (2, 3, 20)),
    "one dimension": lambda rng, dtype: batch(rng, dtype, (20,)),
    "large numbers": lambda rng, dtype: rows(dtype, [1000, 0, -1000], [-1000, -1000, -1000], [1e4, 0, 1e4]),
    "no such class": lambda rng, dtype: (scores(rng, dtype, (3, 20)), np.array([20, -1, 19])),
}
SPECIAL: dict[str, Callable[[Rng, DType], Batch]] = {
    "−∞ among others": lambda rng, dtype: rows(dtype, [1, -INF, 2], [3, -INF, 1], [-INF, 1, 1]),
    "−∞ in a long row": long_with_infinities,
    "a row of −∞": lambda rng, dtype: rows(dtype, [1, 2, 3], [-INF, -INF, -INF], [3, 2, 1]),
    "+∞ and nan": lambda rng, dtype: rows(dtype, [1, 2, 3], [INF, 1, 2], [1, np.nan, 1]),
}
SIZES = ((4096, 10), (4096, 1000), (1024, 32768), (4096, 50257))
LIMITS = ((0, 5), (1, 64))


def calls(of: Callable[[Rng, Batch], Arguments],
          cases: dict[str, Callable[[Rng, DType], Batch]]) -> dict[str, Callable[[Rng, DType], Arguments]]:
    """The cases as calls of a kernel."""
    def made(case: Callable[[Rng, DType], Batch]) -> Callable[[Rng, DType], Arguments]:
        return lambda rng, dtype: of(rng, case(rng, dtype))

    return {name: made(case) for name, case in cases.items()}


forward = Kernel(
    "cross_entropy.forward",
    formula="CrossEntropy.forward",
    arguments=lambda rng, dtype, size: call(rng, batch(rng, dtype, size)),
    limits=LIMITS,
    cases=calls(call, CASES | SPECIAL),
    sizes=SIZES,
    flops=lambda arguments: 4 * arguments.arrays[0].size,  # max, −, exp, +
    tolerance={"float64": 1e-12},  # the formula subtracts x_t from an lse that has been rounded, the bodies do not
)

backward = Kernel(
    "cross_entropy.backward",
    formula="CrossEntropy.backward_x",
    arguments=lambda rng, dtype, size: call_backward(rng, batch(rng, dtype, size)),
    limits=LIMITS,
    cases=calls(call_backward, CASES),
    sizes=SIZES,
    flops=lambda arguments: 4 * arguments.arrays[1].size,  # −, exp, −, ·
)
