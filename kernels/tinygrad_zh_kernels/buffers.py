"""Arrays for results on the CPU: aligned to 64 bytes, and used again when nobody holds the old result any more.

A result is a new array, always: what somebody refers to is never written to. But memory that was just given back is in
the cache, and fresh memory costs a page fault every 4096 bytes: a training step that makes the same shapes again and
again is up to 1.5 times faster with memory that it has used before. 缓冲区复用
"""

from __future__ import annotations

import math
import threading
from sys import getrefcount
from typing import Any

import numpy as np

ALIGNMENT = 64
"""Bytes: a cache line, and a whole AVX-512 register."""

KEPT = 1 << 30
"""Bytes that a thread remembers, in use or not; beyond, it forgets all of it and begins anew."""

SMALL = 1 << 14
"""Below so many bytes NumPy's own memory is as good, and quicker to get."""


class _Pool(threading.local):
    """Memory by its length, each with the offset of its first aligned byte; of one thread: no two take the same."""

    def __init__(self) -> None:
        self.memory: dict[int, list[tuple[np.ndarray[Any, Any], int]]] = {}
        self.bytes = 0


_POOL = _Pool()
_UNUSED = 3
"""References to memory that only the pool holds: its list's, the loop's variable, and getrefcount's argument."""


def empty(shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array for a result, not initialised: memory that no one refers to any more, or new memory."""
    dtype = np.dtype(dtype)
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return np.empty(shape, dtype)
    memory, start = _unused(size)
    return np.ndarray(shape, dtype, memory, start)


def _unused(size: int) -> tuple[np.ndarray[Any, Any], int]:
    """Every view of a result, however indirect, holds the memory itself: NumPy makes the owner its base."""
    for memory, start in _POOL.memory.get(size, ()):
        if getrefcount(memory) == _UNUSED:
            memory.setflags(write=True)
            return memory, start
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    if _POOL.bytes + size > KEPT:
        clear()
    _POOL.memory.setdefault(size, []).append((memory, start))
    _POOL.bytes += size
    return memory, start


def clear() -> None:
    """Let go of all memory that this thread keeps for later. 释放缓冲区"""
    _POOL.memory.clear()
    _POOL.bytes = 0
