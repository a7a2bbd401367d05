"""Attention in Numba CUDA: a warp a row, the scores of 32 keys at a time."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from tinygrad_zh_kernels import attention
from tinygrad_zh_kernels.attention import covers
from tinygrad_zh_kernels.cuda_sums import over
from tinygrad_zh_kernels.launcher import Launcher

WARP = 32
EACH = 4
"""Columns of a result that a thread holds: its own, and those 32, 64 and 96 further on."""


def covers_narrow(*arrays: Any, is_causal: bool = False, block: int = 0) -> bool:
    """Leading axes alike, and rows of at most 128 numbers, four a thread."""
    q, _, v = attention.queries_keys_values(arrays)
    return covers(*arrays) and max(q.shape[-1], v.shape[-1]) <= WARP * EACH


def table(x: Any) -> Any:
    """(…, n, d) as (heads, n, d)."""
    return x.reshape(math.prod(x.shape[:-2]), *x.shape[-2:])


@attention.forward.body("numba-cuda", device="cuda", covers=covers_narrow)
def forward(launch: Launcher, q: Any, k: Any, v: Any) -> Any:
    """One launch, a warp a query: a thread first has a key and its score, then columns of the result.

    中文：只启动一次，每个线程束算一个查询：每个线程先负责一个键和它的分数，再负责结果的几列。
    """
    return _forward(launch, q, k, v, False, False)


@attention.blocked_forward.body("numba-cuda", device="cuda", covers=covers_narrow)
def blocked_forward(launch: Launcher, q: Any, k: Any, v: Any, *, is_causal: bool, block: int) -> Any:
    """One launch, a warp a query; the keys that a query may attend to, 32 at a time.

    中文：只启动一次，每个线程束算一个查询；只看它可以关注的键，每次 32 个。
    """
    return _forward(launch, q, k, v, is_causal, True)


def _forward(launch: Launcher, q: Any, k: Any, v: Any, is_causal: bool, may_be_empty: bool) -> Any:
    *lead, n, d = q.shape
    y, lse = launch.empty((*lead, n, v.shape[-1]), q.dtype), launch.empty((*lead, n, 1), q.dtype)
    launch.numba(_attend(numba.from_dtype(q.dtype)), (n, math.prod(lead)), (WARP,),
                 (*map(table, (y, lse, q, k, v)), q.dtype.type(d**-0.5), is_causal, may_be_empty))
    return y, lse


@cache
def _attend(T):
    warp_sum, warp_max = over(T).warp_sum, over(T).warp_max

    @cuda.jit
    def attend(y, lse, q, k, v, scale, is_causal, may_be_empty):
        weights = cuda.shared.array(WARP, T)
        head = cuda.blockIdx.y
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x
        end = min(row + 1, k.shape[1]) if is_causal else k.shape[1]

        top = T(-math.inf)  # the largest score so far
        total = T(0)  # of the weights e^(score − top)
        o = cuda.local.array(EACH, T)  # my columns of the values, weighted
        for i in range(EACH):
            o[i] = T(0)
        for first in range(0, end, WARP):
            s = T(-math.inf)
            if first + me < end:
                s = T(0)
                for c in range(q.shape[2]):
                    s += q[head, row, c] * k[head, first + me, c]
                s *= scale
            higher = max(top, warp_max(s))
            shift = higher if higher > T(-math.inf) or higher != higher else T(0)
            weight = math.exp(s - shift)
            weights[me] = weight
            cuda.syncwarp()  # all have written their weights
            rescale = math.exp(top - shift)
            total = total * rescale + warp_sum(weight)
            top = higher
            for i in range(EACH):
                c = me + i * WARP
                if c < v.shape[2]:
                    o[i] *= rescale
                    for j in range(min(WARP, end - first)):
                        o[i] += weights[j] * v[head, first + j, c]
            cuda.syncwarp()  # all have read them

        if may_be_empty and total == T(0):
            total = T(1)
            top = T(0)
        for i in range(EACH):
            c = me + i * WARP
            if c < v.shape[2]:
                y[head, row, c] = o[i] / total
        if me == 0:
            lse[head, row, 0] = top + math.log(total)

    return attend


@attention.backward.body("numba-cuda", device="cuda", covers=covers_narrow)
def backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any) -> Any:
    """Two launches: a warp a query for dQ, a warp a key for dK and dV. No atomics.

    中文：启动两次：每个线程束负责一个查询，求 dQ；再每束负责一个键，求 dK 与 dV；不用原子操作。
    """
    return _backward(launch, dy, q, k, v, y, lse, False)


@attention.blocked_backward.body("numba-cuda", device="cuda", covers=covers_narrow)
def blocked_backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any, *, is_causal: bool,
                     block: int) -> Any:
    """Two launches: a warp a query for dQ, a warp a key for dK and dV, above the diagonal nothing.

    中文：启动两次：每束一个查询，求 dQ；再每束一个键，求 dK 与 dV；对角线以上不计算。
    """
    return _backward(launch, dy, q, k, v, y, lse, is_causal)


def _backward(launch: Launcher, dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any, is_causal: bool) -> Any:
    T = numba.from_dtype(q.dtype)
    heads, n, m = math.prod(q.shape[:-2]), q.shape[-2], k.shape[-2]
    dq, dk, dv = (launch.empty(x.shape, x.dtype) for x in (q, k, v))
    sums = launch.empty((heads, n, 1), q.dtype)
    inputs = (*map(table, (dy, q, k, v, lse)), np.dtype(q.dtype).type(q.shape[-1] ** -0.5), is_causal)
    launch.numba(_backward_q(T), (n, heads), (WARP,), (table(dq), sums, table(y), *inputs))
    launch.numba(_backward_kv(T), (m, heads), (WARP,), (table(dk), table(dv), sums, *inputs))
    return dq, dk, dv


@cache
def _backward_q(T):
    warp_sum = over(T).warp_sum

    @cuda.jit
    def attention_backward_q(dq, sums, y, dy, q, k, v, lse, scale, is_causal):
        weights = cuda.shared.array(WARP, T)
        head = cuda.blockIdx.y
        row = cuda.blockIdx.x
        me = cuda.threadIdx.x
        end = min(row + 1, k.shape[1]) if is_causal else k.shape[1]

        mean = T(0)
        for c in range(me, v.shape[2], WARP):
            mean += dy[head, row, c] * y[head, row, c]
        mean = warp_sum(mean)
        if me == 0:
            sums[head, row, 0] = mean
        total = cuda.local.array(EACH, T)  # my columns of dQ
        for i in range(EACH):
            total[i] = T(0)
        for first in range(0, end, WARP):
            if first + me < end:
                s = T(0)
                for c in range(q.shape[2]):
                    s += q[head, row, c] * k[head, first + me, c]
                dp = T(0)
                for c in range(v.shape[2]):
                    dp += dy[head, row, c] * v[head, first + me, c]
                weights[me] = math.exp(s * scale - lse[head, row, 0]) * (dp - mean)
            cuda.syncwarp()
            for i in range(EACH):
                c = me + i * WARP
                if c < q.shape[2]:
                    for j in range(min(WARP, end - first)):
                        total[i] += weights[j] * k[head, first + j, c]
            cuda.syncwarp()
        for i in range(EACH):
            c = me + i * WARP
            if c < q.shape[2]:
                dq[head, row, c] = total[i] * scale

    return attention_backward_q


@cache
def _backward_kv(T):
    @cuda.jit
    def attention_backward_kv(dk, dv, sums, dy, q, k, v, lse, scale, is_causal):
        shares = cuda.shared.array(WARP, T)
        weights = cuda.shared.array(WARP, T)
        head = cuda.blockIdx.y
        key = cuda.blockIdx.x
        me = cuda.threadIdx.x
        n = q.shape[1]

        sum_k = cuda.local.array(EACH, T)  # my columns of dK and dV
        sum_v = cuda.local.array(EACH, T)
        for i in range(EACH):
            sum_k[i] = T(0)
            sum_v[i] = T(0)
        for first in range(key if is_causal else 0, n, WARP):
            row = first + me
            if row < n:
                s = T(0)
                for c in range(q.shape[2]):
                    s += q[head, row, c] * k[head, key, c]
                dp = T(0)
                for c in range(v.shape[2]):
                    dp += dy[head, row, c] * v[head, key, c]
                shares[me] = math.exp(s * scale - lse[head, row, 0])
                weights[me] = shares[me] * (dp - sums[head, row, 0])
            cuda.syncwarp()
            for i in range(EACH):
                c = me + i * WARP
                if c < q.shape[2]:
                    for j in range(min(WARP, n - first)):
                        sum_k[i] += weights[j] * q[head, first + j, c]
                if c < v.shape[2]:
                    for j in range(min(WARP, n - first)):
                        sum_v[i] += shares[j] * dy[head, first + j, c]
            cuda.syncwarp()
        for i in range(EACH):
            c = me + i * WARP
            if c < q.shape[2]:
                dk[head, key, c] = sum_k[i] * scale
            if c < v.shape[2]:
                dv[head, key, c] = sum_v[i]

    return attention_backward_kv
