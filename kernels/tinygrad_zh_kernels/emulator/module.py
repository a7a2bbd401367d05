"""A compiled .cu file: its kernels run on NumPy arrays, and every rule that they break is told."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinygrad_zh_kernels.emulator.report import KernelError, Trouble, sentence
from tinygrad_zh_kernels.emulator.source import Signature, Unit
from tinygrad_zh_kernels.emulator.trace import Note, Place, Step, Thread, steps

Array = npt.NDArray[Any]
MOST_THREADS, MOST_SHARED = 1024, 227 << 10  # of a block; bytes of dynamic shared memory (H100)
PATIENCE = 1 << 27  # basic blocks that one CUDA block may run, about a second, before it is said to loop for ever
_TYPES = {code: np.dtype(code) for code in "?efd"} | {
    "b": np.dtype("i1"), "B": np.dtype("u1"), "h": np.dtype("i2"), "H": np.dtype("u2"),
    "i": np.dtype("i4"), "I": np.dtype("u4"), "q": np.dtype("i8"), "Q": np.dtype("u8"),
}  # fmt: skip

_POISON = {2: ("u2", 0x7DA5), 4: ("u4", 0x7FA5A5A5), 8: ("u8", 0x7FF5A5A5A5A5A5A5)}


class _Array(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t), ("element", ctypes.c_size_t),
                ("misaligned", ctypes.c_size_t), ("read_only", ctypes.c_int))


class _Argument(ctypes.Structure):
    _fields_ = (("array", ctypes.c_int), ("offset", ctypes.c_size_t), ("value", ctypes.c_void_p))


class _Launch(ctypes.Structure):
    _fields_ = (("grid", ctypes.c_uint * 3), ("block", ctypes.c_uint * 3), ("shared_bytes", ctypes.c_size_t),
                ("order", ctypes.c_int), ("granule", ctypes.c_size_t), ("watch", ctypes.c_int),
                ("watch_block", ctypes.c_uint * 3), ("watch_thread", ctypes.c_uint * 3), ("patience", ctypes.c_uint64),
                ("array_count", ctypes.c_int), ("argument_count", ctypes.c_int),
                ("arrays", ctypes.POINTER(_Array)), ("arguments", ctypes.POINTER(_Argument)))


class Module:
    """A unit and the library that g++ made of it. places: what the numbers of its traced statements stand for."""

    def __init__(self, unit: Unit, library: Path, places: Sequence[Place] = ()) -> None:
        self.unit = unit
        self.places = places
        self.path = library
        self.library = ctypes.CDLL(str(library))
        self._one_at_a_time = threading.Lock()  # the runtime keeps its threads in static variables

    def run(self, name: str, grid: tuple[int, ...], block: tuple[int, ...], arguments: tuple[Any, ...],
            dtype: np.dtype[Any], *, shared: int = 0, order: int = 0, watch: Thread | None = None,
            patience: int = PATIENCE) -> list[Step]:
        """Launch a kernel, wait, and return the steps of the watched thread. Raises KernelError for whatever CUDA
        forbids; its `steps` are those that came before.
        """
        signature = self._signature(name)
        grid, block = _three(grid), _three(block)
        self._check_sizes(signature, grid, block, shared)
        if 0 in grid:
            return []
        values = self._converted(signature, arguments, dtype)
        arrays, passed = _placed(values, self._kinds(name))
        watched = watch or Thread()
        three = ctypes.c_uint * 3
        launch = _Launch(
            three(*grid), three(*block), shared, order, 2 if dtype.itemsize == 2 else 4, watch is not None,
            three(*watched.block), three(*watched.thread), patience, len(arrays), len(passed),
            (_Array * len(arrays))(*arrays), (_Argument * len(passed))(*passed),
        )  # fmt: skip
        names = [""] * len(arrays)
        for parameter, argument in zip(signature.parameters, passed, strict=True):
            if argument.array >= 0:
                names[argument.array] = names[argument.array] or parameter
        with self._one_at_a_time:
            failed = self._function(f"emulator_run_{name}", ctypes.c_int)(ctypes.byref(launch))
            done = self._steps(name, names) if watch else []
            if failed:
                trouble = self._function("emulator_trouble", ctypes.POINTER(Trouble))().contents
                raise KernelError(f"{name}, {sentence(self.path, trouble, names)}", done)
        return done

    def _steps(self, kernel: str, arrays: Sequence[str]) -> list[Step]:
        notes = self._function("emulator_notes", ctypes.POINTER(Note))()
        count = self._function("emulator_note_count", ctypes.c_size_t)()
        return steps([notes[i] for i in range(count)], self.places, kernel, arrays)

    def _function(self, name: str, returns: Any) -> Any:
        function = getattr(self.library, name)
        function.restype = returns
        return function

    def _signature(self, name: str) -> Signature:
        if name not in self.unit.kernels:
            raise KernelError(f"{self.unit.file.name} has no kernel {name}; it has {', '.join(self.unit.kernels)}")
        return self.unit.kernels[name]

    def _kinds(self, name: str) -> list[str]:
        """What each parameter is, in two characters; see cuda.h's Code."""
        codes = self._function(f"emulator_signature_{name}", ctypes.c_char_p)().decode()
        return [codes[i : i + 2] for i in range(0, len(codes), 2)]

    def _check_sizes(self, signature: Signature, grid: tuple[int, ...], block: tuple[int, ...], shared: int) -> None:
        name, threads = signature.name, math.prod(block)
        bound = self._function(f"emulator_threads_{name}", ctypes.c_int)()
        if not 0 < threads <= MOST_THREADS or block[2] > 64:
            raise KernelError(f"{name}: a block of {block} has {threads} threads; 1 to {MOST_THREADS} are possible")
        if threads > bound:
            raise KernelError(f"{name}: a block of {threads} threads, but its __launch_bounds__ says at most {bound}")
        if grid[0] >= 2**31 or max(grid[1:]) >= 2**16:
            raise KernelError(f"{name}: a grid of {grid} is over the limit of (2147483647, 65535, 65535) blocks")
        if shared > MOST_SHARED:
            raise KernelError(f"{name}: {shared} bytes of dynamic shared memory; an H100 has {MOST_SHARED}")

    def _converted(self, signature: Signature, arguments: tuple[Any, ...], dtype: np.dtype[Any]) -> list[Array]:
        """The arguments as arrays: a value is one of no dimension, a copy."""
        name, parameters, kinds = signature.name, signature.parameters, self._kinds(signature.name)
        if len(arguments) != len(kinds):
            raise KernelError(f"{name} takes {len(kinds)} arguments ({', '.join(parameters)}), got {len(arguments)}")
        return [
            _pointer(given, kind, f"argument {i} of {name}, {parameter},") if kind[0] != " "
            else _value(given, kind, f"argument {i} of {name}, {parameter},", dtype)
            for i, (given, kind, parameter) in enumerate(zip(arguments, kinds, parameters, strict=True))
        ]  # fmt: skip


