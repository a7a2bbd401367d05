"""Activations, one number at a time. 激活函数

    relu      y = max(0, x)       dx = dy where y > 0, else 0
    sigmoid   y = 1 / (1 + e⁻ˣ)   dx = dy y (1 − y)
    tanh      y = tanh x          dx = dy (1 − y²)
    gelu      y = x s             dx = dy (s + x s (1 − s) √(8/π) (1 + 0.134145 x²))
              s = 1 / (1 + e⁻ᵘ),  u = √(8/π) (x + 0.044715 x³)

Covered: any shape, contiguous; float32, float64.

Least traffic: forward reads x and writes y, 8 bytes a number in float32, and backward moves 12. A vector of sixteen
numbers comes from memory in about as many cycles: time enough for eˣ as a polynomial, far too little for a call of the
C library's expf for each. So all of them can be as fast as a copy.

Easy to get wrong: a nan must stay one (on a GPU the larger of nan and 0 is 0). Where e⁻ˣ is ∞, σ is 0 and gelu −0, not
nan. Left of −4 gelu loses its digits if it is computed from 1 + tanh; at −∞ it is nan, as the formula is. The numbers
that are left over when a length is no multiple of a vector's.

Hendrycks, Gimpel 2016 (GELU).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel

U, CUBIC = (8 / np.pi) ** 0.5, 0.044715
"""u = U (x + CUBIC x³)."""

SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e-30, 87.0, -87.0, 800.0, -800.0, 1e4, -1e4]


def normal(rng: np.random.Generator, dtype: Any, shape: tuple[int, ...]) -> Any:
    """x, a few units wide."""
    return np.asarray(2 * rng.standard_normal(shape), dtype)


Make = Callable[[np.random.Generator, Any], Any]
INPUTS: dict[str, Make] = {
    "three dimensions": lambda rng, dtype: normal(rng, dtype, (2, 3, 37)),
    "blocks and a rest": lambda rng, dtype: normal(rng, dtype, (2051,)),
    "numbers that begin anywhere": lambda rng, dtype: normal(rng, dtype, (500,))[1:],
    "special numbers": lambda rng, dtype: np.array(SPECIAL, dtype),
}


def contracts(name: str, op: str, keeps: Callable[[Any], Any], flops: tuple[int, int],
              **more: Make) -> tuple[Kernel, Kernel]:
    """The two kernels of an activation. keeps: what backward gets, of x. more: further cases of x."""

    def one(rng: np.random.Generator, x: Any) -> Arguments:
        return Arguments((x,))

    def two(rng: np.random.Generator, x: Any) -> Arguments:
        with np.errstate(all="ignore"):
            kept = np.asarray(keeps(x), x.dtype)
        return Arguments((rng.standard_normal(x.shape).astype(x.dtype), kept))

    def cases(call: Callable[..., Arguments]) -> dict[str, Callable[..., Arguments]]:
        return {name: partial(_of, call, x) for name, x in (INPUTS | more).items()}

    limits, sizes = ((0, 300),), ((4096,), (65_536,), (1_048_576,), (16_777_216,))
    return (
        Kernel(
            f"activation.{name}_forward",
            formula=f"{op}.forward",
            arguments=lambda rng, dtype, size: one(rng, normal(rng, dtype, size)),
            limits=limits,
            cases=cases(one),
            sizes=sizes,
            flops=lambda arguments: flops[0] * arguments.arrays[0].size,
        ),
        Kernel(
            f"activation.{name}_backward",
            formula=f"{op}.backward",
            arguments=lambda rng, dtype, size: two(rng, normal(rng, dtype, size)),
            limits=limits,
            cases=cases(two),
            sizes=sizes,
            flops=lambda arguments: flops[1] * arguments.arrays[0].size,
        ),
    )


def _of(call: Callable[..., Arguments], x: Make, rng: np.random.Generator, dtype: Any) -> Arguments:
    return call(rng, x(rng, dtype))


relu_forward, relu_backward = contracts("relu", "ReLU", lambda x: np.maximum(x, 0), flops=(1, 1))
sigmoid_forward, sigmoid_backward = contracts("sigmoid", "Sigmoid", lambda x: 1 / (1 + np.exp(-x)), flops=(4, 3))
tanh_forward, tanh_backward = contracts("tanh", "Tanh", np.tanh, flops=(1, 3))
gelu_forward, gelu_backward = contracts("gelu", "GELU", lambda x: x, flops=(7, 15),
                                       far_left=lambda rng, dtype: np.linspace(-9, -4, 201).astype(dtype))
