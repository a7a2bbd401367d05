"""Timing: calls take turns, so that a slow moment of the machine meets all of them, and medians are compared. 计时"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel

SHORTEST = 2e-4  # seconds: what one reading of the clock takes is lost in this
LONGEST = 1.0  # seconds: what takes longer is timed once
FEWEST, MOST = 5, 101  # rounds
BLOCKER = 1 << 28  # bytes: writing them keeps a GPU busy for some 0.1 ms, and pushes all else out of its cache

Call = Callable[[], Any]


class Timing(NamedTuple):
    """Seconds of one call: the median, the 10th and the 90th percentile, and over how many rounds."""

    seconds: float
    low: float
    high: float
    rounds: int


class Clock(Protocol):
    """Measures how many seconds `repeats` calls take together."""

    def __call__(self, call: Call, repeats: int) -> float: ...


def wall_clock(call: Call, repeats: int) -> float:
    """For calls that return when they are done: everything on the CPU."""
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return time.perf_counter() - started


class EventClock:
    """For calls that only queue work on the current CUDA stream: the GPU's own events. 事件计时

    Before the calls the GPU is given something else to do, for as long as the host needs to queue them. So what a
    launch costs the host is not in the figure, as in a CUDA graph, and the cache does not hold the inputs.
    """

    def __init__(self, cupy: Any) -> None:
        self._cuda = cupy.cuda
        self._blocker = cupy.empty(BLOCKER, dtype=np.uint8)
        self._block(1)  # compiles it
        self._blocks = self._elapsed(lambda: self._block(10))[1] / 10

    def __call__(self, call: Call, repeats: int) -> float:
        def calls() -> None:
            for _ in range(repeats):
                call()

        host, _ = self._elapsed(calls)
        self._block(math.ceil(2 * host / self._blocks))
        return self._elapsed(calls)[1]

    def _block(self, times: int) -> None:
        for _ in range(times):
            self._blocker.fill(0)

    def _elapsed(self, work: Call) -> tuple[float, float]:
        """Seconds until the host had queued the work, and that the GPU worked on it."""
        begin, end = self._cuda.Event(), self._cuda.Event()
        begin.record()
        started = time.perf_counter()
        work()
        queued = time.perf_counter() - started
        end.record()
        end.synchronize()
        return queued, self._cuda.get_elapsed_time(begin, end) / 1000


def interleaved(calls: Mapping[str, Call], *, seconds: float = 1.0, clock: Clock = wall_clock) -> dict[str, Timing]:
    """{name: Timing} of calls that take turns. 交替计时

    Each is called once before, to be compiled. There are as many rounds as fit into `seconds` times the number of
    calls, but at least 5; a call that is too short for the clock is repeated within a round, and one of more than a
    second is timed once.
    """
    repeats = {}
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        call()
        once = max(clock(call, 1), 1e-9)
        if once > LONGEST:
            samples[name].append(once)
        else:
            repeats[name] = max(1, math.ceil(SHORTEST / once))
    took = sum(clock(calls[name], repeats[name]) for name in repeats)
    rounds = min(MOST, max(FEWEST, int(seconds * len(repeats) / max(took, 1e-9))))
    for _ in range(rounds):
        for name in repeats:
            samples[name].append(clock(calls[name], repeats[name]) / repeats[name])
    return {name: _summary(times) for name, times in samples.items()}


def _summary(times: Sequence[float]) -> Timing:
    low, middle, high = np.percentile(times, (10, 50, 90))
    return Timing(float(middle), float(low), float(high), len(times))


def in_turn(function: Callable[[Arguments], Any], copies: Sequence[Arguments]) -> Call:
    """A call that takes the next copy of the arguments each time, so that none is still in a cache. 轮换输入"""
    turn = itertools.cycle(copies)
    return lambda: function(next(turn))


class Cost(NamedTuple):
    """What no body of a kernel can do without: bytes to move, operations to do."""

    bytes: int
    flops: int

    @property
    def intensity(self) -> float:
        """Operations a byte: where on the roofline a kernel stands."""
        return self.flops / self.bytes if self.bytes else 0.0


def cost(kernel: Kernel, arguments: Arguments, result: Any) -> Cost:
    """A kernel's least cost for these arguments; `result` is what any body returned for them. 最小代价"""
    results = result if isinstance(result, tuple) else (result,)
    return Cost(int(kernel.least_bytes(arguments, results)), int(kernel.flops(arguments)))
