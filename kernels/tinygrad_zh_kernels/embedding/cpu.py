"""Embedding on the CPU, by Numba."""

from __future__ import annotations

import math
import threading
from sys import getrefcount
from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import buffers, embedding
from tinygrad_zh_kernels.embedding import covers_forward, covers_scatter_add
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

FEW = 100_000
"""Numbers below which a second thread costs more than it helps."""


@embedding.forward.body("numba", device="cpu", covers=covers_forward)
def forward(t: Any, W: Any) -> Any:
    """Rows are copied by vector instructions, tokens shared among the threads.

    中文：按行复制，使用向量指令；各个词元分给多个线程。
    """
    y = buffers.empty((*t.shape, W.shape[1]), W.dtype)
    tokens, rows = numbered(t, len(W)), y.reshape(-1, W.shape[1])
    threads = threads_for(y.size, FEW)
    if threads == 1:
        _gather(tokens, W, rows)
    else:
        _gather_shared(tokens, W, rows, threads)
    return y


@embedding.scatter_add.body("numba", device="cpu", covers=covers_scatter_add)
def scatter_add(x: Any, index: Any, *, shape: tuple[int, ...]) -> Any:
    """Each thread adds its own columns of all rows, in order. A table that is free again is cleared where it was used.

    中文：每个线程按顺序累加自己负责的列；重复使用的表只清零上次写过的行。
    """
    rows = numbered(index, shape[0])
    table = _zeros(rows, tuple(shape), x.dtype)
    width = math.prod(shape[1:])
    threads = threads_for(x.size, FEW)
    arguments = rows, x.reshape(len(rows), width), table.reshape(shape[0], width)
    if threads == 1:
        _scatter_add(*arguments, 0, width)
    else:
        _scatter_add_shared(*arguments, threads)
    return table


def numbered(index: Any, n: int) -> Any:
    """An index as a row of numbers from 0 to n − 1. Raises IndexError for one out of range, as NumPy does."""
    index = index.reshape(-1)
    if not index.size:
        return index
    least, largest = index.min(), index.max()
    if least < -n or largest >= n:
        raise IndexError(f"index {largest if largest >= n else least} is out of range for {n} rows")
    return index if least >= 0 else np.where(index < 0, index + n, index)


# ---- tables that are mostly zeros


class _Tables(threading.local):
    """The memory of the last few tables, and the rows of each that are not zero; of one thread."""

    def __init__(self) -> None:
        self.last: dict[Any, tuple[Any, Any]] = {}


_TABLES = _Tables()
_KEPT = 4


def _zeros(rows: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Zeros, of which these rows will be written.

    Results are locked, so that no one has written another row of a table that was given out before.
    """
    key = shape, dtype
    memory, used = _TABLES.last.pop(key, (None, None))
    if memory is not None and _references(memory) == _ALONE:
        memory.setflags(write=True)
        _clear(used, memory)
    else:
        memory = np.zeros((shape[0], math.prod(shape[1:])), dtype)
    while len(_TABLES.last) >= _KEPT:
        del _TABLES.last[next(iter(_TABLES.last))]
    _TABLES.last[key] = memory, rows.copy()
    return memory.reshape(shape)


def _references(memory: Any) -> int:
    return getrefcount(memory)


def _references_to_a_variable() -> int:
    """What `_references` gives for an array that one variable alone refers to: versions of Python differ."""
    memory = np.zeros(1)
    return _references(memory)


_ALONE = _references_to_a_variable()


# ---- what Numba compiles


@kernel(parallel=True)
def _gather_shared(tokens, W, y, threads):
    for i in prange(threads):
        a, b = len(tokens) * i // threads, len(tokens) * (i + 1) // threads
        _gather(tokens[a:b], W, y[a:b])


@kernel
def _gather(tokens, W, y):
    use_widest_vectors()
    for i in range(len(tokens)):
        row, copy = W[tokens[i]], y[i]
        for j in range(row.size):
            copy[j] = row[j]


@kernel(parallel=True)
def _scatter_add_shared(rows, x, table, threads):
    width = x.shape[1]
    for i in prange(threads):
        _scatter_add(rows, x, table, width * i // threads, width * (i + 1) // threads)


@kernel
def _scatter_add(rows, x, table, first, last):
    use_widest_vectors()
    for i in range(len(rows)):
        total, term = table[rows[i], first:last], x[i, first:last]
        for j in range(total.size):
            total[j] += term[j]


@kernel
def _clear(rows, table):
    for i in range(len(rows)):
        table[rows[i]] = 0
