"""Matrix multiplication in CUDA C: the host's side of matmul.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygrad_zh_kernels import matmul
from tinygrad_zh_kernels.kernel import FLOATS
from tinygrad_zh_kernels.launcher import Dim, Launcher, blocks
from tinygrad_zh_kernels.matmul import batch, covers
from tinygrad_zh_kernels.row import aligned

FILE = Path(__file__).parent / "matmul.cu"
WITH_HALF = ("float16", *FLOATS)


def multiply(launch: Launcher, name: str, a: Any, b: Any, tile: Dim, block: Dim, defines: tuple[str, ...] = ()) -> Any:
    """A new C: a kernel whose blocks compute `tile` rows and columns of it."""
    m, k = a.shape[-2:]
    n = b.shape[-1]
    c = launch.empty((*a.shape[:-1], n), a.dtype)
    grid = (blocks(n, tile[1]), blocks(m, tile[0]), batch(a))
    launch.cuda_c(FILE, name, grid, block, (c, a, b, m, k, n), dtype=a.dtype, defines=defines)
    return c


def wide(a: Any, b: Any) -> tuple[str, ...]:
    """Whether four numbers may be read at once, from where every row of A and B begins."""
    together = a.shape[-1] % 4 == 0 and b.shape[-1] % 4 == 0 and aligned(a) and aligned(b)
    return ("WIDE=4",) if together else ("WIDE=1",)


@matmul.forward.body("cuda-c-1-naive", device="cuda", dtypes=WITH_HALF, covers=covers)
def naive(launch: Launcher, a: Any, b: Any) -> Any:
    """One thread a number of C, with neighbouring threads in neighbouring rows.

    中文：每个线程算 C 的一个数，相邻线程在相邻的行。
    """
    return multiply(launch, "matmul_naive", a, b, (32, 8), (32, 8))


@matmul.forward.body("cuda-c-2-coalesced", device="cuda", dtypes=WITH_HALF, covers=covers)
def coalesced(launch: Launcher, a: Any, b: Any) -> Any:
    """Neighbouring threads in neighbouring columns: they read neighbouring numbers of B, and the same one of A.

    中文：相邻线程在相邻的列：读 B 中相邻的数、A 中同一个数（合并访存）。
    """
    return multiply(launch, "matmul_coalesced", a, b, (8, 32), (32, 8))


@matmul.forward.body("cuda-c-3-shared-tile", device="cuda", dtypes=WITH_HALF, covers=covers)
def shared_tile(launch: Launcher, a: Any, b: Any) -> Any:
    """Tiles of A and B in shared memory: what a block fetches is used 32 times.

    中文：A、B 的小块放进共享内存：取来的每个数用 32 次。
    """
    return multiply(launch, "matmul_shared_tile", a, b, (32, 32), (32, 32))


@matmul.forward.body("cuda-c-4-register-tile", device="cuda", dtypes=WITH_HALF, covers=covers)
def register_tile(launch: Launcher, a: Any, b: Any) -> Any:
    """4 × 4 numbers of C a thread, in registers: what it takes from shared memory is used 4 times.

    中文：每个线程在寄存器里算 C 的 4 × 4 个数：从共享内存取来的每个数用 4 次。
    """
    return multiply(launch, "matmul_register_tile", a, b, (64, 64), (256,))


@matmul.forward.body("cuda-c-5-vectorised", device="cuda", dtypes=WITH_HALF, covers=covers)
def vectorised(launch: Launcher, a: Any, b: Any) -> Any:
    """8 × 8 numbers a thread, memory read 16 bytes at a time, and the tile of A transposed to make that possible.

    中文：每个线程算 8 × 8 个数；每次读 16 字节，为此把 A 的小块转置存放。
    """
    return multiply(launch, "matmul_vectorised", a, b, (128, 128), (256,), wide(a, b))


@matmul.forward.body("cuda-c-6-warp-tiled", device="cuda", dtypes=WITH_HALF, covers=covers)
def warp_tiled(launch: Launcher, a: Any, b: Any) -> Any:
    """The next tiles are fetched during the products (double buffering), and a warp's reads meet no bank conflict.

    中文：计算的同时取下一对小块（双缓冲）；按线程束分块，读共享内存没有存储体冲突。
    """
    return multiply(launch, "matmul_warp_tiled", a, b, (128, 128), (256,), wide(a, b))
