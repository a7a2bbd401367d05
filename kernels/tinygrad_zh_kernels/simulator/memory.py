"""Arrays that are watched: where a kernel reads and writes, and whether anything orders two accesses.

Every element that was touched has a record of who touched it and when. "When" is an Interval: what a thread does
between two synchronisations. Two accesses are ordered if a barrier of the block, or a chain of syncwarps, lies
between them; this is exact (vector clocks over the lanes of a warp, epochs over the warps of a block), so a race
is found on any schedule. (After C. Flanagan, S. Freund, FastTrack, PLDI 2009.)
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any, NoReturn

import numpy as np

from tinygrad_zh_kernels import emulator
from tinygrad_zh_kernels.simulator.errors import KernelError, Site, site


class Interval:
    """What one thread does between two synchronisations.

    epoch: how many barriers the block has passed. clock: how many syncwarps this lane has passed. seen: the
    clock of every lane of the warp up to which this one is after it.
    """

    __slots__ = ("block", "clock", "epoch", "lane", "name", "seen", "thread", "warp")

    def __init__(self, block: int, thread: int, name: str, epoch: int, clock: int, seen: tuple[int, ...]) -> None:
        self.block, self.thread, self.name = block, thread, name
        self.warp, self.lane = divmod(thread, 32)
        self.epoch, self.clock, self.seen = epoch, clock, seen

    def after(self, other: Interval) -> bool:
        """Whether something orders the other interval before this one."""
        return other.block == self.block and (
            other.epoch < self.epoch or other.thread == self.thread
            or (other.warp == self.warp and self.seen[other.lane] >= other.clock))


class Now:
    """Which thread runs, in which of its intervals; and, while it is the watched one, what it stores and is told."""

    interval: Interval

    def __init__(self) -> None:
        self.watched = False
        self.stored: dict[str, Any] = {}
        self.events: list[str] = []

    def tell(self, event: str) -> None:
        """Something for the steps of the watched thread."""
        if self.watched:
            self.events.append(event)

    def fault(self, what: str) -> NoReturn:
        """Raise KernelError: what, where the kernel is, and in which thread."""
        raise KernelError(f"{what}, at {site()} in {self.interval.name}")


class Record:
    """Who touched one element last, and from where: the write, the reads since, the atomic operations since."""

    __slots__ = ("atomics", "readers", "wrote", "wrote_at")

    def __init__(self) -> None:
        self.wrote: Interval | None = None
        self.wrote_at: Any = None
        self.readers: dict[Interval, tuple[Any, int]] = {}
        self.atomics: dict[Interval, tuple[Any, int]] = {}


class Memory:
    """One piece of memory and the records of its elements.

    fresh: nobody has written it, so reading is a mistake until somebody does (shared and local memory). Global memory
    may come from an earlier launch; there, poison tells that nobody has written it.
    """

    __slots__ = ("_float", "_get", "_pattern", "_poison", "flat", "fresh", "name", "now", "records")

    def __init__(self, now: Now, flat: np.ndarray[Any, Any], name: Callable[[int], str], fresh: bool) -> None:
        self.now, self.flat, self.name, self.fresh = now, flat, name, fresh
        self.records: dict[int, Record] = {}
        self._float = flat.dtype.kind == "f"
        self._get: Callable[[int], Any] = flat.__getitem__ if self._float else flat.item
        poisoned = poison(flat.dtype)
        self._poison, self._pattern = poisoned[0], poisoned.tobytes()

    def read(self, at: int) -> Any:
        """The element, after the check that nobody may be writing it and that somebody has."""
        now = self.now.interval
        record = self.records.get(at)
        if record is None:
            if self.fresh:
                self._unwritten(at)
            record = self.records[at] = Record()
        elif now in record.readers:  # checked, and what came after it checked against this read
            return self._get(at)
        wrote = record.wrote
        if wrote is not None and wrote is not now and not now.after(wrote):
            self._race("reads", at, "wrote", wrote, record.wrote_at)
        if record.atomics:
            self._alone("reads", at, "changed", record.atomics)
        frame = sys._getframe(2)
        record.readers[now] = frame.f_code, frame.f_lasti
        return self._value(at)

    def write(self, at: int, value: Any) -> None:
        """Store the element, after the check that nobody else may be reading or writing it."""
        now = self.now.interval
        record = self.records.get(at)
        if record is None:
            record = self.records[at] = Record()
        else:
            wrote = record.wrote
            if wrote is not None and wrote is not now and not now.after(wrote):
                self._race("writes", at, "wrote", wrote, record.wrote_at)
            if record.readers:
                self._alone("writes", at, "read", record.readers)
                record.readers = {}
            if record.atomics:
                self._alone("writes", at, "changed", record.atomics)
                record.atomics = {}
        record.wrote = now
        frame = sys._getframe(2)
        record.wrote_at = frame.f_code, frame.f_lasti
        self._store(at, value)

    def change(self, at: int, new: Callable[[Any], Any]) -> Any:
        """An atomic operation: store new(old) and return old. Two of them are never a race."""
        now = self.now.interval
        record = self.records.get(at)
        if record is None:
            if self.fresh:
                self._unwritten(at)
            record = self.records[at] = Record()
        wrote = record.wrote
        if wrote is not None and wrote is not now and not now.after(wrote):
            self._race("changes", at, "wrote", wrote, record.wrote_at)
        if record.readers:
            self._alone("changes", at, "read", record.readers)
        frame = sys._getframe(3)
        record.atomics[now] = frame.f_code, frame.f_lasti
        old = self._value(at)
        self._store(at, new(old))
        return old

    def _value(self, at: int) -> Any:
        value = self._get(at)
        poisoned = value != value if self._float else value == self._poison
        if poisoned and not self.fresh and self.flat[at : at + 1].tobytes() == self._pattern:  # a bool too has 8 bits
            self._unwritten(at)
        return value

    def _store(self, at: int, value: Any) -> None:
        dtype = self.flat.dtype
        if dtype.kind == "f" and dtype.itemsize < 8 and type(value) in (float, np.float64):
            self.now.fault(f"a float64 value is stored in {self.name(at)}, which is {dtype}; a number without a type "
                           f"made it so, as in 0.5 * x for {dtype}(0.5) * x")
        if self.now.watched:
            self.now.stored[self.name(at)] = value
        try:
            self.flat[at] = value
        except OverflowError:
            self.now.fault(f"{value} is stored in {self.name(at)}, which is {dtype} and cannot hold it")
        except ValueError:
            self.now.fault(f"{self.name(at)} is written, and it is constant")

    def _alone(self, does: str, at: int, did: str, others: dict[Interval, tuple[Any, int]]) -> None:
        now = self.now.interval
        for other, where in others.items():
            if other is not now and not now.after(other):
                self._race(does, at, did, other, where)

    def _race(self, does: str, at: int, did: str, other: Interval, where: tuple[Any, int]) -> NoReturn:
        self.now.fault(f"race: this thread {does} {self.name(at)}, which {other.name} {did} at {Site(*where)}, and "
                       "nothing orders the two")

    def _unwritten(self, at: int) -> NoReturn:
        self.now.fault(f"{self.name(at)} is read before anybody has written it")


class Watched:
    """An array as a kernel sees it: indexed by integers, all of them in range."""

    __slots__ = ("_memory", "_offset", "_places", "_steps", "dtype", "ndim", "shape", "size")

    def __init__(self, memory: Memory, offset: int, shape: tuple[int, ...], steps: tuple[int, ...]) -> None:
        self._memory, self._offset, self._steps = memory, offset, steps
        self.dtype, self.shape, self.ndim, self.size = memory.flat.dtype, shape, len(shape), math.prod(shape)
        self._places: dict[Any, int] = {}  # of the indices that were looked at before, which is half of the time

    def __getitem__(self, key: Any) -> Any:
        at = self._places.get(key)
        if at is None:
            keys = key if type(key) is tuple else (key,)
            at = self._at(keys)
            if len(keys) < self.ndim:
                return Watched(self._memory, at, self.shape[len(keys):], self._steps[len(keys):])
            self._places[key] = at
        return self._memory.read(at)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._memory.write(self._element(key), value)

    def change(self, key: Any, new: Callable[[Any], Any]) -> Any:
        """An atomic operation; see Memory.change."""
        return self._memory.change(self._element(key), new)

    def _element(self, key: Any) -> int:
        keys = key if type(key) is tuple else (key,)
        if len(keys) < self.ndim:
            self._memory.now.fault(f"{self._memory.name(-1)} has {self.ndim} axes, not {len(keys)}")
        return self._at(keys)

    def _at(self, keys: tuple[Any, ...]) -> int:
        """Where the element, or the beginning of the row, stands in memory."""
        if len(keys) > self.ndim:
            self._memory.now.fault(f"{self._memory.name(-1)} has {self.ndim} axes, not {len(keys)}")
        at = self._offset
        for i, n, step in zip(keys, self.shape, self._steps, strict=False):
            if not 0 <= i < n:
                self._memory.now.fault(f"index {i} is out of range 0 … {n - 1} in {self._memory.name(-1)}, whose shape "
                                       f"is {self.shape}")
            at += i * step
        return operator.index(at)

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))


@cache
def poison(dtype: np.dtype[Any]) -> Any:
    """One element of what EmulatedLauncher.empty fills an array of this dtype with."""
    array = np.empty(1, dtype)
    emulator.poison([array])
    return array


def fresh(now: Now, shape: tuple[int, ...], dtype: np.dtype[Any], name: Callable[[], str]) -> Watched:
    """New shared or local memory, all poison."""
    flat = np.repeat(poison(dtype), math.prod(shape))
    return _whole(Memory(now, flat, _named(name, shape), fresh=True), shape)


def _whole(memory: Memory, shape: tuple[int, ...]) -> Watched:
    steps = tuple(math.prod(shape[axis + 1:]) for axis in range(len(shape)))
    return Watched(memory, 0, shape, steps)


def constant(now: Now, array: np.ndarray[Any, Any], name: Callable[[], str]) -> Watched:
    """Constant memory: a copy that nobody can write."""
    flat = array.flatten()
    flat.flags.writeable = False
    return _whole(Memory(now, flat, _named(name, array.shape), fresh=False), array.shape)


def arguments(now: Now, values: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    """The arguments as a kernel sees them: arrays watched, numbers of the type that Numba would give them."""
    watched: dict[int, Watched] = {}
    arrays = [(x, name) for x, name in zip(values, names, strict=True) if isinstance(x, np.ndarray)]
    for start, end, group in _overlapping(arrays):
        writable = next((x for x, _ in group if x.flags.writeable), group[0][0])
        item = writable.itemsize
        # A flat view of all the bytes that the group covers, from one array whose address is known.
        flat = np.lib.stride_tricks.as_strided(writable, ((end - _address(writable)) // item,), (item,))
        if (before := _address(writable) - start):
            flat = np.lib.stride_tricks.as_strided(flat[::-1], (len(flat) + before // item,), (-item,))[::-1]
        names_of_group = partial(" or ".join, [name for _, name in group])
        memory = Memory(now, flat, _named(names_of_group, group[0][0].shape), fresh=False)
        for x, _ in group:
            steps = tuple(s // item for s in x.strides)
            watched[id(x)] = Watched(memory, (_address(x) - start) // item, x.shape, steps)
    return tuple(watched[id(x)] if isinstance(x, np.ndarray) else number(x, name)
                 for x, name in zip(values, names, strict=True))


def _overlapping(arrays: list[tuple[Any, str]]) -> list[tuple[int, int, list[tuple[Any, str]]]]:
    """(start, end, arrays): arrays of one dtype that share bytes are one piece of memory, and race in it."""
    groups: list[tuple[int, int, list[tuple[Any, str]]]] = []
    for x, name in sorted(arrays, key=lambda pair: (pair[0].dtype.str, _address(pair[0]))):
        if any(s < 0 or s % x.itemsize for s in x.strides):
            raise KernelError(f"argument {name} is a view that steps backwards or between elements; pass a copy")
        start = _address(x)
        end = start + (sum((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)) + x.itemsize if x.size else 0)
        if groups and groups[-1][2][0][0].dtype == x.dtype and start < groups[-1][1]:
            first, last, group = groups.pop()
            groups.append((first, max(last, end), [*group, (x, name)]))
        else:
            groups.append((start, end, [(x, name)]))
    return groups


def _address(x: np.ndarray[Any, Any]) -> int:
    return int(x.__array_interface__["data"][0])


def _named(name: Callable[[], str], shape: tuple[int, ...]) -> Callable[[int], str]:
    """Names an element by its place in the flat memory: -1 for the whole. The name is asked for when it is wanted."""
    def of(at: int) -> str:
        if at < 0 or at >= math.prod(shape):
            return name() if at < 0 else f"{name()}[{at}]"
        return f"{name()}[{', '.join(str(i) for i in np.unravel_index(at, shape))}]"

    return of


def number(value: Any, name: str) -> Any:
    """A number as Numba types it: an int is 64 bits, a Python float is float64."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, np.floating):
        return value
    raise KernelError(f"argument {name} is a {type(value).__name__}; a kernel takes NumPy arrays and numbers")
