"""C ← α A B + β C, tile by tile: the loops around the microkernel, in blocks that stay in the caches. 分块矩阵乘法

    for a part of k                     at most 400: two vectors of so many rows of B stay in the first cache
      for a block of rows               about 224: the block of A stays in the second
        for two vectors of columns
          for a tile of at most 14 rows the microkernel, all in registers

OpenBLAS and others copy A and B into the order in which they are read, which pays where B is large. A small B is read
where it stands, and the copy is saved: 64 × 784 times 784 × 128 runs at 170 GFLOP/s instead of 125 on an Intel Xeon of
2023. Only a transposed B is copied, for each part of k, two vectors of columns side by side.
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
    T, size = C.dtype.type, C.itemsize
    width = WIDTH // size
    if inner == 0:
        scale(C, columns, beta)
    row, step = (1, lda) if a_turned else (lda, 1)
    panels = (columns + width - 1) // width if b_turned else 0
    copied = on_a_line(np.empty((min(PART, inner) * panels + 1) * width, C.dtype))
    blocks = max(1, (rows + ROWS // 2) // ROWS)
    parts = (inner + PART - 1) // PART
    for share in range(parts):
        first = inner * share // parts
        part = inner * (share + 1) // parts - first
        factor = beta if first == 0 else T(1)
        if b_turned:
            turn(carray(b, (columns, ldb))[:, first : first + part], width, copied)
        for block in range(blocks):
            top, bottom = rows * block // blocks, rows * (block + 1) // blocks
            tiles = (bottom - top + HEIGHT - 1) // HEIGHT
            for left in range(0, columns, width):
                wide = min(width, columns - left)
                start, row_of_b = address(b) + (first * ldb + left) * size, ldb
                if b_turned:
                    start, row_of_b = copied.ctypes.data + left * part * size, width
                for t in range(tiles):
                    i = top + (bottom - top) * t // tiles
                    height = top + (bottom - top) * (t + 1) // tiles - i
                    tile(height, wide, part, alpha, address(a) + (i * row + first * step) * size, row, step,
                         start, row_of_b, factor, address(c) + (i * ldc + left) * size, ldc)


@njit(error_model="numpy")
def on_a_line(x):
    """x from where a line of the cache begins: a vector that is in two of them takes twice the time to load."""
    return x[-x.ctypes.data % ALIGNMENT // x.itemsize :]


@njit(error_model="numpy")
def turn(b, width, copied):
    """Bᵀ, `width` columns after the other, with so many numbers from row to row."""
    use_widest_vectors()
    part = b.shape[1]
    for left in range(0, len(b), width):
        panel = copied[left * part :]
        for p in range(part):
            column = b[left : left + width, p]
            row = panel[p * width : p * width + column.size]
            for j in range(row.size):
                row[j] = column[j]


@njit(error_model="numpy")
def scale(c, columns, beta):
    """C ← β C."""
    for i in range(len(c)):
        for j in range(columns):
            c[i, j] = beta * c[i, j] if beta != 0 else 0
