"""Dropout in CUDA C: the host's side of dropout.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import dropout
from tinygrad_zh_kernels.dropout import covers, covers_backward, threshold
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.philox import WORDS, take
from tinygrad_zh_kernels.row import aligned

FILE = Path(__file__).parent / "dropout.cu"
THREADS = 256
STAY = 4
"""Blocks of backward a multiprocessor: one full wave of threads, each with several loads under way."""


@dropout.forward.body("cuda-c", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, *, p: Any, scale: float, rng: Any) -> tuple[Any, Any]:
    """Words are computed eight at a time into shared memory, numbers read and written sixteen bytes at a time.

    中文：随机字每次算八个，放进共享内存；数据每次读写 16 字节。
    """
    y, mask = launch.empty(x.shape, x.dtype), launch.empty(x.shape, np.bool_)
    words = take(rng, x.size)
    early = -1 if words.early is None else words.early
    arguments = (y, mask, x, np.int64(x.size), *words.counter, *words.key, words.skip, np.int64(early),
                 np.uint32(threshold(p)), float(scale), int(aligned(x)))
    launch.cuda_c(FILE, "dropout_forward", (blocks(x.size, THREADS * WORDS),), (THREADS,), arguments, dtype=x.dtype)
    return y, mask


@dropout.backward.body("cuda-c", device="cuda", covers=covers_backward)
def backward(launch: Launcher, dy: Any, mask: Any, *, scale: float) -> Any:
    """Sixteen bytes of dy at a time, and the four or two of the mask that go with them.

    中文：dy 每次读 16 字节，同时读取对应的 4 或 2 字节掩码。
    """
    dx = launch.empty(dy.shape, dy.dtype)
    packs = dy.size * dy.itemsize // 16 if aligned(dy) and aligned(mask) else 0
    grid = (min(blocks(packs or dy.size, THREADS), STAY * launch.multiprocessors),)
    launch.cuda_c(FILE, "dropout_backward", grid, (THREADS,),
                  (dx, dy, mask, float(scale), np.int64(dy.size), np.int64(packs)), dtype=dy.dtype)
    return dx
