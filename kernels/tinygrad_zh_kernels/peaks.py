"""What the machine can do at most, measured in the same run as the kernels: the roofs of the roofline. 实测峰值"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh_kernels.timing import Clock, interleaved, wall_clock

MEMORY, CACHE = 1 << 28, 1 << 18  # bytes of an array: larger than any cache, and at home in a core's own
SIDE = 1024  # of the matrices


class Peaks(NamedTuple):
    """Bytes a second from memory and from the cache, operations a second of a matrix product."""

    memory: float
    cache: float
    matmul: float


def peaks(dtype: Any, xp: Any = np, *, memory: int = MEMORY, cache: int = CACHE, side: int = SIDE,
          seconds: float = 0.5, clock: Clock = wall_clock) -> Peaks:
    """Measure them with NumPy, or with CuPy as `xp`. 测量峰值

    Memory and cache: the faster of a copy, 2 n bytes, and of the triad a = b + s c, 3 n bytes (McCalpin 1995), which
    takes all of Numba's threads. Matrix product: 2 n³ operations, on random numbers, because zeros take less power.
    """
    from_memory, from_cache = (bandwidth(nbytes, xp, seconds=seconds, clock=clock) for nbytes in (memory, cache))
    return Peaks(from_memory, from_cache, matmul_rate(side, dtype, xp, seconds=seconds, clock=clock))


def bandwidth(nbytes: int, xp: Any = np, *, seconds: float = 0.5, clock: Clock = wall_clock) -> float:
    """Bytes a second that arrays of `nbytes` are read and written with. 带宽"""
    n = nbytes // 4
    a, b, c = (xp.ones(n, dtype=np.float32) for _ in range(3))
    calls = {"copy": lambda: xp.copyto(a, b)}
    moved = {"copy": 2 * nbytes}
    triad = _triad() if xp is np else None
    if triad is not None:
        calls["triad"] = lambda: triad(a, b, c, np.float32(0.5))
        moved["triad"] = 3 * nbytes
    times = interleaved(calls, seconds=seconds, clock=clock)
    return max(moved[name] / times[name].seconds for name in times)


def matmul_rate(side: int, dtype: Any, xp: Any = np, *, seconds: float = 0.5, clock: Clock = wall_clock) -> float:
    """Operations a second of a product of two square matrices, by the library's own BLAS. 矩阵乘法的速度"""
    rng = np.random.default_rng(0)
    a, b = (xp.asarray(rng.standard_normal((side, side)).astype(dtype)) for _ in range(2))
    out = xp.empty_like(a)
    times = interleaved({"matmul": lambda: xp.matmul(a, b, out=out)}, seconds=seconds, clock=clock)
    return 2 * side**3 / times["matmul"].seconds


@cache
def _triad() -> Any:
    """a = b + s c by all of Numba's threads; None without Numba."""
    try:
        import numba
    except ImportError:
        return None

    @numba.njit(nogil=True, fastmath={"contract"})
    def piece(a, b, c, s):
        for i in range(a.size):
            a[i] = b[i] + s * c[i]

    @numba.njit(parallel=True, nogil=True)
    def all_threads(a, b, c, s, n):
        step = -(-a.size // n)
        for i in numba.prange(n):
            piece(a[i * step:(i + 1) * step], b[i * step:(i + 1) * step], c[i * step:(i + 1) * step], s)

    def triad(a: Any, b: Any, c: Any, s: Any) -> None:
        if numba.get_num_threads() == 1:
            piece(a, b, c, s)  # a parallel region costs more than a small array takes
        else:
            all_threads(a, b, c, s, numba.get_num_threads())

    return triad
