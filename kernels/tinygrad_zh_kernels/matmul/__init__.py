"""The product of two matrices: a ladder of versions, each a step faster than the one before. 矩阵乘法

    forward         C = A B,  cᵢⱼ = Σₚ aᵢₚ bₚⱼ

Covered: A (…, m, k) and B (…, k, n), contiguous, with the same leading axes; float32, float64, and in CUDA C float16
with sums in float32.

2mnk operations on mk + kn + mn numbers: for matrices of n × n that is n/6 operations a byte in float32, so a large
product is limited by arithmetic alone, if a number that was fetched is used often enough. The naive loops fetch two
numbers for two operations. Every version after them keeps what was fetched nearer, and uses it more often, before it
fetches more: in the cache or in shared memory (a tile), then in registers (a smaller tile of each thread).

These versions are for reading. What the engine uses is a library that was tuned for every processor, NumPy's OpenBLAS
and CuPy's cuBLAS; the last version here is to show how near to them one gets in 60 lines.

Easy to get wrong: sizes that no tile divides; k = 0, where C is zero and not unwritten; a tile's edge must be filled
with zeros, but 0 · ∞ is nan: only zeros may meet zeros there.

Volkov, Demmel 2008 (registers over shared memory). NVIDIA CUTLASS, "Efficient GEMM in CUDA" (the warp's tile).
S. Boehm 2022, "How to optimize a CUDA matmul kernel" (a ladder like this one, with times).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]
MOST_BLOCKS = 65535
"""Of a grid in its second and third direction, where rows of tiles and products of a batch are."""


def covers(a: Any, b: Any) -> bool:
    """Two matrices, or as many of one as of the other."""
    return (a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
            and batch(a) <= MOST_BLOCKS and a.shape[-2] <= 16 * MOST_BLOCKS)


def batch(x: Any) -> int:
    """How many matrices x holds."""
    return int(np.prod(x.shape[:-2], dtype=np.int64))


def matrices(rng: Rng, dtype: DType, size: Size, *leading: int) -> Arguments:
    """A (m, k) and B (k, n)."""
    m, k, n = size
    a, b = rng.standard_normal((*leading, m, k)), rng.standard_normal((*leading, k, n))
    return Arguments((a.astype(dtype), b.astype(dtype)))


def spoiled(call: Arguments, value: float) -> Arguments:
    """A call with this value in the last row of A and the last column of B."""
    a, b = call.arrays
    a[-1, 0] = b[0, -1] = value
    return call


forward = Kernel(
    "matmul.forward",
    formula="MatMul.forward",
    arguments=matrices,
    limits=((0, 20), (0, 35), (0, 20)),
    cases={
        "one number": lambda rng, dtype: matrices(rng, dtype, (1, 1, 1)),
        "one row": lambda rng, dtype: matrices(rng, dtype, (1, 20, 150)),
        "one column": lambda rng, dtype: matrices(rng, dtype, (150, 20, 1)),
        "an outer product": lambda rng, dtype: matrices(rng, dtype, (40, 1, 50)),
        "as high as a tile": lambda rng, dtype: matrices(rng, dtype, (128, 8, 12)),
        "as broad as a tile": lambda rng, dtype: matrices(rng, dtype, (12, 8, 128)),
        "tiles one above the other": lambda rng, dtype: matrices(rng, dtype, (132, 12, 20)),
        "tiles side by side": lambda rng, dtype: matrices(rng, dtype, (20, 12, 132)),
        "nothing divides": lambda rng, dtype: matrices(rng, dtype, (33, 9, 65)),
        "a batch": lambda rng, dtype: matrices(rng, dtype, (9, 12, 20), 2, 3),
        "an empty batch": lambda rng, dtype: matrices(rng, dtype, (4, 4, 4), 0),
        "∞ at the edge": lambda rng, dtype: spoiled(matrices(rng, dtype, (18, 9, 21)), np.inf),
        "a nan": lambda rng, dtype: spoiled(matrices(rng, dtype, (18, 9, 21)), np.nan),
    },
    sizes=((64, 64, 64), (256, 256, 256), (1024, 1024, 1024), (4096, 4096, 4096)),
    flops=lambda call: 2 * call.arrays[0].size * call.arrays[1].shape[-1],
)
