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

PAGE = 4096
"""Bytes by which a piece of memory is larger than what it holds: room to begin where it is best."""

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
    known = _POOL.memory.get(size, ())
    for memory, start in known:
        if getrefcount(memory) == _ALONE:
            memory.setflags(write=True)
            return memory, start
    if _POOL.bytes + size > KEPT:
        clear()
    memory, start = _allocate(size, len(known))
    _POOL.memory.setdefault(size, []).append((memory, start))
    _POOL.bytes += size
    return memory, start


def _allocate(size: int, place: int) -> tuple[np.ndarray[Any, Any], int]:
    """New memory. Large pieces all begin at one address modulo 4096, and streams that run through several of them in
    step then meet in the same sets of the cache: each piece begins some lines further on than the one before."""
    memory = np.empty(size + PAGE, np.uint8)
    return memory, -memory.ctypes.data % ALIGNMENT + place * 5 * ALIGNMENT % (PAGE - ALIGNMENT)


def _references_to_memory_that_only_the_pool_holds() -> int:
    """What getrefcount says of it within the loop above: that differs between versions of Python."""
    for memory, _ in [_allocate(SMALL, 0)]:
        count = getrefcount(memory)
    return count


_ALONE = _references_to_memory_that_only_the_pool_holds()


def clear() -> None:
    """Let go of all memory that this thread keeps for later. 释放缓冲区"""
    _POOL.memory.clear()
    _POOL.bytes = 0
