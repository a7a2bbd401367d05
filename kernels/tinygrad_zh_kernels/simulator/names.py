"""The stand-ins: what `cuda`, `math`, `max`, `min` and Numba's types mean inside a simulated kernel."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tinygrad_zh_kernels.simulator.errors import Site
from tinygrad_zh_kernels.simulator.memory import Now, Watched, constant, fresh

WARP = 32
STATIC = 48 * 1024  # bytes of shared memory that a block has without asking for more, on every NVIDIA GPU


class Wait:
    """What a thread waits at: a barrier of the block (mask None) or a collective of the lanes in `mask`."""

    __slots__ = ("key", "mask", "what", "where")

    def __init__(self, what: str, mask: int | None, where: Site) -> None:
        self.what, self.mask, self.where = what, mask, where
        self.key = what, mask, id(where.code), where.instruction


class Cuda:
    """Stands for `cuda` in the kernel. The scheduler sets whose turn it is: threadIdx, blockIdx, laneid."""

    warpsize = WARP

    def __init__(self, now: Now, grid: tuple[int, int, int], block: tuple[int, int, int],
                 wait: Callable[[Wait, Any], Any]) -> None:
        self._now, self._wait = now, wait
        self.gridDim, self.blockDim = three(grid), three(block)
        self.threadIdx, self.blockIdx, self.laneid = three((0, 0, 0)), three((0, 0, 0)), 0
        self.shared = Shared(now)
        self.local = SimpleNamespace(array=self._local)
        self.const = SimpleNamespace(array_like=self._constant)
        self.atomic = Atomic(now)

    def grid(self, axes: int) -> Any:
        """The thread's place in the whole grid."""
        return self._axes(axes, lambda i: getattr(self.blockIdx, i) * getattr(self.blockDim, i)
                          + getattr(self.threadIdx, i))

    def gridsize(self, axes: int) -> Any:
        """How many threads the whole grid has."""
        return self._axes(axes, lambda i: getattr(self.gridDim, i) * getattr(self.blockDim, i))

    @staticmethod
    def _axes(axes: int, of: Callable[[str], int]) -> Any:
        return of("x") if axes == 1 else tuple(of(i) for i in "xyz"[:axes])

    # ---- memory

    def _local(self, shape: Any, dtype: Any) -> Watched:
        where = _here(2)
        return fresh(self._now, sizes(shape), numpy_dtype(dtype), lambda: where.target or "a local array")

    def _constant(self, array: Any) -> Watched:
        where = _here(2)
        return constant(self._now, np.asarray(array), lambda: where.target or "a constant array")

    def threadfence(self) -> None:
        """Orders this thread's writes for others to see; it makes nobody wait, so it orders no accesses here."""

    threadfence_block = threadfence_system = threadfence

    # ---- barriers of the block

    def _barrier(self, what: str, given: Any) -> list[Any]:
        self._now.tell(f"waits at {what}")
        votes: list[Any] = self._wait(Wait(what, None, _here(3)), given)
        return votes

    def syncthreads(self) -> None:
        self._barrier("syncthreads", None)

    def syncthreads_count(self, predicate: Any) -> int:
        return sum(self._barrier("syncthreads_count", bool(predicate)))

    def syncthreads_and(self, predicate: Any) -> int:
        return int(all(self._barrier("syncthreads_and", bool(predicate))))

    def syncthreads_or(self, predicate: Any) -> int:
        return int(any(self._barrier("syncthreads_or", bool(predicate))))

    # ---- collectives of a warp

    def _collect(self, what: str, mask: int, given: Any, depth: int = 3) -> dict[int, Any]:
        mask = int(mask) & 0xFFFFFFFF
        if not mask >> self.laneid & 1:
            self._now.fault(f"lane {self.laneid} calls {what} with the mask {mask:#010x}, in which it is not itself")
        lanes: dict[int, Any] = self._wait(Wait(what, mask, _here(depth)), given)
        return lanes

    def _shuffle(self, what: str, mask: int, value: Any, source: int) -> Any:
        lanes = self._collect(what, mask, value, depth=4)
        if source not in lanes:
            self._now.fault(f"lane {self.laneid} takes a value from lane {source}, which takes no part")
        self._now.tell(f"{what}: gives {value:.6g}; receives {lanes[source]:.6g} from lane {source}")
        return lanes[source]

    def syncwarp(self, mask: int = 0xFFFFFFFF) -> None:
        self._now.tell("waits at syncwarp")
        self._collect("syncwarp", mask, None)

    def shfl_sync(self, mask: int, value: Any, source: int) -> Any:
        return self._shuffle("shfl_sync", mask, value, int(source) % WARP)

    def shfl_xor_sync(self, mask: int, value: Any, flips: int) -> Any:
        return self._shuffle("shfl_xor_sync", mask, value, self.laneid ^ int(flips) % WARP)

    def shfl_up_sync(self, mask: int, value: Any, delta: int) -> Any:
        source = self.laneid - int(delta)
        return self._shuffle("shfl_up_sync", mask, value, source if source >= 0 else self.laneid)

    def shfl_down_sync(self, mask: int, value: Any, delta: int) -> Any:
        source = self.laneid + int(delta)
        return self._shuffle("shfl_down_sync", mask, value, source if source < WARP else self.laneid)

    def ballot_sync(self, mask: int, predicate: Any) -> int:
        return sum(1 << lane for lane, yes in self._collect("ballot_sync", mask, bool(predicate)).items() if yes)

    def all_sync(self, mask: int, predicate: Any) -> bool:
        return all(self._collect("all_sync", mask, bool(predicate)).values())

    def any_sync(self, mask: int, predicate: Any) -> bool:
        return any(self._collect("any_sync", mask, bool(predicate)).values())

    def eq_sync(self, mask: int, predicate: Any) -> bool:
        return len(set(self._collect("eq_sync", mask, bool(predicate)).values())) == 1

    def match_any_sync(self, mask: int, value: Any) -> int:
        return sum(1 << lane for lane, other in self._collect("match_any_sync", mask, value).items() if other == value)

    # ---- arithmetic

    @staticmethod
    def fma(a: Any, b: Any, c: Any) -> Any:
        """a·b + c, rounded once (float64 holds the product of two float32 exactly)."""
        return np.result_type(a, b, c).type(np.float64(a) * np.float64(b) + np.float64(c))

    @staticmethod
    def selp(condition: Any, a: Any, b: Any) -> Any:
        return a if condition else b

    @staticmethod
    def popc(x: int) -> int:
        return (int(x) & 0xFFFFFFFFFFFFFFFF).bit_count()

    @staticmethod
    def clz(x: int) -> int:
        """Leading zeros of a 64-bit integer, which a Python int is."""
        return 64 - (int(x) & 0xFFFFFFFFFFFFFFFF).bit_length()

    @staticmethod
    def ffs(x: int) -> int:
        """The place of the lowest one, counted from 1; 0 if there is none."""
        return (int(x) & -int(x)).bit_length()

    @staticmethod
    def brev(x: int) -> int:
        return int(f"{int(x) & 0xFFFFFFFF:032b}"[::-1], 2)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the simulator has no cuda.{name}")


