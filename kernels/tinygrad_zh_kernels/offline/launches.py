"""Which kernels there are: what every body asks of its launcher, on every call of its contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh_kernels import rooms
from tinygrad_zh_kernels.kernel import Arguments, Kernel
from tinygrad_zh_kernels.launcher import Dim


class CudaC(NamedTuple):
    """A kernel of a .cu file, as it is compiled for a launch."""

    file: Path
    name: str
    dtype: str
    defines: tuple[str, ...]


class NumbaCuda(NamedTuple):
    """A @cuda.jit function and arguments of a launch; `dtype`, of the body's arrays."""

    kernel: Any
    arguments: tuple[Any, ...]
    dtype: str
    body: str


class Recorder:
    """A launcher that launches nothing and writes down what it is asked for."""

    multiprocessors = 132  # an H100's

    def __init__(self) -> None:
        self.cuda_c_launches: set[CudaC] = set()
        self.numba_launches: list[tuple[Any, tuple[Any, ...]]] = []

    def empty(self, shape: Dim, dtype: Any) -> Any:
        return np.zeros(shape, dtype)

    zeros = empty

    def cuda_c(self, file: Path, name: str, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, dtype: Any,
               shared: int = 0, defines: tuple[str, ...] = ()) -> None:
        self.cuda_c_launches.add(CudaC(file, name, np.dtype(dtype).name, tuple(defines)))

    def numba(self, kernel: Any, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, shared: int = 0) -> None:
        self.numba_launches.append((kernel, arguments))


def launches(kernels: Iterable[Kernel] | None = None) -> tuple[list[CudaC], list[NumbaCuda]]:
    """Everything that the bodies of these kernels launch; of all kernels if None."""
    recorder = Recorder()
    of_numba: dict[Any, NumbaCuda] = {}
    for kernel in kernels if kernels is not None else rooms.kernels().values():
        for body in rooms.bodies(kernel).values():
            if body.device != "cuda":
                continue
            for dtype in body.dtypes:
                for call in calls(kernel, dtype):
                    if not body.accepts(*call.arrays, **call.keywords):
                        continue
                    recorder.numba_launches.clear()
                    body.run(recorder, call)
                    for function, arguments in recorder.numba_launches:
                        key = function, tuple(_kind(x) for x in arguments)
                        of_numba.setdefault(key, NumbaCuda(function, arguments, dtype, str(body)))
    return sorted(recorder.cuda_c_launches), list(of_numba.values())


def calls(kernel: Kernel, dtype: str) -> Iterator[Arguments]:
    """The cases of a contract, and calls of small, middle and large sizes within its limits."""
    rng = np.random.default_rng(0)
    for case in kernel.cases.values():
        yield case(rng, np.dtype(dtype))
    for size in product(*(sorted({low, (low + high) // 2, high}) for low, high in kernel.limits)):
        yield kernel.arguments(rng, np.dtype(dtype), size)


def _kind(value: Any) -> Any:
    return (value.dtype.str, value.ndim) if isinstance(value, np.ndarray) else type(value)
