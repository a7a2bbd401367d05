"""Attention on the CPU: Numba around OpenBLAS, a block of rows of the scores at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import prange

from tinygrad_zh_kernels import attention, buffers
from tinygrad_zh_kernels.attention import covers
from tinygrad_zh_kernels.blas import gemm, one_thread
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import exp, kernel, log, maximum, use_widest_vectors

IN_CACHE = 1 << 17
"""Scores in a block of rows: two such blocks of float32 are in the second cache."""

VECTOR = 16
"""Numbers, float32, of the widest vectors."""

FEW = 1 << 20
"""Multiplications below which a second thread costs more than it helps."""


@attention.forward.body("numba", device="cpu", covers=covers, strided=True)
def forward(q: Any, k: Any, v: Any) -> Any:
    """BLAS multiplies a block of rows that stays in the cache, vectors take its exponentials, heads go to threads.

    中文：矩阵乘法调用 BLAS，每次只算留在缓存里的若干行；指数函数用向量指令计算，各个头分给多个线程。
    """
    return _forward(q, k, v, None, False, False)


@attention.backward.body("numba", device="cpu", covers=covers, strided=True)
def backward(dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any) -> Any:
    """P is computed again, a block of rows at a time; dK and dV are added up by the products themselves.

    中文：逐块重新计算 P；dK 与 dV 由矩阵乘法直接累加。
    """
    return _backward(dy, q, k, v, None, y, lse, False)


@attention.masked_forward.body("numba", device="cpu", covers=covers, strided=True)
def masked_forward(q: Any, k: Any, v: Any, mask: Any) -> Any:
    """As attention without a mask; the mask is applied to a block that is in the cache.

    中文：与无掩码的版本相同；掩码作用在缓存里的那一块上。
    """
    return _forward(q, k, v, mask, False, True)


@attention.masked_backward.body("numba", device="cpu", covers=covers, strided=True)
def masked_backward(dy: Any, q: Any, k: Any, v: Any, mask: Any, y: Any, lse: Any) -> Any:
    """As attention without a mask; the mask is applied to a block that is in the cache.

    中文：与无掩码的版本相同；掩码作用在缓存里的那一块上。
    """
    return *_backward(dy, q, k, v, mask, y, lse, False), None


@attention.blocked_forward.body("numba", device="cpu", covers=covers, strided=True)
def blocked_forward(q: Any, k: Any, v: Any, *, is_causal: bool, block: int) -> Any:
    """Whole rows of scores at a time, as many as stay in the cache: nothing to rescale. Above the diagonal, nothing.

    中文：每次算若干整行，行数以缓存容得下为限，因此不必重新缩放；对角线以上不计算。
    """
    return _forward(q, k, v, None, is_causal, True)


@attention.blocked_backward.body("numba", device="cpu", covers=covers, strided=True)
def blocked_backward(dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any, *, is_causal: bool, block: int) -> Any:
    """Whole rows at a time; dK and dV are added up by the products themselves. Above the diagonal, nothing.

    中文：每次算若干整行；dK 与 dV 由矩阵乘法直接累加；对角线以上不计算。
    """
    return _backward(dy, q, k, v, None, y, lse, is_causal)


# ---- memory


def laid_out(x: Any) -> Any:
    """x (…, n, d) as a contiguous (batch, n, heads, d), without a copy where x is whole or was cut into heads."""
    apart = x.swapaxes(-2, -3) if x.ndim > 2 else x
    if apart.flags.c_contiguous and not x.flags.c_contiguous:
        return apart.reshape(-1, *apart.shape[-3:])
    return np.ascontiguousarray(x).reshape(_count(x.shape[:-2]), x.shape[-2], 1, x.shape[-1])


def new_like(x: Any, width: int) -> Any:
    """An array for a result (…, n, width) that lies in memory as x does."""
    *lead, n, _ = x.shape
    if x.ndim > 2 and x.swapaxes(-2, -3).flags.c_contiguous and not x.flags.c_contiguous:
        return buffers.empty((*lead[:-1], n, lead[-1], width), x.dtype).swapaxes(-2, -3)
    return buffers.empty((*lead, n, width), x.dtype)


def _count(lead: tuple[int, ...]) -> int:
    return int(np.prod(lead, dtype=np.int64))


def mask_table(mask: Any, lead: tuple[int, ...], m: int) -> Any:
    """The masks that differ, (count, 1 or n, m), and which of them each head has."""
    own = mask.shape[:-2]
    table = np.ascontiguousarray(np.broadcast_to(mask, (*mask.shape[:-1], m))).reshape(_count(own), mask.shape[-2], m)
    which = np.broadcast_to(np.arange(len(table)).reshape(own), lead).reshape(-1)
    return table, which


# ---- the host's side


def _forward(q: Any, k: Any, v: Any, mask: Any, is_causal: bool, may_be_empty: bool) -> Any:
    y, lse = new_like(q, v.shape[-1]), buffers.empty((*q.shape[:-1], 1), q.dtype)
    tables = None if mask is None else mask_table(mask, q.shape[:-2], k.shape[-2])
    if y.size:
        with one_thread():
            _run(_forward_heads, _forward_shared, q, k,
                 laid_out(q), laid_out(k), laid_out(v), laid_out(y), lse.reshape(-1, q.shape[-2]), tables, is_causal,
                 may_be_empty)
    return y, lse


def _backward(dy: Any, q: Any, k: Any, v: Any, mask: Any, y: Any, lse: Any, is_causal: bool) -> Any:
    dq, dk, dv = (new_like(x, x.shape[-1]) for x in (q, k, v))
    tables = None if mask is None else mask_table(mask, q.shape[:-2], k.shape[-2])
    if q.size:
        with one_thread():
            _run(_backward_heads, _backward_shared, q, k, laid_out(dy), laid_out(q), laid_out(k), laid_out(v),
                 laid_out(y), np.ascontiguousarray(lse).reshape(-1, q.shape[-2]), tables, is_causal,
                 laid_out(dq), laid_out(dk), laid_out(dv))
    else:
        dk[...] = 0
        dv[...] = 0
    return dq, dk, dv


def _run(serial: Any, shared: Any, q: Any, k: Any, *arguments: Any) -> None:
    """Heads from first to last, by this thread alone or by all."""
    heads, n, m = _count(q.shape[:-2]), q.shape[-2], k.shape[-2]
    rows = min(n, max(16, IN_CACHE // m))
    threads = min(heads, threads_for(q.size * m, FEW))
    if threads == 1:
        serial(*arguments, rows, 0, heads)
    else:
        shared(*arguments, rows, heads, threads)


# ---- what Numba compiles


@kernel(parallel=True)
def _forward_shared(q, k, v, y, lse, tables, is_causal, may_be_empty, rows, heads, threads):
    for t in prange(threads):
        _forward_heads(q, k, v, y, lse, tables, is_causal, may_be_empty, rows, heads * t // threads,
                       heads * (t + 1) // threads)


@kernel(parallel=True)
def _backward_shared(dy, q, k, v, y, lse, tables, is_causal, dq, dk, dv, rows, heads, threads):
    for t in prange(threads):
        _backward_heads(dy, q, k, v, y, lse, tables, is_causal, dq, dk, dv, rows, heads * t // threads,
                        heads * (t + 1) // threads)


@kernel
def _forward_heads(q, k, v, y, lse, tables, is_causal, may_be_empty, rows, first, last):
    n, m, d = q.shape[1], k.shape[1], q.shape[3]
    space = np.empty(rows * m, q.dtype)
    turned = np.empty((d, m), q.dtype)
    tops, totals = np.empty(rows, q.dtype), np.empty(rows, q.dtype)
    for head in range(first, last):
        qi, ki, vi, yi = _head(q, head), _head(k, head), _head(v, head), _head(y, head)
        _transpose(ki, turned)
        for begin in range(0, n, rows):
            end = min(begin + rows, n)
            width = min(m, end) if is_causal else m
            p = space[: (end - begin) * width].reshape(end - begin, width)
            gemm(d**-0.5, qi[begin:end], turned[:, :width], 0.0, p)
            if tables is not None:
                _mask(p, tables[0][tables[1][head]], begin)
            if is_causal:
                _above_the_diagonal(p, begin)
            _exponentials(p, tops, totals, may_be_empty)
            gemm(1.0, p, vi[:width], 0.0, yi[begin:end])
            _normalize(y, head, begin, lse[head, begin:end], tops, totals)


@kernel
def _backward_heads(dy, q, k, v, y, lse, tables, is_causal, dq, dk, dv, rows, first, last):
    n, m, d, e = q.shape[1], k.shape[1], q.shape[3], v.shape[3]
    scale = d**-0.5
    space, further = np.empty(rows * _whole(m), q.dtype), np.empty(rows * _whole(m), q.dtype)
    k_turned, v_turned = np.empty((d, m), q.dtype), np.empty((e, m), q.dtype)
    sums = np.empty(n, q.dtype)
    for head in range(first, last):
        dyi, qi, ki, vi = _head(dy, head), _head(q, head), _head(k, head), _head(v, head)
        dqi, dki, dvi = _head(dq, head), _head(dk, head), _head(dv, head)
        _transpose(ki, k_turned)
        _transpose(vi, v_turned)
        _row_products(dy, y, head, sums)
        dki[:] = 0
        dvi[:] = 0
        for begin in range(0, n, rows):
            end = min(begin + rows, n)
            width = min(m, end) if is_causal else m
            whole, further_whole = _table(space, end - begin, width), _table(further, end - begin, width)
            p, s = whole[:, :width], further_whole[:, :width]
            gemm(scale, qi[begin:end], k_turned[:, :width], 0.0, p)
            gemm(1.0, dyi[begin:end], v_turned[:, :width], 0.0, s)
            if tables is not None:
                _mask(p, tables[0][tables[1][head]], begin)
            if is_causal:
                _above_the_diagonal(p, begin)
            _softmax_backward(whole, further_whole, lse[head, begin:end], sums[begin:end])
            gemm(scale, s, ki[:width], 0.0, dqi[begin:end])
            gemm(scale, s.T, qi[begin:end], 1.0, dki[:width])
            gemm(1.0, p.T, dyi[begin:end], 1.0, dvi[:width])


@kernel
def _head(x, head):
    """One head's matrix out of (batch, n, heads, d)."""
    return x[head // x.shape[2], :, head % x.shape[2]]


@kernel
def _transpose(x, turned):
    """BLAS is half as fast again with the short side of K first."""
    use_widest_vectors()
    for j in range(x.shape[1]):
        for i in range(x.shape[0]):
            turned[j, i] = x[i, j]


@kernel
def _whole(width):
    """Room for a row: a whole number of vectors. An incomplete one would cost as much as several."""
    return -(-width // VECTOR) * VECTOR


@kernel
def _table(space, rows, width):
    """Rows that each begin a vector."""
    return space[: rows * _whole(width)].reshape(rows, _whole(width))


@kernel
def _mask(p, mask, begin):
    use_widest_vectors()
    for i in range(p.shape[0]):
        allowed = mask[begin + i if mask.shape[0] > 1 else 0]
        for j in range(p.shape[1]):
            if not allowed[j]:
                p[i, j] = -np.inf


@kernel
def _above_the_diagonal(p, begin):
    for i in range(p.shape[0]):
        for j in range(begin + i + 1, p.shape[1]):
            p[i, j] = -np.inf


@kernel
def _exponentials(p, tops, totals, may_be_empty):
    """e^(score − the largest) in each row, and their sum. Exponentials are taken of the block as one row: in short rows
    the incomplete last vector costs most."""
    use_widest_vectors()
    T = p.dtype.type
    for i in range(p.shape[0]):
        row = p[i]
        top = row[0]
        for j in range(row.size):
            top = maximum(top, row[j])
        if may_be_empty and top == -np.inf:
            top = T(0)
        for j in range(row.size):
            row[j] -= top
        tops[i] = top
    flat = p.reshape(-1)
    for j in range(flat.size):
        flat[j] = exp(flat[j])
    for i in range(p.shape[0]):
        row = p[i]
        total = T(0)
        for j in range(row.size):
            total += row[j]
        totals[i] = T(1) if may_be_empty and total == 0 else total


@kernel
def _normalize(y, head, begin, lse, tops, totals):
    """Some rows of a head's Y by the sums of their exponentials: there are fewer numbers in Y than in P."""
    use_widest_vectors()
    for i in range(lse.size):
        lse[i] = tops[i] + log(totals[i])
    for i in range(lse.size):
        row, share = y[head // y.shape[2], begin + i, head % y.shape[2]], totals.dtype.type(1) / totals[i]
        for j in range(row.size):
            row[j] *= share


@kernel
def _row_products(dy, y, head, sums):
    """Σ dY Y of each row of a head."""
    use_widest_vectors()
    for i in range(sums.size):
        upstream = dy[head // dy.shape[2], i, head % dy.shape[2]]
        row = y[head // y.shape[2], i, head % y.shape[2]]
        total = sums.dtype.type(0)
        for j in range(row.size):
            total += upstream[j] * row[j]
        sums[i] = total


@kernel
def _softmax_backward(p, s, lse, sums):
    """P = e^(scores − lse), S = P (dP − Σ dY Y). What lies behind the scores takes part, and is not read."""
    use_widest_vectors()
    for i in range(p.shape[0]):
        shares, upstream, shift, total = p[i], s[i], lse[i], sums[i]
        for j in range(shares.size):
            share = exp(shares[j] - shift)
            shares[j] = share
            upstream[j] = share * (upstream[j] - total)
