"""GpuLauncher: bodies on CUDA, on a GPU. CUDA C through CuPy's RawModule, Numba CUDA on CuPy's stream. 在 GPU 上启动"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels.launcher import COMMON, Dim, prelude


@cache
def launcher() -> GpuLauncher:
    """The GPU's launcher, one for all. Raises RuntimeError in one sentence where there is no CuPy or no GPU."""
    try:
        import cupy
    except ImportError:
        raise RuntimeError('kernels on CUDA need CuPy: pip install "tinygrad-zh[gpu]"') from None
    if not cupy.is_available():
        raise RuntimeError("kernels on CUDA need an NVIDIA GPU and its driver; tinygrad-zh doctor says more, and the "
                           "emulator runs them without")
    return GpuLauncher(cupy)


class GpuLauncher:
    """A Launcher on CuPy's current GPU and stream.

    A .cu file is compiled once for every dtype and set of defines, by NVRTC, and kept on disk by CuPy.
    """

    def __init__(self, cupy: Any) -> None:
        self.cupy = cupy
        self._modules: dict[tuple[Path, str, tuple[str, ...]], Any] = {}
        self._functions: dict[tuple[Path, str, tuple[str, ...], str], Any] = {}
        self._shared: dict[Any, int] = {}
        self._streams: dict[int, Any] = {}

    @property
    def multiprocessors(self) -> int:
        """How many blocks truly run at once; for kernels that stay and loop."""
        return int(self.cupy.cuda.Device().attributes["MultiProcessorCount"])

    def array(self, x: Any) -> Any:
        """A NumPy array's values on the GPU; anything else as it is."""
        return self.cupy.asarray(x) if isinstance(x, np.ndarray) else x

    def empty(self, shape: Dim, dtype: Any) -> Any:
        """An array on the GPU, not initialised."""
        return self.cupy.empty(shape, dtype)

    def zeros(self, shape: Dim, dtype: Any) -> Any:
        """An array of zeros on the GPU."""
        return self.cupy.zeros(shape, dtype)

    def cuda_c(self, file: Path, name: str, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, dtype: Any,
               shared: int = 0, defines: tuple[str, ...] = ()) -> None:
        """Launch a kernel of a .cu file; see launcher.Launcher."""
        if not all(grid):
            return
        dtype = np.dtype(dtype)
        function = self._function(Path(file), dtype, defines, name)
        if shared > self._shared.get(function, 0):  # above 48 KiB, static memory included, a kernel has to ask
            self._shared[function] = function.max_dynamic_shared_size_bytes = shared
        function(grid, block, tuple([typed(x, dtype) for x in arguments]), shared_mem=shared)

    def numba(self, kernel: Any, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, shared: int = 0) -> None:
        """Launch a @cuda.jit function on CuPy's stream. It takes CuPy's arrays as they are."""
        if all(grid):
            kernel[grid, block, self._stream(), shared](*arguments)

    def _function(self, file: Path, dtype: np.dtype[Any], defines: tuple[str, ...], name: str) -> Any:
        key = file, dtype.name, defines, name
        function = self._functions.get(key)
        if function is None:
            if key[:3] not in self._modules:
                code = prelude(dtype, defines) + file.read_text(encoding="utf-8")
                self._modules[key[:3]] = self.cupy.RawModule(code=code, options=options(file))
            function = self._functions[key] = self._modules[key[:3]].get_function(name)
        return function

    def _stream(self) -> Any:
        """CuPy's current stream as Numba's. Numba then need not wait for CuPy's arrays before every launch."""
        pointer = self.cupy.cuda.get_current_stream().ptr
        if pointer not in self._streams:
            from numba import cuda

            config: Any = cuda.api.config
            config.CUDA_ARRAY_INTERFACE_SYNC = 0
            self._streams[pointer] = cuda.external_stream(pointer)
        return self._streams[pointer]


def options(file: Path) -> tuple[str, ...]:
    """What the compiler is told. CuPy keeps what it compiled by source and options, and does not see the headers: their
    digest among the options makes it compile anew when one changes."""
    headers = sorted({*COMMON.parent.rglob("*.cuh"), *file.parent.glob("*.cuh")})
    digest = hashlib.sha256(b"".join(header.read_bytes() for header in headers)).hexdigest()[:16]
    return ("--std=c++17", f"-I{COMMON.parent}", f"-I{file.parent}", f"-DHEADERS=0x{digest}")


def typed(x: Any, dtype: np.dtype[Any]) -> Any:
    """A Python int as C's int, a Python float as A; arrays and NumPy's scalars are what they are.

    CuPy would pass 8 bytes for either, and the kernel would read the wrong ones.
    """
    if isinstance(x, bool):
        return np.bool_(x)
    if isinstance(x, int):
        return np.int32(x)
    if isinstance(x, float):
        return np.float64(x) if dtype == np.float64 else np.float32(x)
    return x
