"""The sum, the mean and the largest of an array. 归约：求和、均值、最大值

    sum     y = Σ x
    mean    y = Σ x / n
    max     y = max x

Covered: over all axes, or the last ones (the last, the last two, …): then what belongs to one result lies side by side,
a row. Contiguous arrays, float32 and float64; mean and max of nothing are the formula's.

Least traffic: x is read once, one operation a number: bound by memory. On a GPU the array is shared among blocks that
cannot wait for each other, so a second launch adds up what each of them has found. Atomic additions would save that
launch, but they come in any order, and a float sum depends on it: the same call would not always give the same result.

Easy to get wrong: ten million float32 added one after the other lose all but four digits. Sums of pairs, of pairs of
pairs, and so on lose next to nothing (Higham 1993), and a block of threads does it anyway. A nan is the largest of all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size
from tinygrad_zh_kernels.launcher import Launcher, blocks

Rng = np.random.Generator
DType = np.dtype[Any]


def rows_and_columns(x: Any, axis: Any) -> tuple[int, int] | None:
    """x as rows of what is reduced to one number; None if an axis is reduced that is not among the last."""
    if axis is None:
        return 1, x.size
    axes = axis if isinstance(axis, tuple) else (axis,)
    kept = x.ndim - len(axes)
    if sorted(i % x.ndim for i in axes) != list(range(kept, x.ndim)):
        return None
    return math.prod(x.shape[:kept]), math.prod(x.shape[kept:])


def shape_of_result(x: Any, axis: Any, keepdims: bool) -> Size:
    """x's shape without the reduced axes, or with ones in their place."""
    reduced = x.ndim if axis is None else len(axis) if isinstance(axis, tuple) else 1
    return (*x.shape[: x.ndim - reduced], *([1] * reduced if keepdims else []))


PART = 4096
"""Numbers of a row that are worth a block of their own on a GPU."""


def parts_of(launch: Launcher, rows: int, columns: int) -> int:
    """How many blocks share a row: one, unless the rows are so few and long that multiprocessors would be idle."""
    return min(blocks(columns, PART), 8 * launch.multiprocessors // (rows or 1)) or 1


def covers(x: Any, *, axis: Any = None, **others: Any) -> bool:
    """The last axes."""
    return x.ndim > 0 and rows_and_columns(x, axis) is not None


def covers_something(x: Any, *, axis: Any = None, **others: Any) -> bool:
    """The last axes, and there is something to reduce."""
    return x.size > 0 and covers(x, axis=axis)


def numbers(rng: Rng, dtype: DType, size: Size) -> Any:
    """x, around 1: a sum that is far from 0 shows every lost digit."""
    return (1 + rng.standard_normal(size)).astype(dtype)


def spoiled(x: Any, *values: float) -> Any:
    """x with these values in the middle of its first row."""
    middle = x.shape[-1] // 2
    x[..., 0, middle : middle + len(values)] = values
    return x


Literals = Callable[[Any, Any, bool], dict[str, Any]]
"""The keywords of a call: of (x, axis, keepdims)."""


def literals(x: Any, axis: Any, keepdims: bool) -> dict[str, Any]:
    """Those of Sum and Max."""
    axes = range(x.ndim) if axis is None else axis
    return {"axis": axis, "keepdims": keepdims, "kept": tuple([1 if i in axes else n for i, n in enumerate(x.shape)])}


def literals_of_mean(x: Any, axis: Any, keepdims: bool) -> dict[str, Any]:
    """Mean's: how many numbers each result is made of, too."""
    return {**literals(x, axis, keepdims), "n": x.size if axis is None else math.prod([x.shape[i] for i in axis])}


def calls(of: Literals) -> dict[str, Callable[[Rng, DType], Arguments]]:
    """The cases of all three."""
    def case(size: Size, axis: Any, keepdims: bool = False, *values: float) -> Callable[[Rng, DType], Arguments]:
        def made(rng: Rng, dtype: DType) -> Arguments:
            x = spoiled(numbers(rng, dtype, size), *values) if values else numbers(rng, dtype, size)
            return Arguments((x,), of(x, axis, keepdims))

        return made

    def below_zero(rng: Rng, dtype: DType) -> Arguments:
        x = -np.abs(numbers(rng, dtype, (3, 50)))
        return Arguments((x,), of(x, (1,), False))

    return {
        "all below 0": below_zero,  # a maximum that begins at 0 stays there
        "all of three axes": case((3, 4, 5), None),
        "all, as axes": case((3, 20), (0, 1), True),
        "the last of three": case((2, 3, 70), (2,), True),
        "the last two of three": case((3, 2, 7), (1, 2)),
        "one number": case((1, 1), None),
        "rows of a block": case((2, 3000), (1,)),
        "rows that begin anywhere": case((2, 3001), (1,)),
        "many blocks a row": case((2, 20_000), (1,)),
        "many blocks": case((30_003,), None),
        "a nan": case((3, 70), (1,), False, np.nan),
        "±∞": case((3, 70), (1,), True, np.inf, -np.inf),
        "−∞": case((3, 70), None, False, -np.inf, -np.inf),
    }


SIZES = ((1000, 1000), (4096, 1000), (1 << 24, 1), (4096, 32768))


def along_rows(of: Literals) -> Callable[[Rng, DType, Size], Arguments]:
    """A call along the last axis; of a table with one column, over all."""
    def made(rng: Rng, dtype: DType, size: Size) -> Arguments:
        x = numbers(rng, dtype, size)
        return Arguments((x,), of(x, (1,) if size[1] > 1 else None, False))

    return made


def once(arguments: Arguments) -> int:
    """One operation a number."""
    return int(arguments.arrays[0].size)


def kernel(name: str, formula: str, of: Literals, limits: tuple[tuple[int, int], ...]) -> Kernel:
    """The contract, which is one but for what is computed."""
    return Kernel(name, formula=formula, arguments=along_rows(of), limits=limits, cases=calls(of), sizes=SIZES,
                  flops=once)


sum = kernel("reduction.sum", "Sum.forward", literals, ((0, 5), (0, 80)))
mean = kernel("reduction.mean", "Mean.forward", literals_of_mean, ((0, 5), (1, 80)))
max = kernel("reduction.max", "Max.forward", literals, ((1, 5), (1, 80)))
