"""Adam and AdamW: one pass over the parameters, their gradients and both averages. Adam 与 AdamW 的一步更新

    forward         m ← β₁ m + (1 − β₁) g;  v ← β₂ v + (1 − β₂) g²;  w ← w − η m̂ / (√v̂ + ε)
                    with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
    decayed_forward the same, with w ← w − η (m̂ / (√v̂ + ε) + λ w)

Covered: arrays of one shape, with at least one axis; float32 and float64. η and t are 0-d arrays. On CUDA they stay on
the device, and the kernel reads them there: a recorded step finds the next t, and nobody waits for a copy.

Least traffic: w, g, m and v are read and w, m and v are written, 28 bytes a parameter in float32, for about 14
operations. The formula's NumPy makes 18 passes. A result is a new array: so as not to fetch memory only to overwrite
it, the CPU body takes the memory that the parameter before the last had, which lies in the cache if anything does.

Not as in the formula: a parameter that is ∞ stays so in decayed_forward, where the formula takes ∞ from ∞.

Many small parameters cost a launch each; `tinygrad_zh.optim.flat` puts them into one buffer.

Kingma, Ba 2015, algorithm 1. Loshchilov, Hutter 2019, algorithm 2.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]

KEYWORDS = {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
DECAYED = {**KEYWORDS, "decay": 0.01}


def covers(*arrays: Any, **keywords: Any) -> bool:
    """Parameter, gradient and averages of one shape."""
    w, g, m, v = arrays[:4]
    return w.ndim > 0 and w.shape == g.shape == m.shape == v.shape


def arguments(rng: Rng, dtype: DType, shape: Size, t: float = 3.0, **keywords: float) -> Arguments:
    """A call somewhere in a training."""
    w, g, m = (rng.standard_normal(shape).astype(dtype) for _ in range(3))
    v = rng.random(shape).astype(dtype)
    return Arguments((w, g, m, v, np.array(0.01, dtype), np.array(t)), keywords or KEYWORDS)


def first(rng: Rng, dtype: DType, **keywords: float) -> Arguments:
    """The first step: averages of 0, and gradients of 0 among them, which leave a parameter where it is."""
    w, g = (rng.standard_normal((4, 33)).astype(dtype) for _ in range(2))
    g[1] = 0
    return Arguments((w, g, np.zeros_like(w), np.zeros_like(w), np.array(0.001, dtype), np.array(1.0)), keywords)


def with_nan(rng: Rng, dtype: DType, **keywords: float) -> Arguments:
    """One nan and one ∞ among the gradients: they spoil their own parameters alone."""
    call = arguments(rng, dtype, (70,), **keywords)
    call.arrays[1][[5, 66]] = np.nan, np.inf
    return call


def cases(**keywords: float) -> dict[str, Any]:
    """Special values, and lengths that leave a rest."""
    return {
        "the first step": lambda rng, dtype: first(rng, dtype, **keywords),
        "a late step": lambda rng, dtype: arguments(rng, dtype, (5, 7), 1e6, **keywords),
        "three axes": lambda rng, dtype: arguments(rng, dtype, (3, 5, 11), **keywords),
        "a thousand and three": lambda rng, dtype: arguments(rng, dtype, (1003,), **keywords),
        "a nan and an ∞": lambda rng, dtype: with_nan(rng, dtype, **keywords),
    }


forward = Kernel(
    "adam.forward",
    formula="Adam.forward",
    arguments=arguments,
    limits=((0, 300),),
    cases=cases(**KEYWORDS),
    sizes=((10_000,), (1_300_000,), (50_000_000,)),
    flops=lambda call: 14 * call.arrays[0].size,
)

decayed_forward = Kernel(
    "adam.decayed_forward",
    formula="AdamW.forward",
    arguments=lambda rng, dtype, size: arguments(rng, dtype, size, **DECAYED),
    limits=((0, 300),),
    cases=cases(**DECAYED),
    sizes=((10_000,), (1_300_000,), (50_000_000,)),
    flops=lambda call: 16 * call.arrays[0].size,
)
