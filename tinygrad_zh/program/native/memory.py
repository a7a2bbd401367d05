"""Memory for a compiled program: addresses that stay, and pieces that are used again when nobody reads them any more.

    arena   [ z1 … | h1 … | dz2 … ]        what the program computes on its way, each piece in its place
    homes   W1, m, v, …; gradients         what the user sees: memory of its own each, so that it can be left to whoever
                                           holds it when the next step begins

The compiled function is told one table of addresses; shapes, dtypes and offsets are literals of its text, so that a
call passes next to nothing and LLVM knows the length of every loop. 固定内存与复用
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from sys import getrefcount
from typing import Any, NamedTuple

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from tinygrad_zh_kernels.buffers import ALIGNMENT, PAGE


class Piece(NamedTuple):
    """What lives in the arena from the step that writes it to the last that reads it; `over`: the piece whose memory it
    takes over, element by element, if that one ends where this one begins."""

    name: str
    size: int
    first: int
    last: int
    over: str | None = None


def placed(pieces: Iterable[Piece]) -> tuple[dict[str, int], int]:
    """An offset for each piece such that no two that live at once overlap, and the bytes of it all. 中文：内存复用。

    A free stretch is taken where it fits best; what is given back is joined with its free neighbours.
    """
    offsets: dict[str, int] = {}
    free: list[tuple[int, int]] = []  # (offset, size), in order
    living: dict[str, Piece] = {}
    total = 0
    for piece in sorted(pieces, key=lambda p: p.first):
        for name, other in list(living.items()):
            if other.last < piece.first:
                del living[name]
                free = _joined([*free, (offsets[name], _whole(other.size))])
        size, over = _whole(piece.size), living.get(piece.over or "")
        if over is not None and over.last == piece.first and over.size == piece.size:
            del living[over.name]
            offsets[piece.name] = offsets[over.name]
        else:
            fitting = [(n, at) for at, n in free if n >= size]
            if fitting:
                n, at = min(fitting)
                free = [stretch for stretch in free if stretch[0] != at]
                free = _joined([*free, (at + size, n - size)] if n > size else free)
            else:
                at, total = total, total + size
            offsets[piece.name] = at
        living[piece.name] = piece
    return offsets, total


def _whole(size: int) -> int:
    """Bytes with what is left of the last cache line; nothing takes one line, so that it has a place of its own."""
    return max(1, -(-size // ALIGNMENT)) * ALIGNMENT


def _joined(free: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for at, size in sorted(free):
        if joined and sum(joined[-1]) == at:
            joined[-1] = joined[-1][0], joined[-1][1] + size
        else:
            joined.append((at, size))
    return joined


HOMES: weakref.WeakValueDictionary[int, Home] = weakref.WeakValueDictionary()
"""The homes that there are, by the id of the array that is seen: programs that update one leaf share its home."""


class Home:
    """Memory of its own for what the user sees. NumPy makes `memory` the base of every view, however indirect; `array`
    is what the program writes into, `seen` the read-only array that others get, `lent` another for Python's part."""

    __slots__ = ("__weakref__", "array", "lent", "memory", "programs", "seen", "users")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self.memory = np.empty(size + PAGE, np.uint8)
        start = -self.memory.ctypes.data % ALIGNMENT
        self.array = np.ndarray(shape, dtype, self.memory, start)
        self.seen, self.lent = self.array.view(), self.array.view()
        self.users = 0  # programs that refer to `seen` twice and to the memory once
        self.programs: weakref.WeakSet[Any] = weakref.WeakSet()  # the same, and those that did
        HOMES[id(self.seen)] = self
        for array in (self.seen, self.lent, self.memory):  # a view of writable memory could be unlocked
            array.setflags(write=False)

    @property
    def address(self) -> int:
        return int(self.array.ctypes.data)

    def held(self, tensors: int) -> bool:
        """Whether anybody refers to `seen`, or looks at the memory, but so many tensors and the programs."""
        seen, memory = self.references()
        return seen > _ALONE[0] + tensors + 2 * self.users or memory > _ALONE[1] + self.users

    def references(self) -> tuple[int, int]:
        return getrefcount(self.seen), getrefcount(self.memory)


_ALONE = Home((), np.float32).references()
"""What getrefcount says where nobody refers to a home: versions of Python differ."""


def aligned(size: int) -> tuple[np.ndarray[Any, Any], int]:
    """An arena of so many bytes, and the offset of its first aligned byte."""
    memory = np.empty(size + ALIGNMENT, np.uint8)
    return memory, -memory.ctypes.data % ALIGNMENT


# ---- within compiled code


@intrinsic
def _pointer(typing: Any, address: Any) -> Any:
    """An address as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return (types.voidptr(address), generate) if isinstance(address, types.Integer) else None


@njit(forceinline=True)
def at(address, shape, dtype):
    """The C-contiguous array that begins at an address."""
    return carray(_pointer(address), shape, dtype)


@njit(error_model="numpy")
def within(x, least, most):
    """Whether every element is in [least, most]; nan is not."""
    inside = True
    for element in x.flat:
        inside &= least <= element <= most
    return inside


@njit(error_model="numpy")
def copy(to, x):
    """to ← x, both one-dimensional. Numba needs seconds for `to[...] = x`, which could be of any shapes."""
    for i in range(to.size):
        to[i] = x[i]
