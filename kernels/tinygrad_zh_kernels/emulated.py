"""EmulatedLauncher: bodies on CUDA without a GPU, on NumPy arrays. 不用 GPU 运行 CUDA 计算核"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import emulator, simulator
from tinygrad_zh_kernels.emulator import KernelError, Step, Thread
from tinygrad_zh_kernels.launcher import Dim


class EmulatedLauncher:
    """A Launcher whose device is the CPU: CUDA C by the emulator, Numba CUDA by the simulator.

    order: in which order threads, warps and blocks take turns. 0: forward, each warp as far as it can; 1: forward, in
    small steps; 2 and 3: the same backward; from 4 on: shuffled. A correct kernel gives one result in all of them,
    up to the rounding of floating-point atomics.
    watch: one thread of one block, whose every statement is kept in `steps`, from launch to launch:

        launch = EmulatedLauncher(watch=Thread(block=(0, 0, 0), thread=(3, 0, 0)))
    """

    multiprocessors = 3  # so few that kernels which stay and loop do loop

    def __init__(self, order: int = 0, watch: Thread | None = None) -> None:
        self.order = order
        self.watch = watch
        self.steps: list[Step] = []
        self._launches = 0

    def empty(self, shape: Dim, dtype: Any) -> np.ndarray:
        """An array full of poison: who reads it before it is written is told so."""
        array = np.empty(shape, dtype)
        emulator.poison([array])
        return array

    def zeros(self, shape: Dim, dtype: Any) -> np.ndarray:
        """An array of zeros."""
        return np.zeros(shape, dtype)

    def cuda_c(self, file: Path, name: str, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, dtype: Any,
               shared: int = 0, defines: tuple[str, ...] = ()) -> None:
        """Launch a kernel of a .cu file. Raises KernelError for whatever CUDA forbids; see launcher.Launcher."""
        dtype = np.dtype(dtype)
        module = emulator.load(file, dtype, defines, traced=self.watch is not None)
        self._keep(lambda: module.run(name, grid, block, arguments, dtype, shared=shared, order=self.order,
                                      watch=self.watch))

    def numba(self, kernel: Any, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, shared: int = 0) -> None:
        """Launch a @cuda.jit function. Raises KernelError; see simulator.launch."""
        self._keep(lambda: simulator.launch(kernel, grid, block, arguments, shared=shared, order=self.order,
                                            watch=self.watch))

    def _keep(self, launch: Callable[[], list[Step]]) -> None:
        """Launch, and keep the steps of the watched thread, those before a failure too."""
        steps: list[Step] = []
        try:
            steps = launch()
        except KernelError as error:
            steps = error.steps
            raise
        finally:
            self.steps += [replace(step, launch=self._launches) for step in steps]
            self._launches += 1
