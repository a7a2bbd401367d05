"""Matrix multiplication on the CPU, by Numba: the order of three loops, and blocks that stay in the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import prange

from tinygrad_zh_kernels import buffers, matmul
from tinygrad_zh_kernels.matmul import batch, covers
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

DEEP, BROAD = 128, 512
"""A block of B that stays in the cache: 256 KB of float32."""

FEW = 100_000
"""Products below which a second thread costs more than it helps."""


def multiply(function: Callable[..., None], a: Any, b: Any) -> Any:
    """A new C: the function for each product of the batch."""
    c = buffers.empty((*a.shape[:-1], b.shape[-1]), a.dtype)
    c_stack, a_stack, b_stack = [x.reshape((batch(x), *x.shape[-2:])) for x in (c, a, b)]
    for i in range(batch(c)):
        function(c_stack[i], a_stack[i], b_stack[i])
    return c


MOST = 1 << 31
"""Multiplications that the first two versions are given: a second's work of the first."""


def few(a: Any, b: Any) -> bool:
    """Whether the loops of a lesson come to an end while one waits."""
    return covers(a, b) and a.size * b.shape[-1] <= MOST


@matmul.forward.body("numba-1-naive", device="cpu", covers=few)
def naive(a: Any, b: Any) -> Any:
    """The loops over i, j, p as in the formula: of B one number a row is read, the rest of the cache line is lost.

    中文：按公式的 i、j、p 次序写循环：B 每行只读一个数，缓存行的其余部分白取。
    """
    return multiply(_naive, a, b)


@kernel(fastmath=False)
def _naive(c, a, b):
    for i in range(a.shape[0]):
        for j in range(b.shape[1]):
            total = c.dtype.type(0)
            for p in range(a.shape[1]):
                total += a[i, p] * b[p, j]
            c[i, j] = total


@matmul.forward.body("numba-2-reordered", device="cpu", covers=few)
def reordered(a: Any, b: Any) -> Any:
    """The loops over i, p, j: rows of B and of C are read and written from left to right, in vectors.

    中文：循环改为 i、p、j 次序：B 和 C 都按行从左到右读写，可用向量指令。
    """
    return multiply(_reordered, a, b)


@kernel
def _reordered(c, a, b):
    use_widest_vectors()
    c[:] = 0
    for i in range(a.shape[0]):
        for p in range(a.shape[1]):
            for j in range(b.shape[1]):
                c[i, j] += a[i, p] * b[p, j]


@matmul.forward.body("numba-3-blocked", device="cpu", covers=covers)
def blocked(a: Any, b: Any) -> Any:
    """A block of B stays in the cache for all rows of A, and its rows are taken four at a time; all threads.

    中文：B 的一块留在缓存里，供 A 的所有行使用，每次取其中四行；使用全部线程。
    """
    return multiply(_in_blocks, a, b)


def _in_blocks(c: Any, a: Any, b: Any) -> None:
    threads = threads_for(a.size * b.shape[1], FEW)
    if threads == 1:
        _blocked(c, a, b, 0, len(a))
    else:
        _blocked_parallel(c, a, b, threads)


@kernel(parallel=True)
def _blocked_parallel(c, a, b, threads):
    for thread in prange(threads):
        rows = a.shape[0]
        _blocked(c, a, b, rows * thread // threads, rows * (thread + 1) // threads)


@kernel
def _blocked(c, a, b, first, last):
    c[first:last] = 0
    for left in range(0, b.shape[1], BROAD):
        for top in range(0, b.shape[0], DEEP):
            for i in range(first, last):
                _add_row(c[i, left:left + BROAD], a[i, top:top + DEEP], b[top:top + DEEP], left)


@kernel
def _add_row(c, a, b, left):
    """c += a B for a part of a row c. Four rows of B at a time: c is read and written a quarter as often."""
    use_widest_vectors()
    right = left + c.size
    fours = a.size // 4 * 4
    for p in range(0, fours, 4):
        a0, a1, a2, a3 = a[p], a[p + 1], a[p + 2], a[p + 3]
        b0, b1, b2, b3 = b[p, left:right], b[p + 1, left:right], b[p + 2, left:right], b[p + 3, left:right]
        for j in range(c.size):
            c[j] += a0 * b0[j] + a1 * b1[j] + a2 * b2[j] + a3 * b3[j]
    for p in range(fours, a.size):
        a0, b0 = a[p], b[p, left:right]
        for j in range(c.size):
            c[j] += a0 * b0[j]
