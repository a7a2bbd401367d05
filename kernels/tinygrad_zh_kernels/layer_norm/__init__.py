"""Layer norm over the last axis. 层归一化

    forward    y = γ n + β,  n = (x − μ) r,  μ = mean x,  r = 1 / √(mean (x − μ)² + ε)
    backward   dx = r (g − mean g − n mean(g n)),  g = dy γ;  dγ = Σ dy n and dβ = Σ dy over the rows

Covered: x (…, d), γ and β (d,), contiguous; float32, float64, and in CUDA C float16 with sums in float32. Forward also
returns μ and r, (…, 1); backward gets them, and returns dγ and dβ summed.

Least traffic: forward reads x and writes y, 8 bytes a number in float32, and backward moves 12; γ, β, μ and r are small
beside that. A row must be read to its end before the first y is known, and once more before that for the variance: it
has to stay in the cache, or in registers.

Easy to get wrong: mean x² − μ² for the variance, which loses all digits where μ is large beside the deviations; a row
of equal numbers, where r is 1 / √ε; one column; the numbers beyond the end of a row, which are in no mean. In backward
dγ and dβ go down the columns while everything else goes along the rows: each thread keeps sums of its own.

Ba, Kiros, Hinton 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator


def covers(x: Any, gamma: Any, beta: Any, *, eps: float = 1e-5) -> bool:
    """A scale and a shift for each column, of which there are some, in x's dtype."""
    return (x.ndim > 0 and x.size > 0 and gamma.shape == beta.shape == x.shape[-1:]
            and gamma.dtype == beta.dtype == x.dtype)


def covers_backward(dy: Any, x: Any, gamma: Any, mean: Any, rstd: Any) -> bool:
    """As covers. β is not here; a number for it gets the sum of dβ."""
    return x.ndim > 0 and x.size > 0 and gamma.shape == x.shape[-1:] and gamma.dtype == x.dtype


def normal(rng: Rng, dtype: Any, size: Size, mean: float = 0.5) -> Any:
    """Numbers a few units wide."""
    return np.asarray(mean + 2 * rng.standard_normal(size), dtype)


def forward_call(rng: Rng, x: Any, eps: float = 1e-5) -> Arguments:
    """x, γ, β."""
    return Arguments((x, *(normal(rng, x.dtype, x.shape[-1:]) for _ in range(2))), {"eps": eps})


def backward_call(rng: Rng, x: Any) -> Arguments:
    """dy, x, γ and what forward keeps of x."""
    exact = x.astype(np.float64)
    mean = exact.mean(axis=-1, keepdims=True)
    rstd = (((exact - mean) ** 2).mean(axis=-1, keepdims=True) + 1e-5) ** -0.5
    dy, gamma = (normal(rng, x.dtype, shape) for shape in (x.shape, x.shape[-1:]))
    return Arguments((dy, x, gamma, mean.astype(x.dtype), rstd.astype(x.dtype)))


def of(call: Callable[..., Arguments], x: Callable[[Rng, Any], Any], rng: Rng, dtype: Any) -> Arguments:
    """A call on an input."""
    return call(rng, x(rng, dtype))


def spoiled(x: Any, value: float) -> Any:
    """x with this value in its second row."""
    x[1, 3] = value
    return x


INPUTS: dict[str, Callable[[Rng, Any], Any]] = {
    "one column": lambda rng, dtype: normal(rng, dtype, (5, 1)),
    "many short rows": lambda rng, dtype: normal(rng, dtype, (76, 6)),
    "rows of several warps": lambda rng, dtype: normal(rng, dtype, (3, 2052)),
    "three dimensions": lambda rng, dtype: normal(rng, dtype, (2, 3, 20)),
    "one dimension": lambda rng, dtype: normal(rng, dtype, (37,)),
    "a mean far from 0": lambda rng, dtype: normal(rng, dtype, (6, 50), mean=30),
    "rows of equal numbers": lambda rng, dtype: np.full((3, 50), 2, dtype),
    "a nan": lambda rng, dtype: spoiled(normal(rng, dtype, (3, 50)), np.nan),
    "∞": lambda rng, dtype: spoiled(normal(rng, dtype, (3, 50)), np.inf),
}
SIZES = ((256, 64), (3200, 128), (4096, 1024), (8192, 4096))

forward = Kernel(
    "layer_norm.forward",
    formula="LayerNorm.forward",
    arguments=lambda rng, dtype, size: forward_call(rng, normal(rng, dtype, size)),
    limits=((1, 8), (1, 60)),
    cases={
        **{name: partial(of, forward_call, x) for name, x in INPUTS.items()},
        "a row too long for registers": lambda rng, dtype: forward_call(rng, normal(rng, dtype, (1, 33_000))),
        "another ε": lambda rng, dtype: forward_call(rng, normal(rng, dtype, (4, 30)), eps=0.5),
    },
    sizes=SIZES,
    flops=lambda arguments: 8 * arguments.arrays[0].size,  # +; −, ·, +; −, ·, ·, +
)

backward = Kernel(
    "layer_norm.backward",
    formula="LayerNorm.backward",
    arguments=lambda rng, dtype, size: backward_call(rng, normal(rng, dtype, size)),
    limits=((1, 8), (4, 60)),  # of one or two columns dx is 0, all of it rounding
    cases={
        **{name: partial(of, backward_call, x) for name, x in INPUTS.items()
           if name not in ("one column", "a nan", "∞")},
        "a row too long for registers": lambda rng, dtype: backward_call(rng, normal(rng, dtype, (3, 8300))),
    },
    sizes=SIZES,
    flops=lambda arguments: 14 * arguments.arrays[0].size,  # −, ·; ·; +; ·, +; ·, +; +; −, −, ·, ·; …
)
