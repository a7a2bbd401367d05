"""Running a grid: one block after the other, a greenlet a thread, switching where the threads wait for each other."""

from __future__ import annotations

import gc
import inspect
import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from types import FunctionType
from typing import Any

import numpy as np
from greenlet import greenlet

from tinygrad_zh_kernels import emulator
from tinygrad_zh_kernels.simulator.errors import KernelError, raised_at
from tinygrad_zh_kernels.simulator.memory import Interval, Now, arguments
from tinygrad_zh_kernels.simulator.names import WARP, Cuda, Wait, three
from tinygrad_zh_kernels.simulator.rebinding import Rebinding
from tinygrad_zh_kernels.simulator.stepping import Steps

Three = tuple[int, int, int]
MOST_THREADS = 1024


def run(kernel: Any, grid: Three, block: Three, values: tuple[Any, ...], shared: int, order: int,
        watch: emulator.Thread | None) -> list[emulator.Step]:
    """See simulator.launch."""
    if block[0] * block[1] * block[2] > MOST_THREADS or min(block) < 1:
        raise KernelError(f"a block of {block} threads: it has 1 to {MOST_THREADS} of them")
    now = Now()
    scheduler = Scheduler(now, grid, block, shared, order)
    rebinding = Rebinding(scheduler.cuda)
    function = rebinding.function(kernel)
    names = tuple(inspect.signature(function).parameters)
    if len(names) != len(values):
        raise KernelError(f"{function.__name__} takes {len(names)} arguments ({', '.join(names)}), not {len(values)}")
    scheduler.steps = Steps(now, function.__name__, rebinding.codes)
    scheduler.values = arguments(now, values, names)
    try:
        with np.errstate(all="ignore"), without_collection():  # a GPU makes an infinity or a NaN and says nothing
            for number, index in enumerate(scheduler.blocks):
                scheduler.block(function, number, index, watch)
    except KernelError as error:
        error.steps = scheduler.steps.done
        raise
    return scheduler.steps.done


