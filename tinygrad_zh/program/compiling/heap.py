"""Freed memory goes back to the system. 归还内存"""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """A recording, its trial and the compiler leave several times what a program needs: glibc is told to return it.

    Other C libraries have no word for that, and nothing happens.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)
