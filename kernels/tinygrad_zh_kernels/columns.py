"""Sums down the columns of a table on a GPU: the host's side of columns.cuh. 按列求和"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_zh_kernels.launcher import Dim, Launcher, blocks
from tinygrad_zh_kernels.row import aligned

THREADS = 256
STAY = 4
"""Blocks a multiprocessor: it has registers for so many at once, each thread with several loads under way. More blocks
would come in a second, incomplete wave."""


class Tiling(NamedTuple):
    """A thread stays in its columns and goes down the rows, as many at a time as the grid is high."""

    grid: Dim
    block: Dim
    defines: tuple[str, ...]

    @property
    def parts(self) -> int:
        """Partial rows: one of each row of blocks."""
        return self.grid[1]


def tiling(launch: Launcher, rows: int, columns: int, *arrays: Any) -> Tiling:
    """Blocks for a table; the arrays are read or written sixteen bytes at a time if all of them allow it."""
    width = 16 // arrays[0].itemsize
    step = width if columns % width == 0 and all(map(aligned, arrays)) else 1
    across = 1
    while across < 32 and across * step < columns:
        across *= 2
    down = THREADS // across
    wide = blocks(columns, across * step)
    high = min(blocks(rows, down), max(1, STAY * launch.multiprocessors // max(1, wide)))
    return Tiling((wide, high), (across, down), (f"STEP={step}",))


def sums(launch: Launcher, file: Path, partial: Any, dtype: Any, defines: tuple[str, ...]) -> Any:
    """The second stage: the sum of the partial rows, by column_sums of a file that includes columns.cuh."""
    parts, columns = partial.shape
    total = launch.empty((columns,), dtype)
    down = 1
    while down < min(parts, 32):
        down *= 2
    launch.cuda_c(file, "column_sums", (blocks(columns, 32),), (32, down), (total, partial, parts, columns),
                  dtype=dtype, defines=defines)
    return total
