"""Calls take turns; what is short is repeated; medians and percentiles are of the rounds. On a clock of its own."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh_kernels import Arguments, Kernel
from tinygrad_zh_kernels.peaks import Peaks, _triad, bandwidth, peaks
from tinygrad_zh_kernels.timing import BLOCKER, Cost, EventClock, cost, in_turn, interleaved


class Clock:
    """A clock on which a call takes as many seconds as it returns."""

    def __init__(self):
        self.read = []

    def __call__(self, call, repeats):
        took = [call() for _ in range(repeats)]
        self.read.append((took[0], repeats))
        return sum(took)


def test_calls_take_turns_and_the_short_one_is_repeated():
    clock = Clock()
    found = interleaved({"short": lambda: 1e-5, "long": lambda: 0.1}, seconds=1.0, clock=clock)
    assert found["short"].seconds == pytest.approx(1e-5)
    assert found["long"] == (pytest.approx(0.1), pytest.approx(0.1), pytest.approx(0.1), 19)
    assert clock.read[-4:] == [(1e-5, 20), (0.1, 1)] * 2


def test_what_takes_long_is_timed_once():
    clock = Clock()
    found = interleaved({"short": lambda: 0.1, "long": lambda: 2.0}, seconds=1.0, clock=clock)
    assert found["long"] == (2.0, 2.0, 2.0, 1) and found["short"].rounds == 10
    assert list(found) == ["short", "long"] and clock.read.count((2.0, 1)) == 1


def test_a_slow_moment_does_not_move_the_median():
    times = iter([1.0] * 4 + [1.0, 9.0, 1.0, 1.0, 2.0])
    found = interleaved({"a": lambda: next(times, 1.0)}, seconds=0, clock=Clock())
    assert (found["a"].seconds, found["a"].rounds) == (1.0, 5)
    assert found["a"].low == 1.0 < found["a"].high


def test_arguments_are_taken_in_turn():
    seen = []
    call = in_turn(seen.append, ["a", "b", "c"])
    for _ in range(5):
        call()
    assert seen == ["a", "b", "c", "a", "b"]


def test_the_cost_is_the_contract_s(monkeypatch):
    monkeypatch.setattr("tinygrad_zh_kernels.kernel._KERNELS", {})
    kernel = Kernel("testing.cost", formula="", arguments=lambda rng, dtype, size: Arguments(()), limits=(), sizes=(),
                    flops=lambda arguments: 3 * arguments.arrays[0].size)
    x = np.ones((2, 5), np.float32)
    assert cost(kernel, Arguments((x,)), (x, x[:1])) == Cost(40 + 40 + 20, 30)
    assert cost(kernel, Arguments((x,)), x).intensity == 30 / 80
    assert Cost(0, 3).intensity == 0


def half_a_second(call, repeats):
    call()
    return 0.5 * repeats


def test_peaks_count_every_byte_and_operation():
    found = peaks(np.float64, memory=1 << 12, cache=1 << 10, side=8, clock=half_a_second)
    assert found == Peaks(memory=3 * (1 << 12) / 0.5, cache=3 * (1 << 10) / 0.5, matmul=2 * 8**3 / 0.5)


def test_without_numba_the_copy_alone_is_measured(monkeypatch):
    _triad.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "numba", None)
    assert bandwidth(1 << 10, clock=half_a_second) == 2 * (1 << 10) / 0.5
    _triad.cache_clear()


class Gpu:
    """Of CuPy what the clock needs: a stream on which writing the blocker takes 0.1 ms, and a call 1 ms."""

    def __init__(self):
        self.now, self.blocked, self.cuda = 0.0, 0, self

    def empty(self, nbytes, dtype):
        assert nbytes == BLOCKER
        return self

    def fill(self, value):
        self.now += 1e-4
        self.blocked += 1

    def work(self):
        self.now += 1e-3

    def Event(self):
        return Event(self)

    def get_elapsed_time(self, begin, end):
        return 1000 * (end.at - begin.at)


class Event:
    def __init__(self, gpu):
        self.gpu = gpu

    def record(self):
        self.at = self.gpu.now

    def synchronize(self):
        assert self.at is not None


def test_the_gpu_is_kept_busy_while_the_host_queues_and_only_the_calls_are_measured():
    gpu = Gpu()
    clock = EventClock(gpu)
    before = gpu.blocked
    assert clock(gpu.work, 3) == pytest.approx(3e-3)
    assert gpu.blocked > before
