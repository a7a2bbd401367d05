"""Embedding: rows of a table, and its gradient, in which repeated rows add up. 嵌入：查表与按行累加

    forward         y = W[t], row t of the table for every token t
    scatter_add     y = 0, y[i] += x: row x of each index is added to the row that it names

The second is the gradient of the first, ∂L/∂W, and of any x[i] with one array of integers i. Covered: t and i of any
shape, int32 or int64, from −n to n − 1 as in NumPy; W (n, d), x (…, d …) with a row for every index. float32, float64.

Least traffic: forward reads a row and writes one for every token. scatter_add reads a row for every index and writes
the whole table, mostly zeros: for 3200 tokens of a vocabulary of 10,000, three quarters of its bytes.

Easy to get wrong: one token many times: threads that add to one row at a time lose terms, and atomic additions come in
another order each time, so the last digits differ from run to run. All bodies here add in the order of the tokens.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]


def covers_forward(t: Any, W: Any) -> bool:
    """Integers, and a table with two axes."""
    return t.dtype.name in ("int32", "int64") and W.ndim == 2


def covers_scatter_add(x: Any, index: Any, *, shape: Size) -> bool:
    """An array of integers, and a row for each."""
    return index.dtype.name in ("int32", "int64") and len(shape) > 0 and x.shape == index.shape + tuple(shape[1:])


def gather(rng: Rng, dtype: DType, size: Size, tokens: Any = None) -> Arguments:
    """A call of forward of a size (tokens, vocabulary, d)."""
    count, vocabulary, d = size
    t = rng.integers(0, vocabulary, count) if tokens is None else np.array(tokens)
    return Arguments((t, rng.standard_normal((vocabulary, d)).astype(dtype)))


def scatter(rng: Rng, dtype: DType, size: Size, tokens: Any = None) -> Arguments:
    """A call of scatter_add of a size (tokens, vocabulary, d)."""
    count, vocabulary, d = size
    t = rng.integers(0, vocabulary, count) if tokens is None else np.array(tokens)
    return Arguments((rng.standard_normal((*t.shape, d)).astype(dtype), t), {"shape": (vocabulary, d)})


def zipf(rng: Rng, size: Size) -> Any:
    """Tokens as texts have them: the commonest is every tenth."""
    ranks = np.arange(1, size[1] + 1)
    return rng.choice(size[1], size[0], p=(1 / ranks) / (1 / ranks).sum())


def spoiled(call: Arguments) -> Arguments:
    """A nan among the numbers, which may spoil its own row alone."""
    x = next(x for x in call.arrays if x.dtype.kind == "f")
    x[1, 2] = np.nan
    return call


LATE = [4, 0, 1, 2, 4, 3]


def cases(make: Any) -> dict[str, Any]:
    """Tokens that repeat, negative ones, two axes of them, both widths of integers, rows of every alignment."""
    return {
        "one token, many times": lambda rng, dtype: make(rng, dtype, (300, 5, 4), 300 * [3]),
        "a token that comes late": lambda rng, dtype: make(rng, dtype, (264, 5, 4), [i % 4 for i in range(258)] + LATE),
        "as in a text": lambda rng, dtype: make(rng, dtype, (100, 30, 16), zipf(rng, (100, 30))),
        "from the end": lambda rng, dtype: make(rng, dtype, (3, 6, 4), [-1, 2, -6, -1]),
        "two axes of tokens": lambda rng, dtype: make(rng, dtype, (12, 6, 4), rng.integers(0, 6, (3, 4))),
        "int32": lambda rng, dtype: make(rng, dtype, (40, 9, 12), rng.integers(0, 9, 40).astype(np.int32)),
        "no token": lambda rng, dtype: make(rng, dtype, (0, 6, 4)),
        "a row of 259": lambda rng, dtype: make(rng, dtype, (7, 4, 259)),
        "a nan": lambda rng, dtype: spoiled(make(rng, dtype, (6, 8, 4))),
    }


LIMITS = ((0, 20), (1, 9), (1, 40))
SIZES = ((3200, 10_000, 128), (16_384, 50_257, 768))

forward = Kernel(
    "embedding.forward",
    formula="Embedding.forward",
    arguments=gather,
    limits=LIMITS,
    cases=cases(gather),
    sizes=SIZES,
    flops=lambda arguments: 0,
    least_bytes=lambda arguments, results: arguments.arrays[0].nbytes + 2 * sum(r.nbytes for r in results),
)

scatter_add = Kernel(
    "embedding.scatter_add",
    formula="ScatterAdd.forward",
    arguments=scatter,
    limits=LIMITS,
    cases={
        **cases(scatter),
        "no axis but the rows": lambda rng, dtype: Arguments(
            (rng.standard_normal(9).astype(dtype), rng.integers(0, 4, 9)), {"shape": (4,)}),
        "rows of two axes": lambda rng, dtype: Arguments(
            (rng.standard_normal((9, 2, 3)).astype(dtype), rng.integers(0, 4, 9)), {"shape": (4, 2, 3)}),
    },
    sizes=SIZES,
    flops=lambda arguments: arguments.arrays[0].size,
    least_bytes=lambda arguments, results: (sum(x.nbytes for x in arguments.arrays)
                                            + math.prod(arguments.keywords["shape"]) * arguments.arrays[0].itemsize),
)
