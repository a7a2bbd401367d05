"""Attention in CUDA C: the host's side of naive.cu, attention.cu and backward.cu."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh_kernels import attention
from tinygrad_zh_kernels.attention import queries_keys_values
from tinygrad_zh_kernels.launcher import Dim, Launcher, blocks
from tinygrad_zh_kernels.row import aligned

HERE = Path(__file__).parent
NAIVE, FORWARD, BACKWARD = HERE / "naive.cu", HERE / "attention.cu", HERE / "backward.cu"
SHARED = 48 << 10
"""Bytes of shared memory that every block may have."""


# ---- what is covered


def covers(*arrays: Any, is_causal: bool = False, block: int = 0) -> bool:
    """Leading axes alike, and values as wide as keys: up to 128 numbers, in float64 up to 64 backward."""
    q, _, v = queries_keys_values(arrays)
    return (attention.covers(*arrays) and q.shape[-1] == v.shape[-1]
            and tile(q, backward=len(arrays) > 4) is not None)


def covers_masked(*arrays: Any) -> bool:
    """The same, and a mask for all heads, for each, or for the first or the last of the leading axes."""
    q, k, _ = queries_keys_values(arrays)
    mask = arrays[4] if len(arrays) > 4 else arrays[3]
    return covers(*arrays) and mask.shape[-1] == k.shape[-2] and tables(mask, q) is not None


def covers_naive(q: Any, k: Any, v: Any) -> bool:
    """Leading axes alike, and not too many heads for a grid."""
    return attention.covers(q, k, v) and math.prod(q.shape[:-2]) < 65536


class Tile(NamedTuple):
    """A thread holds r × c scores, a block 16 r × 16 c. wide: the columns of Q, K and V, rounded up."""

    r: int
    c: int
    wide: int

    def defines(self, *arrays: Any) -> tuple[str, ...]:
        """What tiles.cuh must know."""
        d, width = arrays[0].shape[-1], 16 // arrays[0].itemsize
        vectors = int(d % width == 0 and all(aligned(x) for x in arrays))
        return f"R={self.r}", f"C={self.c}", f"WIDE={self.wide}", f"ALIGNED={vectors}"


def tile(q: Any, *, backward: bool) -> Tile | None:
    """The largest tile for which everything fits in shared memory; None if none does. Few widths: each is compiled."""
    d = q.shape[-1]
    wide = 32 if d <= 32 else 64 if d <= 64 else 128 if d <= 128 else d
    row = (wide + 16 // q.itemsize) * q.itemsize
    for r, c in ((4, 4), (4, 2), (2, 2), (1, 1)):
        matrices = 2 if backward else 1
        if 16 * (r + c) * row * matrices + 16 * r * (16 * c + 1) * q.itemsize <= SHARED:
            return Tile(r, c, wide)
    return None


# ---- masks


class Tables(NamedTuple):
    """A mask as tables of `rows` rows each: head h has table h // per % several."""

    mask: Any
    rows: int
    per: int
    several: int


def tables(mask: Any, q: Any) -> Tables | None:
    """None for a mask whose leading axes differ from those of Q in a way that h // per % several does not say."""
    lead = q.shape[:-2]
    own = (1,) * (len(lead) - mask.ndim + 2) + mask.shape[:-2]
    for start in range(len(lead) + 1):
        for stop in range(start, len(lead) + 1):
            if own == (*(1,) * start, *lead[start:stop], *(1,) * (len(lead) - stop)):
                return Tables(mask, mask.shape[-2], max(1, math.prod(lead[stop:])), math.prod(lead[start:stop]))
    return None


def _no_mask(launch: Launcher) -> Tables:
    return Tables(launch.empty((1,), np.bool_), 0, 1, 1)


# ---- forward


@attention.forward.body("cuda-c-1-naive", device="cuda", covers=covers_naive)
def naive(launch: Launcher, q: Any, k: Any, v: Any) -> Any:
    """Three launches, one number a thread: all n × m scores go to memory and back twice.

    中文：启动三次，每个线程算一个数：全部 n × m 个分数在显存里写两遍、读两遍。
    """
    *lead, n, d = q.shape
    m, e = v.shape[-2:]
    heads = math.prod(lead)
    s, p = (launch.empty((heads, n, m), q.dtype) for _ in range(2))
    y, lse = launch.empty((*lead, n, e), q.dtype), launch.empty((*lead, n, 1), q.dtype)
    launch.cuda_c(NAIVE, "attention_scores", _grid(m, n, heads), (32, 8), (s, q, k, n, m, d, d**-0.5), dtype=q.dtype)
    launch.cuda_c(NAIVE, "attention_weights", (blocks(heads * n, 4),), (32, 4), (p, lse, s, np.int64(heads * n), m),
                  dtype=q.dtype)
    launch.cuda_c(NAIVE, "attention_values", _grid(e, n, heads), (32, 8), (y, p, v, n, m, e), dtype=q.dtype)
    return y, lse


