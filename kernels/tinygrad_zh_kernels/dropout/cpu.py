"""Dropout on the CPU, by Numba."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic

from tinygrad_zh_kernels import buffers, dropout
from tinygrad_zh_kernels.dropout import covers, covers_backward, threshold
from tinygrad_zh_kernels.philox import MULTIPLIERS, ROUNDS, WEYL, WORDS, take
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import SAFE, kernel, use_widest_vectors

FEW = 50_000
"""Numbers below which a second thread costs more than it helps."""

TOGETHER = 256
"""Blocks of words that are computed before they are used: they stay in the nearest cache."""

M0, M1 = map(np.uint64, MULTIPLIERS)
W0, W1 = map(np.uint64, WEYL)


@dropout.forward.body("numba", device="cpu", covers=covers, least=1 << 16)
def forward(x: Any, *, p: Any, scale: float, rng: Any) -> tuple[Any, Any]:
    """Each thread computes its own words, some blocks at a time, and compares them in vector instructions.

    中文：每个线程自己算出所需的随机字，一次算若干块，再用向量指令比较。
    """
    y, mask = buffers.empty(x.shape, x.dtype), buffers.empty(x.shape, np.bool_)
    words = take(rng, x.size)
    limit, scale = np.uint32(threshold(p)), x.dtype.type(scale)
    arrays = (y.reshape(-1), mask.reshape(-1), x.reshape(-1), *words.counter, *words.key, words.skip, limit, scale)
    threads = threads_for(x.size, FEW)
    if threads == 1:
        _forward(*arrays)
    else:
        _forward_parallel(*arrays, threads)
    if words.early is not None:
        mask.reshape(-1)[0] = words.early >> 8 >= limit
        y.reshape(-1)[0] = x.reshape(-1)[0] * mask.reshape(-1)[0] * scale
    return y, mask


@kernel(parallel=True)
def _forward_parallel(y, mask, x, c0, c1, c2, c3, k0, k1, skip, limit, scale, threads):
    for t in prange(threads):
        first, last = x.size * t // threads, x.size * (t + 1) // threads
        start = skip + first
        b0, b1, b2, b3 = _later(c0, c1, c2, c3, np.uint64(start // WORDS))
        _forward(y[first:last], mask[first:last], x[first:last], b0, b1, b2, b3, k0, k1, start % WORDS, limit, scale)


@kernel(fastmath=SAFE)  # x · mask · scale in this order: a large x that is dropped is 0 times x, and not 0 times ∞
def _forward(y, mask, x, c0, c1, c2, c3, k0, k1, skip, limit, scale):
    use_widest_vectors()
    halves = np.empty(TOGETHER * WORDS // 2, np.uint64)
    words = halves.view(np.uint32)
    first = 0
    while first < x.size:
        some = min(words.size - skip, x.size - first)
        for b in range((skip + some + WORDS - 1) // WORDS):
            _block(halves[4 * b : 4 * b + 4], c0, c1, c2, c3, k0, k1)
            c0, c1, c2, c3 = _later(c0, c1, c2, c3, np.uint64(1))
        drawn, kept, in_, out = words[skip : skip + some], mask[first:], x[first:], y[first:]
        for i in range(some):
            kept[i] = (drawn[i] >> np.uint32(8)) >= limit
        for i in range(some):
            out[i] = in_[i] * x.dtype.type(kept[i]) * scale
        first += some
        skip = 0


@kernel
def _block(out, c0, c1, c2, c3, k0, k1):
    """Ten rounds of Philox4x64."""
    for _ in range(ROUNDS):
        c0, c1, c2, c3 = _high(M1, c2) ^ c1 ^ k0, M1 * c2, _high(M0, c0) ^ c3 ^ k1, M0 * c0
        k0 += W0
        k1 += W1
    out[0], out[1], out[2], out[3] = c0, c1, c2, c3


@kernel
def _later(c0, c1, c2, c3, blocks):
    """The counter so many blocks later, with the carries."""
    zero, one = np.uint64(0), np.uint64(1)
    c0 += blocks
    if c0 < blocks:
        c1 += one
        if c1 == zero:
            c2 += one
            if c2 == zero:
                c3 += one
    return c0, c1, c2, c3


@intrinsic
def _high(typing: Any, a: Any, b: Any) -> Any:
    """The upper 64 bits of the 128 of a product: one instruction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        whole = builder.mul(*[builder.zext(x, wide) for x in arguments])
        return builder.trunc(builder.lshr(whole, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@dropout.backward.body("numba", device="cpu", covers=covers_backward, least=1 << 14)
def backward(dy: Any, mask: Any, *, scale: float) -> Any:
    """One pass, in vector instructions.

    中文：用向量指令一遍算完。
    """
    dx = buffers.empty(dy.shape, dy.dtype)
    arrays = (dx.reshape(-1), dy.reshape(-1), mask.reshape(-1), dy.dtype.type(scale))
    threads = threads_for(dy.size, FEW)
    if threads == 1:
        _backward(*arrays)
    else:
        _backward_parallel(*arrays, threads)
    return dx


@kernel(parallel=True)
def _backward_parallel(dx, dy, mask, scale, threads):
    for t in prange(threads):
        first, last = dy.size * t // threads, dy.size * (t + 1) // threads
        _backward(dx[first:last], dy[first:last], mask[first:last], scale)


@kernel(fastmath=SAFE)
def _backward(dx, dy, mask, scale):
    use_widest_vectors()
    for i in range(dy.size):
        dx[i] = dy[i] * dy.dtype.type(mask[i]) * scale
