"""How the threads of a GPU share a row that is to stay in registers: the host's side of row.cuh. 一行数据的分工"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tinygrad_zh_kernels.launcher import Dim, blocks

REGISTERS = 128
"""Bytes that a thread holds at most: with 1024 threads in a block it has registers for 256 in all."""


class Share(NamedTuple):
    """How many blocks and threads, and what row.cuh must know."""

    grid: Dim
    block: Dim
    defines: tuple[str, ...]


def share(*arrays: Any, beside: tuple[Any, ...] = (), sums: int = 0) -> Share | None:
    """The shares of the rows of these arrays, all of one shape and all held at once; None if the rows are too long.

    beside: what is read or written in the same steps, but not held. sums: how many sums for each column are held too.

    A row of up to 1024 float32 is a warp's, a longer one, of up to 32,768, a block's; half as much of two arrays, and
    of rows that do not begin at multiples of 16 bytes, whose numbers are read one by one.
    """
    x = arrays[0]
    columns = x.shape[-1]
    width = 16 // x.itemsize
    step = width if columns % width == 0 and all(map(aligned, (*arrays, *beside))) else 1
    most = REGISTERS // max(4, x.itemsize) // (len(arrays) + sums) // (1 if step == width else 2)
    sharers = 32
    while sharers * most < columns:
        sharers *= 2
    if sharers > 1024:
        return None
    held = width
    while sharers * held < columns:
        held = min(4 * held, most)
    rows = 4 if sharers == 32 else 1
    grid = (blocks(math.prod(x.shape[:-1]), rows),)
    return Share(grid, (sharers, rows), (f"SHARERS={sharers}", f"HELD={held}", f"STEP={step}"))


def aligned(x: Any) -> bool:
    """Whether an array begins where 16 bytes may be read at once: a part of another array may not."""
    address = x.data.ptr if hasattr(x.data, "ptr") else x.ctypes.data
    return address % 16 == 0
