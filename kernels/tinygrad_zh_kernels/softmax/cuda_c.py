"""Softmax in CUDA C: the host's side of softmax.cu, log_softmax.cu and backward.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygrad_zh_kernels import softmax
from tinygrad_zh_kernels.kernel import FLOATS
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.row import share
from tinygrad_zh_kernels.softmax import covers, table

HERE = Path(__file__).parent
SOFTMAX, LOG_SOFTMAX, BACKWARD = HERE / "softmax.cu", HERE / "log_softmax.cu", HERE / "backward.cu"
WITH_HALF = ("float16", *FLOATS)
IN_ONE_SUM = 4096
"""Numbers that one thread adds up: of more float32 the last digits would be lost. Threads that share a row have sums of
their own, which are shorter."""
LONG = 1024
"""Threads for a row that is read twice."""


def covers_in_one_sum(x: Any, *, axis: int = -1) -> bool:
    """Rows that one thread may sum."""
    return covers(x, axis=axis) and x.shape[-1] <= IN_ONE_SUM


@softmax.forward.body("cuda-c-1-naive", device="cuda", dtypes=WITH_HALF, covers=covers_in_one_sum)
def naive(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """One thread a row, and each row is read three times.

    中文：每个线程算一行，每一行读三遍。
    """
    y = launch.empty(x.shape, x.dtype)
    rows, columns = table(x)
    launch.cuda_c(SOFTMAX, "softmax_naive", (blocks(rows, 128),), (128,), (y, x, rows, columns), dtype=x.dtype)
    return y


@softmax.forward.body("cuda-c-2-block", device="cuda", dtypes=WITH_HALF, covers=covers)
def block(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """One block a row: neighbouring threads read neighbouring numbers, and warp shuffles put their sums together.

    中文：每个线程块算一行：相邻线程读相邻的数，用线程束洗牌指令合并各线程的结果。
    """
    y = launch.empty(x.shape, x.dtype)
    rows, columns = table(x)
    launch.cuda_c(SOFTMAX, "softmax_block", (rows,), (256,), (y, x, columns), dtype=x.dtype)
    return y


@softmax.forward.body("cuda-c-3-online", device="cuda", dtypes=WITH_HALF, covers=covers)
def online(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """The maximum and the sum in one pass, so that a row is read twice.

    中文：一遍同时求最大值与和，每一行只读两遍。
    """
    y = launch.empty(x.shape, x.dtype)
    rows, columns = table(x)
    launch.cuda_c(SOFTMAX, "softmax_online", (rows,), (256,), (y, x, columns), dtype=x.dtype)
    return y


@softmax.forward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers)
def forward(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """Read once, 16 bytes at a time, and kept in registers; a warp for a short row, a block for one up to 32,768 long.

    中文：每次读 16 字节，每一行只读一遍，留在寄存器里；短行由一个线程束计算，长行（至多 32768 列）由一个线程块计算。
    """
    return along_rows(launch, SOFTMAX, "softmax", "softmax_online", x)


@softmax.backward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers)
def backward(launch: Launcher, dy: Any, y: Any, *, axis: int) -> Any:
    """One launch: both rows wait in registers for Σ dy y.

    中文：只启动一次：两行数据留在寄存器里，等 Σ dy y 求出。
    """
    return along_rows(launch, BACKWARD, "softmax_backward", "softmax_backward_long", dy, y)


@softmax.log_forward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers)
def log_forward(launch: Launcher, x: Any, *, axis: int = -1) -> Any:
    """One launch: a row is read once and kept in registers.

    中文：只启动一次：每一行只读一遍，留在寄存器里。
    """
    return along_rows(launch, LOG_SOFTMAX, "log_softmax", "log_softmax_online", x)


@softmax.log_backward.body("cuda-c", device="cuda", dtypes=WITH_HALF, covers=covers)
def log_backward(launch: Launcher, dy: Any, y: Any, *, axis: int) -> Any:
    """One launch: both rows wait in registers for Σ dy.

    中文：只启动一次：两行数据留在寄存器里，等 Σ dy 求出。
    """
    return along_rows(launch, BACKWARD, "log_softmax_backward", "log_softmax_backward_long", dy, y)


def along_rows(launch: Launcher, file: Path, name: str, name_of_long: str, *inputs: Any) -> Any:
    """Launch the kernel that keeps rows in registers; the other one, with a block a row, if they are too long."""
    x = inputs[0]
    out = launch.empty(x.shape, x.dtype)
    rows, columns = table(x)
    shares = share(*inputs)
    if shares is None:
        launch.cuda_c(file, name_of_long, (rows,), (LONG,), (out, *inputs, columns), dtype=x.dtype)
    else:
        launch.cuda_c(file, name, shares.grid, shares.block, (out, *inputs, rows, columns), dtype=x.dtype,
                      defines=shares.defines)
    return out
