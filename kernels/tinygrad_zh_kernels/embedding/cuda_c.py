"""Embedding in CUDA C: the host's side of embedding.cu."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import embedding
from tinygrad_zh_kernels.embedding import covers_forward, covers_scatter_add
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.row import aligned

EMBEDDING = Path(__file__).parent / "embedding.cu"


def step_of(columns: int, *arrays: Any) -> int:
    """How many numbers of a row are read at once: as many as 16 bytes hold, if every row begins at a multiple."""
    width = 16 // arrays[0].itemsize
    return width if columns % width == 0 and all(aligned(x) for x in arrays) else 1


def defines(index: Any, step: int) -> tuple[str, ...]:
    """What embedding.cu must know."""
    return f"INDEX={'int' if index.dtype.itemsize == 4 else 'Long'}", f"STEP={step}"


@embedding.forward.body("cuda-c", device="cuda", covers=covers_forward)
def forward(launch: Launcher, t: Any, W: Any) -> Any:
    """One launch, a warp a row: its 32 threads copy neighbouring numbers, 16 bytes each.

    中文：只启动一次，每个线程束复制一行：32 个线程各读相邻的 16 字节。
    """
    rows, columns = W.shape
    y = launch.empty((*t.shape, columns), W.dtype)
    if y.size:
        launch.cuda_c(EMBEDDING, "embedding_gather", (blocks(t.size, 4),), (32, 4), (y, t, W, t.size, rows, columns),
                      dtype=W.dtype, defines=defines(t, step_of(columns, y, W)))
    return y


@embedding.scatter_add.body("cuda-c-1-atomic", device="cuda", covers=covers_scatter_add)
def atomic(launch: Launcher, x: Any, index: Any, *, shape: tuple[int, ...]) -> Any:
    """One launch, one number a thread, added atomically. The order of the terms, and so the last digits, is chance's.

    中文：只启动一次，每个线程用原子操作累加一个数；相加的先后不固定，末位数字每次运行可能不同。
    """
    y = launch.zeros(shape, x.dtype)
    if x.size:
        launch.cuda_c(EMBEDDING, "embedding_scatter_add_atomic", (blocks(x.size, 256),), (256,),
                      (y, x, index, np.int64(x.size), shape[0], math.prod(shape[1:])),
                      dtype=x.dtype, defines=defines(index, 1))
    return y


@embedding.scatter_add.body("cuda-c", device="cuda", covers=covers_scatter_add)
def scatter_add(launch: Launcher, x: Any, index: Any, *, shape: tuple[int, ...]) -> Any:
    """The first token of each row adds up the rows of its repetitions in a fixed order: the same digits in every run.

    中文：每一行由最先出现的词元按固定顺序累加所有重复项：每次运行的结果逐位相同。
    """
    y = launch.zeros(shape, x.dtype)
    columns = math.prod(shape[1:])
    step = step_of(columns, x, y)
    if x.size:
        launch.cuda_c(EMBEDDING, "embedding_scatter_add", (index.size, blocks(columns, 32 * step)), (256,),
                      (y, x, index, index.size, shape[0], columns), dtype=x.dtype, defines=defines(index, step))
    return y
