"""Reductions in CUDA C: the host's side of reduction.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import reduction
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.reduction import covers, covers_something, parts_of, rows_and_columns, shape_of_result
from tinygrad_zh_kernels.row import aligned

FILE = Path(__file__).parent / "reduction.cu"
SHORT = 1024
"""Up to so many columns a warp is enough for a row."""


@reduction.sum.body("cuda-c", device="cuda", covers=covers)
def sum_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """16 bytes at a time, warp shuffles, and a second launch for what the blocks have found.

    中文：每次读 16 字节，用线程束洗牌指令合并，第二次启动合并各线程块的结果。
    """
    return reduce(launch, "reduce_sum", x, axis, keepdims)


@reduction.mean.body("cuda-c", device="cuda", covers=covers_something)
def mean_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = (), n: float) -> Any:
    """As the sum; the last launch divides by n.

    中文：与求和相同，最后一次启动除以 n。
    """
    return reduce(launch, "reduce_sum", x, axis, keepdims, float(n))


@reduction.max.body("cuda-c", device="cuda", covers=covers_something)
def max_of(launch: Launcher, x: Any, *, axis: Any = None, keepdims: bool = False, kept: Any = ()) -> Any:
    """16 bytes at a time, warp shuffles, and a second launch for what the blocks have found.

    中文：每次读 16 字节，用线程束洗牌指令合并，第二次启动合并各线程块的结果。
    """
    return reduce(launch, "reduce_max", x, axis, keepdims)


def reduce(launch: Launcher, name: str, x: Any, axis: Any, keepdims: bool, divisor: float = 1.0) -> Any:
    """One launch if a warp or a block is enough for a row, else two."""
    rows, columns = rows_and_columns(x, axis) or (0, 0)
    out = launch.empty(shape_of_result(x, axis, keepdims), x.dtype)
    parts = parts_of(launch, rows, columns)
    if parts > 1:
        partial = launch.empty((rows, parts), x.dtype)
        over(launch, name, partial, x, rows, columns, parts, 1.0)
        x, columns = partial, parts
    over(launch, name, out, x, rows, columns, 1, divisor)
    return out


def over(launch: Launcher, name: str, out: Any, x: Any, rows: int, columns: int, parts: int, divisor: float) -> None:
    """One launch, with a warp or a block for every part of a row."""
    width = 16 // x.itemsize
    step = width if (columns % width == 0 or rows == 1) and aligned(x) else 1
    block = (32, 4) if columns <= SHORT else (256, 1)
    arguments = out, x, rows, np.int64(columns), parts, divisor
    launch.cuda_c(FILE, name, (blocks(rows * parts, block[1]),), block, arguments, dtype=x.dtype,
                  defines=(f"STEP={step}",))
