"""The smallest and the largest element of an array, known without waiting for the GPU.

Labels and tokens have to be checked: CuPy wraps an index that is out of range, in silence. To look at an array on the
GPU is to wait for it. But arrays never change, and most labels come from the CPU: there their extent is taken, as they
are moved. What was computed on the GPU is looked at once.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Any

import numpy as np

from tinygrad_zh.device import cuda


class Extent:
    """low ≤ every element ≤ high; least and most: the narrowest bounds that they were checked against."""

    def __init__(self, array: Any, low: Any, high: Any) -> None:
        key = id(array)
        self.low, self.high = low, high
        self.least, self.most = -inf, inf
        self.array = weakref.ref(array, lambda _: _KNOWN.pop(key, None))
        _KNOWN[key] = self


_KNOWN: dict[int, Extent] = {}
_NOTE: ContextVar[Callable[[Any, float, float], None] | None] = ContextVar("tinygrad_zh.bounds", default=None)


@contextmanager
def noting(note: Callable[[Any, float, float], None]) -> Iterator[None]:
    """Within the block note(array, least, most) is told of the bounds that arrays on the CPU are checked against."""
    token = _NOTE.set(note)
    try:
        yield
    finally:
        _NOTE.reset(token)


def remember(moved: Any, array: Any) -> None:
    """Note the extent of what was just moved to a GPU, if that does not mean to wait for one."""
    if not array.size:
        return
    if isinstance(array, (np.ndarray, np.generic)):
        Extent(moved, array.min(), array.max())
    elif (known := _KNOWN.get(id(array))) is not None:
        Extent(moved, known.low, known.high)


def renew(buffer: Any, array: Any) -> None:
    """Note the extent of a buffer that takes new values, and still what it was checked against."""
    old = _KNOWN.pop(id(buffer), None)
    remember(buffer, array)
    new = _KNOWN.get(id(buffer))
    if old is not None and new is not None:
        new.least, new.most = old.least, old.most


def stray(array: Any, least: float, most: float) -> Any:
    """An element outside of [least, most], None if there is none. nan is outside. 中文：越界的元素。"""
    if not array.size:
        return None
    if isinstance(array, (np.ndarray, np.generic)):
        low, high = array.min(), array.max()
        note = _NOTE.get()
        if note is not None:
            note(array, least, most)
    else:
        known = _KNOWN.get(id(array)) or _around(array, least, most) or Extent(array, *_seen(array))
        known.least, known.most = max(known.least, least), min(known.most, most)
        low, high = known.low, known.high
    return None if least <= low and high <= most else low if high <= most else high


def _around(array: Any, least: float, most: float) -> Extent | None:
    """The extent of the array that this one is a part of, if that is enough: a part has no more."""
    known = _KNOWN.get(id(array.base))
    return known if known is not None and least <= known.low and known.high <= most else None


def _seen(array: Any) -> Any:
    """The smallest and the largest element, which the GPU has to be waited for."""
    return cuda.download(np.stack([array.min(), array.max()]))


def demanded(array: Any) -> tuple[float, float]:
    """The bounds that an array on a GPU was checked against."""
    known = _KNOWN.get(id(array))
    return (-inf, inf) if known is None else (known.least, known.most)