@contextmanager
def without_collection() -> Iterator[None]:
    """The garbage collector stays away: it would look through the records of every element again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Thread:
    """One CUDA thread: its greenlet, what it waits at, and what it brought there."""

    __slots__ = ("given", "greenlet", "idx", "interval", "lane", "received", "wait", "watched")

    def __init__(self, interval: Interval, idx: Any, body: greenlet, watched: bool) -> None:
        self.interval, self.idx, self.greenlet, self.lane = interval, idx, body, interval.lane
        self.watched = watched
        self.wait: Wait | None = None
        self.given: Any = None
        self.received: Any = None


class Scheduler:
    """Who runs next. `order` is described at simulator.launch."""

    def __init__(self, now: Now, grid: Three, block: Three, shared: int, order: int) -> None:
        self.now, self.shared, self.lock_step = now, shared, bool(order & 1)
        self.cuda = Cuda(now, grid, block, self.wait)
        self.main = greenlet.getcurrent()
        self.places = [(x, y, z) for z in range(block[2]) for y in range(block[1]) for x in range(block[0])]
        self.blocks = [(x, y, z) for z in range(grid[2]) for y in range(grid[1]) for x in range(grid[0])]
        self.warps = [range(first, min(first + WARP, len(self.places))) for first in range(0, len(self.places), WARP)]
        self.lanes = list(range(WARP))
        if order & 2:
            for sequence in (self.blocks, self.warps, self.lanes):
                sequence.reverse()
        if order >= 4:
            chance = random.Random(order)
            chance.shuffle(self.warps)
            chance.shuffle(self.lanes)
        self.thread: Thread
        self.values: tuple[Any, ...]
        self.steps: Steps

    def wait(self, at: Wait, given: Any) -> Any:
        """Called in a thread: let others run until those that it waits for have come; then what they brought."""
        thread = self.thread
        thread.wait, thread.given = at, given
        if thread.watched:
            self.steps.off()
        self.main.switch()
        if thread.watched:
            self.steps.on()
        return thread.received

    def block(self, function: FunctionType, number: int, index: Three, watch: emulator.Thread | None) -> None:
        """Run one block to its end."""
        self.cuda.blockIdx = three(index)
        self.cuda.shared.renew(self.shared)
        context, nothing_seen = copy_context(), (-1,) * WARP
        threads = []
        for i, place in enumerate(self.places):
            name = f"thread {place} of block {index}"
            watched = watch == (index, place)
            body = greenlet(partial(self._stepped, function) if watched else function, self.main)
            body.gr_context = context.copy()  # of NumPy's errstate
            threads.append(Thread(Interval(number, i, name, 0, 0, nothing_seen), three(place), body, watched))
        warps = [[threads[warp[lane]] for lane in self.lanes if lane < len(warp)] for warp in self.warps]
        while any(warps):
            moved = [self._warp(warp) for warp in warps]
            if not any(moved):
                self._barrier([thread for warp in warps for thread in warp])

    def _stepped(self, function: FunctionType, *values: Any) -> None:
        self.steps.on()
        try:
            function(*values)
        finally:
            self.steps.off()

    def _warp(self, warp: list[Thread]) -> bool:
        """Run a warp: as far as it can, or in lock-step to its next collective. Whether any thread moved."""
        moved = False
        while True:
            ready = [thread for thread in warp if thread.wait is None]
            for thread in ready:
                self._resume(thread)
            moved = moved or bool(ready)
            warp[:] = [thread for thread in warp if not thread.greenlet.dead]
            if not self._release(warp) or self.lock_step:
                return moved

    def _resume(self, thread: Thread) -> None:
        self.thread, self.now.interval = thread, thread.interval
        self.cuda.threadIdx, self.cuda.laneid = thread.idx, thread.lane
        try:
            thread.greenlet.switch(*(() if thread.greenlet else self.values))
        except KernelError:
            raise
        except Exception as error:
            raise KernelError(f"{type(error).__name__}: {error}, at {raised_at(error.__traceback__)} in "
                              f"{thread.interval.name}") from error

    def _release(self, warp: list[Thread]) -> bool:
        """Let every complete group of lanes past its collective. An exited lane is not waited for, as on a GPU."""
        alive = sum(1 << thread.lane for thread in warp)
        groups: dict[Any, list[Thread]] = {}
        for thread in warp:
            if thread.wait is not None and thread.wait.mask is not None:
                groups.setdefault(thread.wait.key, []).append(thread)
        released = False
        for group in groups.values():
            wait = group[0].wait
            assert wait is not None and wait.mask is not None
            if wait.mask & alive == sum(1 << thread.lane for thread in group):
                self._together(group)
                released = True
        return released

    @staticmethod
    def _together(group: list[Thread]) -> None:
        """The lanes exchange what they brought. After syncwarp each comes after all that any of them did; a shuffle or
        a vote orders no memory (CUDA C++ Programming Guide, Warp Shuffle Functions)."""
        brought = {thread.lane: thread.given for thread in group}
        if group[0].wait is not None and group[0].wait.what == "syncwarp":
            before = {id(thread.interval.seen): thread.interval.seen for thread in group}.values()
            seen = [max(clocks) for clocks in zip(*before, strict=True)]
            for thread in group:
                seen[thread.lane] = thread.interval.clock
            together = tuple(seen)
            for thread in group:
                was = thread.interval
                thread.interval = Interval(was.block, was.thread, was.name, was.epoch, was.clock + 1, together)
        for thread in group:
            thread.received, thread.wait = brought, None

    def _barrier(self, threads: list[Thread]) -> None:
        """Nobody can run: all wait at one barrier of the block, and pass it, or the kernel is wrong."""
        by_place: dict[Any, Thread] = {}
        for thread in threads:
            assert thread.wait is not None
            by_place.setdefault(thread.wait.key, thread)
        stuck = next((t for t in by_place.values() if t.wait is not None and t.wait.mask is not None), None)
        if stuck is not None:
            self._deadlock(stuck, threads)
        if len(by_place) > 1:
            one, other, *_ = by_place.values()
            raise KernelError(f"barrier divergence: {_waits(one)}, while {_waits(other)}")
        votes = [thread.given for thread in threads]
        for thread in threads:
            was = thread.interval
            thread.interval = Interval(was.block, was.thread, was.name, was.epoch + 1, was.clock, was.seen)
            thread.received, thread.wait = votes, None

    @staticmethod
    def _deadlock(stuck: Thread, threads: list[Thread]) -> None:
        wait = stuck.wait
        assert wait is not None and wait.mask is not None
        missing = next(t for t in threads if t.interval.warp == stuck.interval.warp and wait.mask >> t.lane & 1
                       and t.wait is not None and t.wait.key != wait.key)
        raise KernelError(f"deadlock: {_waits(stuck)} for lane {missing.lane}, while {_waits(missing)}")


def _waits(thread: Thread) -> str:
    assert thread.wait is not None
    mask = "" if thread.wait.mask is None else f" with mask {thread.wait.mask:#010x}"
    return f"{thread.interval.name} waits in {thread.wait.what}{mask} at {thread.wait.where}"
