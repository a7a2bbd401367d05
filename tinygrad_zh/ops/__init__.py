"""The mathematics: every op is a formula, its forward and its backward, on one screen.

To add one: a class in the file of its kind, a name in functional.py, a row in tests/ops/table.py.
"""

from tinygrad_zh.ops import (
    activation,
    arithmetic,
    attention,
    convolution,
    fused,
    indexing,
    linear,
    loss,
    methods,
    normalization,
    pooling,
    reduction,
    regularization,
    shape,
    update,
)

__all__ = ["activation", "arithmetic", "attention", "convolution", "fused", "indexing", "linear", "loss", "methods",
           "normalization", "pooling", "reduction", "regularization", "shape", "update"]
