"""A bias and an activation in one pass, y = f(x + b). 加偏置与激活函数合为一步

    relu      y = max(0, z)          dx = dy where y > 0, else 0
    sigmoid   y = 1 / (1 + e⁻ᶻ)      dx = dy y (1 − y)
    tanh      y = tanh z             dx = dy (1 − y²)
    gelu      y = z / (1 + e⁻ᵘ)      dx = dy (s + z s (1 − s) √(8/π) (1 + 0.134145 z²)), s = 1 / (1 + e⁻ᵘ)

with z = x + b, u = √(8/π) (z + 0.044715 z³), and db = Σ dx over the rows.

Covered: x (…, n), b (n,), contiguous; float32, float64. Backward returns db summed, in its shape.

Least traffic: 8 bytes a number forward and 12 backward, in float32, as for the activation alone: the bias comes free.
As two ops, forward moves 16 bytes and backward 16.

db is where bodies differ: columns are summed, but rows lie side by side in memory. So a thread adds whole rows to a
row of partial sums, and the partial rows are added up at the end, in a fixed order: results do not change from run to
run, as they would with atomic additions. Sums of sums also round less than one long sum.

Easy to get wrong: one column, no row, rows whose length is no multiple of a vector's; many short rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
SHAPES: dict[str, Size] = {
    "one column": (70, 1),
    "many short rows": (300, 3),
    "rows for several blocks": (40, 300),
    "rows that begin anywhere": (19, 131),
    "three dimensions": (2, 3, 20),
    "one dimension": (37,),
}


def covers(*arrays: Any) -> bool:
    """A bias along the last axis, of x's dtype."""
    x, b = arrays
    return x.ndim > 0 and b.shape == x.shape[-1:] and b.dtype == x.dtype


def covers_backward(*arrays: Any) -> bool:
    """As covers; where the bias is not among the arguments it is n long, or the op would not have taken it."""
    dy, _, *bias = arrays
    return dy.ndim > 0 and all(b.shape == dy.shape[-1:] and b.dtype == dy.dtype for b in bias)


def normal(rng: Rng, dtype: Any, size: Size) -> Any:
    """Numbers a few units wide."""
    return np.asarray(2 * rng.standard_normal(size), dtype)


def forward_call(rng: Rng, dtype: Any, size: Size) -> Arguments:
    """x and b."""
    return Arguments((normal(rng, dtype, size), normal(rng, dtype, size[-1:])))


def contracts(name: str, op: str, f: Callable[[Any], Any] | None, flops: tuple[int, int]) -> tuple[Kernel, Kernel]:
    """The two kernels of a bias and an activation. f: if backward is given y = f(z), None if x and b."""

    def backward_call(rng: Rng, dtype: Any, size: Size) -> Arguments:
        dy, x, b = (normal(rng, dtype, shape) for shape in (size, size, size[-1:]))
        return Arguments((dy, np.asarray(f(x + b), dtype)) if f else (dy, x, b))

    def cases(call: Callable[..., Arguments]) -> dict[str, Callable[..., Arguments]]:
        return {case: partial(call, size=size) for case, size in SHAPES.items()}

    limits, sizes = ((0, 20), (0, 50)), ((256, 128), (4096, 1024), (16_384, 4096))
    return (
        Kernel(
            f"bias_activation.{name}_forward",
            formula=f"{op}.forward",
            arguments=forward_call,
            limits=limits,
            cases={**cases(forward_call), "a bias that begins anywhere": anywhere, "special numbers": special},
            sizes=sizes,
            flops=lambda arguments: (1 + flops[0]) * arguments.arrays[0].size,
        ),
        Kernel(
            f"bias_activation.{name}_backward",
            formula=f"{op}.backward",
            arguments=backward_call,
            limits=limits,
            cases=cases(backward_call),
            sizes=sizes,
            flops=lambda arguments: (1 + flops[1]) * arguments.arrays[0].size,
        ),
    )


def anywhere(rng: Rng, dtype: Any) -> Arguments:
    """A bias that does not begin at a multiple of 16 bytes, beside rows that do."""
    return Arguments((normal(rng, dtype, (9, 64)), normal(rng, dtype, (65,))[1:]))


def special(rng: Rng, dtype: Any) -> Arguments:
    """nan and ∞ in x, one of them against an infinite bias."""
    x = np.array([[np.nan, np.inf, -np.inf, 800.0, -800.0, np.inf], 6 * [0.0]], dtype)
    return Arguments((x, np.array([0.0, 0.0, 0.0, 1.0, -1.0, -np.inf], dtype)))


relu_forward, relu_backward = contracts("relu", "BiasReLU", lambda z: np.maximum(z, 0), flops=(1, 1))
sigmoid_forward, sigmoid_backward = contracts("sigmoid", "BiasSigmoid", lambda z: 1 / (1 + np.exp(-z)), flops=(4, 3))
tanh_forward, tanh_backward = contracts("tanh", "BiasTanh", np.tanh, flops=(1, 3))
gelu_forward, gelu_backward = contracts("gelu", "BiasGELU", None, flops=(7, 16))
