"""Dropout in Numba CUDA: a thread computes eight words and uses them."""

from __future__ import annotations

from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda, uint32, uint64

from tinygrad_zh_kernels import dropout
from tinygrad_zh_kernels.dropout import covers, covers_backward, threshold
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.philox import MULTIPLIERS, ROUNDS, WEYL, WORDS, take

THREADS = 128
M0, M1 = MULTIPLIERS
W0, W1 = WEYL


@dropout.forward.body("numba-cuda", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, *, p: Any, scale: float, rng: Any) -> tuple[Any, Any]:
    """One launch: each thread computes a block of the stream, eight words, for eight numbers.

    中文：只启动一次：每个线程算出随机流的一块，即八个字，用于八个数。
    """
    y, mask = launch.empty(x.shape, x.dtype), launch.empty(x.shape, np.bool_)
    words = take(rng, x.size)
    counted = blocks(words.skip + x.size, WORDS) if x.size else 0
    early = -1 if words.early is None else words.early
    arguments = (y.reshape(-1), mask.reshape(-1), x.reshape(-1), *words.counter, *words.key, words.skip, early,
                 np.uint32(threshold(p)), x.dtype.type(scale))
    launch.numba(_forward(numba.from_dtype(x.dtype)), (blocks(counted, THREADS),), (THREADS,), arguments)
    return y, mask


@cuda.jit(device=True)
def _high(a, b):
    """The upper 64 bits of a product of two 64-bit numbers, from the products of their halves."""
    lower, half = uint64(0xFFFFFFFF), uint64(32)
    middle = (a >> half) * (b & lower) + ((a & lower) * (b & lower) >> half)
    other = (a & lower) * (b >> half) + (middle & lower)
    return (a >> half) * (b >> half) + (middle >> half) + (other >> half)


@cache
def _forward(T):
    @cuda.jit
    def dropout_forward(y, mask, x, c0, c1, c2, c3, k0, k1, skip, early, limit, scale):
        block = cuda.grid(1)
        first = block * WORDS - skip
        if first >= x.size:
            return
        c0 = uint64(c0 + uint64(block))
        if c0 < uint64(block):
            c1 = uint64(c1 + uint64(1))
            if c1 == uint64(0):
                c2 = uint64(c2 + uint64(1))
                if c2 == uint64(0):
                    c3 = uint64(c3 + uint64(1))
        for _ in range(ROUNDS):
            high0 = _high(uint64(M0), c0)
            high1 = _high(uint64(M1), c2)
            low0 = uint64(uint64(M0) * c0)
            low1 = uint64(uint64(M1) * c2)
            c0 = high1 ^ c1 ^ k0
            c1 = low1
            c2 = high0 ^ c3 ^ k1
            c3 = low0
            k0 = uint64(k0 + uint64(W0))
            k1 = uint64(k1 + uint64(W1))

        for j in range(WORDS):
            i = first + j
            if 0 <= i < x.size:
                whole = c0 if j < 2 else c1 if j < 4 else c2 if j < 6 else c3
                word = whole >> uint64(32 * (j % 2)) & uint64(0xFFFFFFFF)
                if i == 0 and early >= 0:
                    word = uint64(early)
                keep = uint32(word) >> uint32(8) >= limit
                mask[i] = keep
                y[i] = x[i] * (T(1) if keep else T(0)) * scale

    return dropout_forward


@dropout.backward.body("numba-cuda", device="cuda", covers=covers_backward)
def backward(launch: Launcher, dy: Any, mask: Any, *, scale: float) -> Any:
    """One thread a number, in one launch.

    中文：每个线程算一个数，只启动一次。
    """
    dx = launch.empty(dy.shape, dy.dtype)
    arrays = tuple([a.reshape(-1) for a in (dx, dy, mask)])
    launch.numba(_backward(numba.from_dtype(dy.dtype)), (blocks(dy.size, THREADS),), (THREADS,),
                 (*arrays, dy.dtype.type(scale)))
    return dx


@cache
def _backward(T):
    @cuda.jit
    def dropout_backward(dx, dy, mask, scale):
        i = cuda.grid(1)
        if i < dy.size:
            dx[i] = dy[i] * (T(1) if mask[i] else T(0)) * scale

    return dropout_backward
