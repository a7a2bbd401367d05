"""Freed memory goes back to the system. 归还内存"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """A recording, its trial and the compiler leave several times what a program needs: glibc is told to return it.

    Other C libraries have no word for that, and nothing happens.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@cache
def _malloc_trim() -> Any:
    """Looked up once: a library that ctypes opens is a cycle of objects."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
