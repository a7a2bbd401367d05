"""Adam on the CPU, by Numba."""

from __future__ import annotations

import math
from typing import Any

from numba import prange

from tinygrad_zh_kernels import adam, buffers
from tinygrad_zh_kernels.adam import covers
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import SAFE, kernel, use_widest_vectors

FEW = 50_000
"""Parameters below which a second thread costs more than it helps."""


@adam.forward.body("numba", device="cpu", covers=covers, least=1 << 11)
def forward(w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9, beta2: float = 0.999,
            eps: float = 1e-8) -> Any:
    """One pass instead of eighteen; what depends on t alone is computed once.

    中文：只遍历一遍（公式要十八遍）；只与 t 有关的量先算好。
    """
    return _update(w0, g, m0, v0, float(lr), float(t), beta1, beta2, eps, 0.0)


@adam.decayed_forward.body("numba", device="cpu", covers=covers, least=1 << 10)
def decayed_forward(w0: Any, g: Any, m0: Any, v0: Any, lr: Any, t: Any, *, beta1: float = 0.9, beta2: float = 0.999,
                    eps: float = 1e-8, decay: float = 0.01) -> Any:
    """One pass instead of twenty; the decay is one more factor.

    中文：只遍历一遍（公式要二十遍）；权重衰减只多乘一个系数。
    """
    return _update(w0, g, m0, v0, float(lr), float(t), beta1, beta2, eps, decay)


def _update(w0: Any, g: Any, m0: Any, v0: Any, lr: float, t: float, beta1: float, beta2: float, eps: float,
            decay: float) -> Any:
    w, m, v = (buffers.empty(w0.shape, w0.dtype) for _ in range(3))
    T = w0.dtype.type
    factors = (T(beta1), T(1 - beta1), T(beta2), T(1 - beta2), T(lr / (1 - beta1**t)),
               T(1 / math.sqrt(1 - beta2**t)), T(eps), T(1 - lr * decay))
    arrays = [x.reshape(-1) for x in (w0, g, m0, v0, w, m, v)]
    threads = threads_for(w.size, FEW)
    if threads == 1:
        _serial(*arrays, factors)
    else:
        _shared(*arrays, factors, threads)
    return w, m, v


@kernel(parallel=True)
def _shared(w0, g, m0, v0, w, m, v, factors, threads):
    for i in prange(threads):
        a, b = w.size * i // threads, w.size * (i + 1) // threads
        _serial(w0[a:b], g[a:b], m0[a:b], v0[a:b], w[a:b], m[a:b], v[a:b], factors)


@kernel(fastmath=SAFE)
def _serial(w0, g, m0, v0, w, m, v, factors):
    use_widest_vectors()
    beta1, rest1, beta2, rest2, rate, root, eps, shrink = factors
    for i in range(w.size):
        gi = g[i]
        mi = beta1 * m0[i] + rest1 * gi
        vi = beta2 * v0[i] + rest2 * (gi * gi)
        wi = shrink * w0[i] - rate * mi / (math.sqrt(vi) * root + eps)
        w[i] = wi
        m[i] = mi
        v[i] = vi