class Shared:
    """cuda.shared: one array a call site and block, poisoned; shape 0 is the launch's dynamic memory."""

    def __init__(self, now: Now) -> None:
        self._now, self._dynamic, self._arrays = now, 0, dict[Any, Watched]()

    def renew(self, dynamic: int) -> None:
        """A block begins: nothing of the one before is left."""
        self._dynamic, self._arrays = dynamic, {}

    def array(self, shape: Any, dtype: Any) -> Watched:
        """The block's array of this call site; every thread gets the same."""
        where, kind = _here(2), numpy_dtype(dtype)
        key = "dynamic" if shape == 0 else (where.code, where.instruction)
        if key not in self._arrays:
            wanted = (self._dynamic // kind.itemsize,) if shape == 0 else sizes(shape)
            self._arrays[key] = fresh(self._now, wanted, kind, lambda: where.target or "a shared array")
            used = sum(x.size * x.dtype.itemsize for k, x in self._arrays.items() if k != "dynamic")
            if used + self._dynamic > STATIC:
                self._now.fault(f"with {where.target} a block has {used + self._dynamic} bytes of shared memory; the "
                                f"limit is {STATIC}")
        elif self._arrays[key].dtype != kind:
            self._now.fault(f"dynamic shared memory is {self._arrays[key].dtype} elsewhere and {kind} here; the "
                            "simulator knows it as one type")
        return self._arrays[key]


class Atomic:
    """cuda.atomic: each reads, changes and writes an element at once and returns the old value."""

    def __init__(self, now: Now) -> None:
        self._now = now

    def add(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: old + value)

    def sub(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: old - value)

    def max(self, array: Watched, at: Any, value: Any) -> Any:
        """A NaN in memory stays, one that comes is taken no notice of."""
        return array.change(at, lambda old: value if value > old else old)

    def min(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: value if value < old else old)

    def exch(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: value)

    def and_(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: old & value)

    def or_(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: old | value)

    def xor(self, array: Watched, at: Any, value: Any) -> Any:
        return array.change(at, lambda old: old ^ value)

    def cas(self, array: Watched, at: Any, expected: Any, value: Any) -> Any:
        return array.change(at, lambda old: value if old == expected else old)


class Math:
    """Stands for `math`: a float32 argument gives a float32 result, as in Numba, and nothing raises."""

    _NUMPY = {"acos": "arccos", "asin": "arcsin", "atan": "arctan", "atan2": "arctan2", "acosh": "arccosh",  # noqa: RUF012
              "asinh": "arcsinh", "atanh": "arctanh", "pow": "power"}
    inf, nan, pi, e, tau = (np.float64(getattr(math, name)) for name in ("inf", "nan", "pi", "e", "tau"))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        exact = getattr(math, name)
        inexact = getattr(np, self._NUMPY.get(name, name), None)
        whole = name in ("floor", "ceil", "trunc")

        def typed(*values: Any) -> Any:
            kind = np.result_type(*(v if isinstance(v, np.floating) else np.float64 for v in values)).type
            result = inexact(*(kind(v) for v in values)) if inexact else exact(*(float(v) for v in values))
            if whole or isinstance(result, bool | np.bool_):
                return (int if whole else bool)(result)
            return kind(result)

        setattr(self, name, typed)
        return typed


def larger(*values: Any) -> Any:
    """max as Numba has it on a GPU: of a number and a NaN it is the number, of an int and a float it is float64."""
    return _extreme(max, np.fmax, values)


def smaller(*values: Any) -> Any:
    """min as Numba has it on a GPU."""
    return _extreme(min, np.fmin, values)


def _extreme(of: Callable[..., Any], of_floats: Callable[[Any, Any], Any], values: tuple[Any, ...]) -> Any:
    first, *others = values
    for other in others:
        if type(first) is int and type(other) is int:
            first = of(first, other)
        elif type(first) is type(other):
            first = first if other != other else other if first != first else of(first, other)
        else:
            kind = np.result_type(*(v if isinstance(v, np.floating) else np.float64 for v in (first, other))).type
            first = of_floats(kind(first), kind(other))
    return first


class Integer:
    """An integer type of Numba: called, it wraps a number around as a cast on the GPU does."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self._one_more = 1 << 8 * dtype.itemsize
        self._highest = int(np.iinfo(dtype).max)

    def __call__(self, value: Any) -> int:
        rest = int(value) % self._one_more
        return rest if rest <= self._highest else rest - self._one_more


class Numba:
    """Stands for the module `numba`: its types, and its `cuda`."""

    def __init__(self, real: Any, stand_in: Callable[[Any], Any]) -> None:
        self._real, self._stand_in = real, stand_in

    def __getattr__(self, name: str) -> Any:
        return self._stand_in(getattr(self._real, name))


def numpy_dtype(kind: Any) -> np.dtype[Any]:
    """The NumPy dtype of what a kernel gives as one: a stand-in, a Numba type, or NumPy's own."""
    kind = getattr(kind, "dtype", kind) if isinstance(kind, Integer) else kind
    if isinstance(kind, np.dtype | type):
        return np.dtype(kind)
    return np.dtype(str(kind))


def sizes(shape: Any) -> tuple[int, ...]:
    """A shape as a tuple of ints."""
    return tuple(int(n) for n in shape) if isinstance(shape, tuple) else (int(shape),)


def three(xyz: tuple[int, int, int]) -> SimpleNamespace:
    """x, y and z by name."""
    return SimpleNamespace(x=xyz[0], y=xyz[1], z=xyz[2])


def _here(depth: int) -> Site:
    frame = sys._getframe(depth)
    return Site(frame.f_code, frame.f_lasti)
