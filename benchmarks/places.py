"""Where kernels are timed: on the CPU, on a GPU, or on the CPU in a GPU's place, which only tries the program."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tinygrad_zh_kernels import Arguments, timing

MOST_COPIES = 1 << 32  # bytes: of the copies of the arguments that take turns


@dataclass(frozen=True)
class Place:
    """device: of the bodies that run there. formula: what runs the formula. cache: bytes that the calls' arguments
    must exceed together so that none is found in it; 0 on the CPU, where a training step finds them there too."""

    name: str
    device: str
    formula: str
    xp: Any
    clock: timing.Clock
    launch: Any = None
    cache: int = 0
    synchronize: Callable[[], Any] = lambda: None

    def put(self, given: Arguments) -> Arguments:
        """The arguments, there."""
        if self.launch is None or not hasattr(self.launch, "array"):
            return given
        return Arguments(tuple(map(self.launch.array, given.arrays)), given.keywords)

    def get(self, result: Any) -> tuple[Any, ...]:
        """The results as NumPy arrays."""
        results = result if isinstance(result, tuple) else (result,)
        return tuple(each.get() if hasattr(each, "get") else each for each in results)

    def copies(self, given: Arguments) -> list[Arguments]:
        """As many copies of the arguments as the cache cannot hold."""
        nbytes = max(1, sum(x.nbytes for x in given.arrays if hasattr(x, "nbytes")))
        count = min(1 + math.ceil(2 * self.cache / nbytes), max(1, MOST_COPIES // nbytes)) if self.cache else 1
        return [self.put(given) for _ in range(min(count, 64))]


@cache
def cpu() -> Place:
    return Place("cpu", "cpu", "numpy", np, timing.wall_clock)


@cache
def cuda() -> Place:
    """A GPU. Raises RuntimeError where there is none."""
    from tinygrad_zh.device import stream
    from tinygrad_zh_kernels.gpu import launcher

    stream()  # everything runs on the engine's, which can be captured
    launch = launcher()
    import cupy

    properties = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)
    return Place("cuda", "cuda", "cupy", cupy, timing.EventClock(cupy), launch, properties["l2CacheSize"],
                 lambda: cupy.cuda.get_current_stream().synchronize())


@cache
def emulated() -> Place:
    """Bodies on CUDA, on the CPU."""
    from tinygrad_zh_kernels.emulated import EmulatedLauncher

    return Place("emulated", "cuda", "numpy", np, timing.wall_clock, EmulatedLauncher())


PLACES = {"cpu": cpu, "cuda": cuda, "emulated": emulated}
