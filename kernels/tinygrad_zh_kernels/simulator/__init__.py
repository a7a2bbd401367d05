"""A simulator of Numba's CUDA: an unchanged @cuda.jit kernel runs on NumPy arrays. 中文：Numba CUDA 模拟器

    simulator.launch(kernel, (blocks,), (128,), (y, x))

The kernel's Python code runs in this process, one greenlet a CUDA thread, with a stand-in for the name `cuda`. So a
debugger stops in it, and it is exact where a GPU is silent: see `launch` for what is found.

How it is built: `rebinding` makes the copy of a kernel that names the stand-ins, `names` are the stand-ins, `threads`
runs blocks and warps, `memory` watches arrays, `stepping` records what one thread does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_zh_kernels.emulator import Step, Thread
from tinygrad_zh_kernels.simulator.errors import KernelError

__all__ = ["KernelError", "Step", "Thread", "launch"]


def launch(kernel: Any, grid: int | Sequence[int], block: int | Sequence[int], arguments: Sequence[Any], *,
           shared: int = 0, order: int = 0, watch: Thread | None = None) -> list[Step]:
    """Run every thread of a @cuda.jit kernel. 模拟运行一个核函数

    arguments: NumPy arrays, which the kernel reads and writes in place, and numbers. shared: bytes of dynamic shared
    memory. order, the schedule: 0 a warp runs as far ahead as it can, 1 the warps take turns from one synchronisation
    to the next, 2 and 3 the same with blocks, warps and lanes in reverse, from 4 on warps and lanes shuffled. A
    kernel without a race gives one result on every schedule. watch: the thread whose steps are returned, line by line.

    Raises KernelError, one sentence with the line and the thread, for
      · an index out of range, also a negative one; a read of memory that nobody has written
      · two threads at one element without a barrier between them, one of them writing (a race), whatever the schedule
      · a barrier that some threads reach and others do not; threads that wait for each other; a lane that is not in
        its own mask, or reads a lane that takes no part
      · more than 1024 threads, more shared memory than a block has
      · a float64 value stored in an array of smaller floats, or an integer in one that cannot hold it
      · whatever the kernel itself raises.

    Integers are Python's, which do not wrap around where 64 bits would.
    """
    from tinygrad_zh_kernels.simulator.threads import run  # here, so that the rooms are found without greenlet

    return run(kernel, _three(grid), _three(block), tuple(arguments), shared, order, watch)


def _three(dim: int | Sequence[int]) -> tuple[int, int, int]:
    x, y, z, *_ = (*(dim if isinstance(dim, Sequence) else (dim,)), 1, 1)
    return int(x), int(y), int(z)
