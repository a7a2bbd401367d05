"""Launcher: how a body on CUDA starts its kernels. All that differs between a GPU and its stand-ins."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

Dim = tuple[int, ...]
COMMON = Path(__file__).parent / "common.cuh"


class Launcher(Protocol):
    """Runs kernels on some device: a GPU, the emulator of CUDA C, or the simulator of Numba's CUDA.

    Host code, the size of the grid, the shared bytes and the order of the arguments, is the same on each, so it is
    tested without a GPU. A launch with an empty grid does nothing.
    """

    multiprocessors: int
    """How many blocks truly run at once; for kernels that stay and loop."""

    def empty(self, shape: Dim, dtype: Any) -> Any:
        """An array on the device, not initialised. The stand-ins fill it with poison."""

    def zeros(self, shape: Dim, dtype: Any) -> Any:
        """An array of zeros on the device."""

    def cuda_c(self, file: Path, name: str, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, dtype: Any,
               shared: int = 0, defines: tuple[str, ...] = ()) -> None:
        """Launch kernel `name` of a .cu file, compiled for `dtype`: T in memory, A for sums (see common.cuh).

        A Python int is passed as int, a Python float as A; give NumPy scalars for any other type. `shared`: bytes of
        dynamic shared memory. `defines`: "NAME=value" for the compiler.
        """

    def numba(self, kernel: Any, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, shared: int = 0) -> None:
        """Launch a @cuda.jit function."""


def blocks(n: int, threads: int) -> int:
    """⌈n / threads⌉: the blocks that n threads need."""
    return -(-n // threads)


def prelude(dtype: Any, defines: tuple[str, ...] = ()) -> str:
    """The lines that come before a .cu file: T, A and the defines.

    In the source and not as options of the compiler: there T would already be replaced in NVIDIA's own headers, whose
    templates have parameters of that name.
    """
    name = np.dtype(dtype).name
    half = "#include <cuda_fp16.h>\n#define T_IS_HALF\n" if name == "float16" else ""
    memory = {"float16": "__half", "float32": "float", "float64": "double"}[name]
    sums = "double" if name == "float64" else "float"
    macros = (f"T {memory}", f"A {sums}", *(define.replace("=", " ", 1) for define in defines))
    return half + "".join(f"#define {macro}\n" for macro in macros) + "#line 1\n"
