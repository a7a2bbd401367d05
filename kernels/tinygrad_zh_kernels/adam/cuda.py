"""Adam in Numba CUDA: one parameter a thread."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import cuda

from tinygrad_zh_kernels import adam
from tinygrad_zh_kernels.adam import covers
from tinygrad_zh_kernels.launcher import Launcher, blocks

THREADS = 256


@adam.forward.body("numba-cuda", device="cuda", covers=covers)
def forward(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9,
            beta2: float = 0.999, eps: float = 1e-8) -> Any:
    """Two launches instead of eighteen: one thread for what depends on t alone, then one for each parameter.

    中文：启动两次（公式要十八次）：先由一个线程算出只与 t 有关的量，再由每个线程更新一个参数。
    """
    return _update(launch, w0, g, m0, v0, lr, t, beta1, beta2, eps, 0.0)


@adam.decayed_forward.body("numba-cuda", device="cuda", covers=covers)
def decayed_forward(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9,
                    beta2: float = 0.999, eps: float = 1e-8, decay: float = 0.01) -> Any:
    """Two launches instead of twenty: the decay is one more factor of Adam's kernel.

    中文：启动两次（公式要二十次）：权重衰减只是 Adam 核函数里多乘的一个系数。
    """
    return _update(launch, w0, g, m0, v0, lr, t, beta1, beta2, eps, decay)


def _update(launch: Launcher, w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, beta1: float, beta2: float,
            eps: float, decay: float) -> Any:
    T = numba.from_dtype(w0.dtype)
    corrections = launch.empty((2,), w0.dtype)
    launch.numba(_corrections(T), (1,), (1,), (corrections, t.reshape(1), np.float64(beta1), np.float64(beta2)))
    results = [launch.empty(w0.shape, w0.dtype) for _ in range(3)]
    arrays = [x.reshape(-1) for x in (*results, w0, g, m0, v0)]
    scalars = [w0.dtype.type(x) for x in (beta1, 1 - beta1, beta2, 1 - beta2, eps, decay)]
    launch.numba(_adam(T), (blocks(w0.size, THREADS),), (THREADS,),
                 (*arrays, lr.reshape(1), corrections, *scalars))
    return tuple(results)


@cache
def _corrections(T):
    @cuda.jit
    def adam_corrections(corrections, t, beta1, beta2):  # in float64: of 1 − 0.999 a float32 would keep four digits
        corrections[0] = T(1 / (1 - beta1 ** t[0]))
        corrections[1] = T(math.sqrt(1 / (1 - beta2 ** t[0])))

    return adam_corrections


@cache
def _adam(T):
    @cuda.jit
    def adam(w, m, v, w0, g, m0, v0, lr, corrections, beta1, rest1, beta2, rest2, eps, decay):
        i = cuda.grid(1)
        if i < w.size:
            m[i] = beta1 * m0[i] + rest1 * g[i]
            v[i] = beta2 * v0[i] + rest2 * (g[i] * g[i])
            rate = lr[0] * corrections[0]
            shrink = T(1) - lr[0] * decay
            w[i] = shrink * w0[i] - rate * m[i] / (math.sqrt(v[i]) * corrections[1] + eps)

    return adam
