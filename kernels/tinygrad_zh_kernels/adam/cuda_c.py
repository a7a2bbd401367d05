"""Adam in CUDA C: the host's side of adam.cu."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels import adam
from tinygrad_zh_kernels.adam import covers
from tinygrad_zh_kernels.launcher import Launcher, blocks
from tinygrad_zh_kernels.row import aligned

ADAM = Path(__file__).parent / "adam.cu"
THREADS = 256


@adam.forward.body("cuda-c-1-naive", device="cuda", covers=covers)
def naive(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9,
          beta2: float = 0.999, eps: float = 1e-8) -> Any:
    """One launch instead of eighteen, one parameter a thread; η and t are read on the device.

    中文：只启动一次（公式要十八次），每个线程更新一个参数；η 与 t 直接在显存里读取。
    """
    return run(launch, "adam_naive", 1, w0, g, m0, v0, lr, t, beta1, beta2, eps, 0.0)


@adam.forward.body("cuda-c", device="cuda", covers=covers)
def forward(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9,
            beta2: float = 0.999, eps: float = 1e-8) -> Any:
    """16 bytes a load, so that fewer instructions keep more of the memory's bandwidth busy.

    中文：每次读 16 字节，用更少的指令占满显存带宽。
    """
    return _update(launch, w0, g, m0, v0, lr, t, beta1, beta2, eps, 0.0)


@adam.decayed_forward.body("cuda-c", device="cuda", covers=covers)
def decayed_forward(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9,
                    beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.01) -> Any:
    """One launch instead of twenty: the decay is one more factor of Adam's kernel.

    中文：只启动一次（公式要二十次）：权重衰减只是 Adam 核函数里多乘的一个系数。
    """
    return _update(launch, w0, g, m0, v0, lr, t, beta1, beta2, eps, decay)


def _update(launch: Launcher, *arguments: Any) -> Any:
    if all(aligned(x) for x in arguments[:4]):
        return run(launch, "adam", 16 // arguments[0].itemsize, *arguments)
    return run(launch, "adam_naive", 1, *arguments)  # a part of another buffer that begins anywhere


def run(launch: Launcher, name: str, numbers: int, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, beta1: float,
        beta2: float, eps: float, decay: float) -> Any:
    """Launch a kernel each of whose threads updates so many numbers. ln β goes there in double, whatever the dtype."""
    w, m, v = (launch.empty(w0.shape, w0.dtype) for _ in range(3))
    grid = (blocks(blocks(w0.size, numbers), THREADS),)
    scalars = (float(beta1), 1 - beta1, float(beta2), 1 - beta2, _log(beta1), _log(beta2), float(eps), float(decay))
    launch.cuda_c(ADAM, name, grid, (THREADS,), (w, m, v, w0, g, m0, v0, lr, t, *scalars, np.int64(w0.size)),
                  dtype=w0.dtype)
    return w, m, v


def _log(beta: float) -> np.float64:
    return np.float64(math.log(beta) if beta else -math.inf)
