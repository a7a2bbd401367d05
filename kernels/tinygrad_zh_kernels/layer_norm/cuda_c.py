"""Layer norm in CUDA C: the host's side of layer_norm.cu and backward.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import layer_norm
from tinygrad_zh_kernels.columns import sums
from tinygrad_zh_kernels.kernel import FLOATS
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.layer_norm import covers, covers_backward
from tinygrad_zh_kernels.row import share

HERE = Path(__file__).parent
FORWARD, BACKWARD = HERE / "layer_norm.cu", HERE / "backward.cu"
WITH_HALF = ("float16", *FLOATS)
LONG = 1024
"""Threads for a row that does not fit into registers."""
STAY = 768
"""Threads of backward that a multiprocessor runs at once, with the registers that they need."""


@layer_norm.forward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers)
def forward(launch: Launcher, x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> tuple[Any, Any, Any]:
    """Read once, 16 bytes at a time: the row waits in registers for its mean, then for its variance.

    中文：每次读 16 字节，每一行只读一遍：数据留在寄存器里，先等均值，再等方差。
    """
    y = launch.empty(x.shape, x.dtype)
    mean, rstd = (launch.empty((*x.shape[:-1], 1), x.dtype) for _ in range(2))
    columns = x.shape[-1]
    rows = x.size // columns
    arrays = (y, mean, rstd, x, gamma, beta)
    shares = share(x, beside=(y, gamma, beta))
    if shares is None:
        launch.cuda_c(FORWARD, "layer_norm_long", (rows,), (LONG,), (*arrays, columns, eps), dtype=x.dtype)
    else:
        launch.cuda_c(FORWARD, "layer_norm", shares.grid, shares.block, (*arrays, rows, columns, eps), dtype=x.dtype,
                      defines=shares.defines)
    return y, mean, rstd


@layer_norm.backward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers_backward)
def backward(launch: Launcher, dy: Any, x: Any, gamma: Any, mean: Any, rstd: Any) -> tuple[Any, Any, Any]:
    """Blocks that stay: each goes through many rows and keeps the sums of its columns, dγ and dβ, in registers.

    中文：线程块常驻：每块依次处理许多行，把所负责各列的 dγ、dβ 之和留在寄存器里。
    """
    dx = launch.empty(x.shape, x.dtype)
    columns = x.shape[-1]
    rows = x.size // columns
    arrays = (dy, x, gamma, mean, rstd)
    shares = share(dy, x, beside=(dx, gamma), sums=2)
    if shares is None:
        launch.cuda_c(BACKWARD, "layer_norm_backward_long", (rows,), (LONG,), (dx, *arrays, columns), dtype=x.dtype)
        wide, parts = blocks(columns, 256), min(rows, launch.multiprocessors)
        partial = empty_partial(launch, parts, columns, x.dtype)
        launch.cuda_c(BACKWARD, "layer_norm_parameters_long", (wide, parts), (256,),
                      (partial, dy, x, mean, rstd, rows, columns), dtype=x.dtype)
    else:
        threads = shares.block[0] * shares.block[1]
        parts = min(shares.grid[0], max(1, STAY // threads) * launch.multiprocessors)
        partial = empty_partial(launch, parts, columns, x.dtype)
        launch.cuda_c(BACKWARD, "layer_norm_backward", (parts,), shares.block, (dx, partial, *arrays, rows, columns),
                      dtype=x.dtype, defines=shares.defines)
    both = sums(launch, BACKWARD, partial, x.dtype, shares.defines if shares else ())
    return dx, both[:columns], both[columns:]


def empty_partial(launch: Launcher, parts: int, columns: int, dtype: Any) -> Any:
    """Partial rows, dγ and dβ side by side, in the type that sums are kept in."""
    return launch.empty((parts, 2 * columns), np.float32 if dtype == np.float16 else dtype)
