"""C ← α A B + β C, tile by tile: the loops around the microkernel, in blocks that stay in the caches. 分块矩阵乘法

    for a share of the columns          at most 512: as much of B as stays in the second cache
      for a part of k                   at most 400: two vectors of so many rows of B stay in the first
        for a block of rows             about 224: the block of A stays in the second too
          for two vectors of columns
            for a tile of at most 14 rows the microkernel, all in registers

OpenBLAS and others copy A and B into the order in which they are read. Here A is read where it stands, and B is copied,
two vectors of columns side by side, only if it is a transpose or if there are enough rows to make up for it: 3200 × 128
times 128 × 512 then runs at 175 GFLOP/s instead of 160, and 64 × 784 times 784 × 128, which copies nothing, at 170
instead of 125, on an Intel Xeon of 2023.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.extending import intrinsic

from tinygrad_zh_kernels.buffers import ALIGNMENT
from tinygrad_zh_kernels.microkernel import HEIGHT, VECTORS, lanes, tile
from tinygrad_zh_kernels.vector_math import use_widest_vectors

PART = 400
"""Of the inner axis."""

ROWS = 16 * HEIGHT
"""In a block."""

SHARE = 512
"""Of the columns."""

MANY = 512
"""Rows from which on B is copied."""

FIRST = 32 << 10
"""Bytes of B that stay in the first cache."""

WIDTH = VECTORS * lanes(1)
"""Of a tile, in bytes."""


@intrinsic
def address(typing: Any, pointer: Any) -> Any:
    """Where a pointer points, as a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], context.get_value_type(types.intp))

    return types.intp(pointer), generate


@njit(error_model="numpy")
def product(a_turned, b_turned, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
    """cblas_sgemm's arguments but the first: C (rows, columns), and pointers to numbers of one dtype."""
    use_widest_vectors()
    C = carray(c, (rows, ldc))
    B = carray(b, (columns if b_turned else inner) * ldb)
    T, size = C.dtype.type, C.itemsize
    width = WIDTH // size
    if inner == 0:
        scale(C, columns, beta)
    row, step = (1, lda) if a_turned else (lda, 1)
    copies = b_turned or rows >= MANY
    most = (min(SHARE, max(columns, 1)) + width - 1) // width * width
    copied = on_a_line(np.empty(min(PART, inner) * most + width if copies else 0, C.dtype))
    parts = (inner + PART - 1) // PART
    for left in range(0, columns, most):
        share = min(most, columns - left)
        for part in range(parts):
            first = inner * part // parts
            deep = inner * (part + 1) // parts - first
            panel, row_of_b = address(b) + (first * ldb + left) * size, ldb
            if copies:
                if b_turned:
                    turn(B, ldb, first, deep, left, share, width, copied)
                else:
                    lay(B, ldb, first, deep, left, share, width, copied)
                panel, row_of_b = copied.ctypes.data, width
            sweep(rows, share, deep, alpha, address(a) + first * step * size, row, step, panel, row_of_b,
                  deep * width if copies else width, beta if first == 0 else T(1), address(c) + left * size, ldc, size)


@njit(error_model="numpy")
def sweep(rows, columns, inner, alpha, a, row, step, b, row_of_b, panel, beta, c, ldc, size):
    """All tiles of a share and a part, given by addresses; from panel to panel of B it is so many numbers."""
    width = WIDTH // size
    # A B that stays in the first cache is read anew for every tile, so that C is written row by row.
    block = HEIGHT if inner * columns * size <= FIRST else ROWS
    blocks = max(1, (rows + block // 2) // block)
    for n in range(blocks):
        top, bottom = rows * n // blocks, rows * (n + 1) // blocks
        tiles = (bottom - top + HEIGHT - 1) // HEIGHT
        for left in range(0, columns, width):
            for t in range(tiles):
                i = top + (bottom - top) * t // tiles
                height = top + (bottom - top) * (t + 1) // tiles - i
                tile(height, min(width, columns - left), inner, alpha, a + i * row * size, row, step,
                     b + left // width * panel * size, row_of_b, beta, c + (i * ldc + left) * size, ldc)


@njit(error_model="numpy")
def on_a_line(x):
    """x from where a line of the cache begins: a vector that is in two of them takes twice the time to load."""
    return x[-x.ctypes.data % ALIGNMENT // x.itemsize :]


@njit(error_model="numpy")
def lay(b, ldb, first, part, left, columns, width, copied):
    """A part and a share of B as panels: `width` columns, with so many numbers from row to row, after the other."""
    use_widest_vectors()
    for p in range(part):
        start = (first + p) * ldb + left
        row = b[start : start + columns]
        for j in range(0, columns, width):
            source = row[j : j + width]
            target = copied[j * part + p * width :]
            for i in range(source.size):
                target[i] = source[i]


@njit(error_model="numpy")
def turn(b, ldb, first, part, left, columns, width, copied):
    """The same of a B whose columns lie in memory."""
    use_widest_vectors()
    for j in range(0, columns, width):
        panel = copied[j * part :]
        wide = min(width, columns - j)
        for p in range(part):
            column = b[(left + j) * ldb + first + p :]
            row = panel[p * width : p * width + wide]
            for i in range(wide):
                row[i] = column[i * ldb]


@njit(error_model="numpy")
def scale(c, columns, beta):
    """C ← β C."""
    for i in range(len(c)):
        for j in range(columns):
            c[i, j] = beta * c[i, j] if beta != 0 else 0