def _grid(columns: int, rows: int, heads: int) -> Dim:
    """One thread for each number of (heads, rows, columns), in blocks of 32 × 8."""
    return blocks(columns, 32), blocks(rows, 8), heads


@attention.forward.body("cuda-c", device="cuda", covers=covers)
def forward(launch: Launcher, q: Any, k: Any, v: Any) -> Any:
    """One launch: a block of rows meets the keys tile by tile in shared memory, products in registers; no P at all.

    中文：只启动一次：若干行在共享内存里逐块与键相遇，乘积留在寄存器里；完全不存 P。
    """
    return _forward(launch, q, k, v, _no_mask(launch), False, False)


@attention.masked_forward.body("cuda-c", device="cuda", covers=covers_masked)
def masked_forward(launch: Launcher, q: Any, k: Any, v: Any, mask: Any) -> Any:
    """The kernel without a mask, which asks the mask for every score: it is read once.

    中文：与无掩码时同一个核函数，每个分数查一次掩码；掩码只读一遍。
    """
    return _forward(launch, q, k, v, tables(mask, q), False, True)


@attention.blocked_forward.body("cuda-c", device="cuda", covers=covers)
def blocked_forward(launch: Launcher, q: Any, k: Any, v: Any, *, is_causal: bool, block: int) -> Any:
    """The same kernel; its own tiles take the place of `block`. Those above the diagonal are skipped.

    中文：同一个核函数；分块大小由它自己决定，不用 block。对角线以上的块跳过。
    """
    return _forward(launch, q, k, v, _no_mask(launch), is_causal, True)


def _forward(launch: Launcher, q: Any, k: Any, v: Any, of_mask: Tables | None, is_causal: bool,
             may_be_empty: bool) -> Any:
    *lead, n, d = q.shape
    heads, m = math.prod(lead), k.shape[-2]
    y, lse = launch.empty(q.shape, q.dtype), launch.empty((*lead, n, 1), q.dtype)
    size = tile(q, backward=False)
    assert size is not None and of_mask is not None  # or it were not covered
    launch.cuda_c(FORWARD, "attention", (heads, blocks(n, 16 * size.r)), (16, 16),
                  (y, lse, q, k, v, n, m, d, d**-0.5, int(is_causal), int(may_be_empty), *of_mask),
                  dtype=q.dtype, defines=size.defines(q, k, v))
    return y, lse


# ---- backward


@attention.backward.body("cuda-c", device="cuda", covers=covers)
def backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any) -> Any:
    """Three launches: Σ dY Y, then dQ by blocks of queries, then dK and dV by blocks of keys. No atomics.

    中文：启动三次：先求 Σ dY Y，再按查询分块求 dQ，最后按键分块求 dK、dV；不用原子操作。
    """
    return _backward(launch, dy, q, k, v, y, lse, _no_mask(launch), False)


@attention.masked_backward.body("cuda-c", device="cuda", covers=covers_masked)
def masked_backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, mask: Any, y: Any, lse: Any) -> Any:
    """The kernels without a mask, which ask the mask for every score.

    中文：与无掩码时相同的核函数，每个分数查一次掩码。
    """
    return *_backward(launch, dy, q, k, v, y, lse, tables(mask, q), False), None


@attention.blocked_backward.body("cuda-c", device="cuda", covers=covers)
def blocked_backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any, *, is_causal: bool,
                     block: int) -> Any:
    """The same kernels; tiles above the diagonal are skipped.

    中文：相同的核函数；对角线以上的块跳过。
    """
    return _backward(launch, dy, q, k, v, y, lse, _no_mask(launch), is_causal)


def _backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any,
              of_mask: Tables | None, is_causal: bool) -> Any:
    *lead, n, d = q.shape
    heads, m = math.prod(lead), k.shape[-2]
    size = tile(q, backward=True)
    assert size is not None and of_mask is not None  # or it were not covered
    defines = size.defines(q, k, v, dy)
    sums = launch.empty((heads, n), q.dtype)
    launch.cuda_c(BACKWARD, "attention_row_products", (blocks(heads * n, 4),), (32, 4),
                  (sums, dy, y, np.int64(heads * n), d), dtype=q.dtype, defines=defines)
    dq, dk, dv = (launch.empty(x.shape, x.dtype) for x in (q, k, v))
    arguments = (dy, q, k, v, lse, sums, n, m, d, d**-0.5, int(is_causal), *of_mask)
    for name, results, length in (("attention_backward_q", (dq,), n), ("attention_backward_kv", (dk, dv), m)):
        launch.cuda_c(BACKWARD, name, (heads, blocks(length, 16 * size.r)), (16, 16), (*results, *arguments),
                      dtype=q.dtype, defines=defines)
    return dq, dk, dv