def _three(sizes: tuple[int, ...]) -> tuple[int, int, int]:
    x, y, z = (*map(int, sizes), 1, 1, 1)[:3]
    return x, y, z


def _pointer(given: Any, kind: str, which: str) -> Array:
    if not isinstance(given, np.ndarray):
        raise KernelError(f"{which} is a pointer: it takes an array, not {type(given).__name__}")
    if not given.flags.c_contiguous:
        raise KernelError(f"{which} must be contiguous, but has strides {given.strides} and shape {given.shape}")
    wanted = _TYPES.get(kind[1])
    if wanted is not None and given.dtype != wanted:
        raise KernelError(f"{which} points to {wanted}, but the array is of {given.dtype}")
    if kind[0] == "*" and not given.flags.writeable:
        raise KernelError(f"{which} is not const, but the array is read-only; a kernel takes its inputs as const")
    return given


def _value(given: Any, kind: str, which: str, dtype: np.dtype[Any]) -> Array:
    wanted = _TYPES.get(kind[1])
    if isinstance(given, np.generic):
        value = np.array(given)
    elif isinstance(given, int):
        if not -(2**31) <= given < 2**31:
            raise KernelError(f"{which} is {given}, which fits no int; take it as Long and give np.int64({given})")
        value = np.array(given, np.int32)
    elif isinstance(given, float):
        value = np.array(given, np.float64 if dtype == np.float64 else np.float32)
    else:
        raise KernelError(f"{which} is a value: it takes a number, not {type(given).__name__}")
    if value.dtype != wanted:
        raise KernelError(f"{which} is {wanted}, but {given!r} is passed as {value.dtype}")
    return value


def _placed(values: list[Array], kinds: list[str]) -> tuple[list[_Array], list[_Argument]]:
    """Where each argument lies. Arrays that overlap are one array on the device too."""
    pointers = sorted((i for i, kind in enumerate(kinds) if kind[0] != " "), key=lambda i: values[i].ctypes.data)
    arrays: list[_Array] = []
    passed = [_Argument(-1, 0, value.ctypes.data) for value in values]
    for i in pointers:
        begin, end = values[i].ctypes.data, values[i].ctypes.data + values[i].nbytes
        if not arrays or begin >= arrays[-1].data + arrays[-1].bytes or begin == end:
            misaligned = (begin - _base(values[i]).ctypes.data) % 64
            arrays.append(_Array(begin, 0, values[i].dtype.itemsize, misaligned, 1))
        last = arrays[-1]
        last.bytes = max(last.bytes, end - last.data)
        last.read_only &= kinds[i][0] == "c"
        passed[i] = _Argument(len(arrays) - 1, begin - last.data, None)
    return arrays, passed


def _base(array: Any) -> Any:
    """The array that owns the memory: on a device that one is aligned, a part of it only as far as its offset is."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def poison(arrays: Iterable[Array]) -> None:
    """Fill floats with the signalling NaN, and integers with the pattern, by which the runtime knows "not written"."""
    for array in arrays:
        size, pattern = _POISON.get(array.itemsize, ("u1", 0xA5))
        array.reshape(-1).view(size)[...] = pattern
