"""Dropout: multiply by random zeros in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tensor import Tensor


class Dropout(Op):
    """y = x m / (1 − p), m = 0 with probability p, else 1
    ∂L/∂x = ∂L/∂y m / (1 − p)
    中文：随机失活

    scale is 1 / (1 − p), or 0 where p = 1. Source: Srivastava et al. 2014.
    """

    aux = ("mask",)

    def forward(x, *, p, scale, rng):
        mask = np.asarray(rng.random(x.shape, np.float32) >= p, like=x)
        return x * mask * scale, mask

    def backward(dy, mask, *, scale):
        return dy * mask * scale


def check_probability(name: str, p: Any) -> None:
    """Raises TypeError for what is no number, ValueError for one outside [0, 1]."""
    if not isinstance(p, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name}: p is a number, not {type(p).__name__}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: p is a probability from 0 to 1, not {p}")


def dropout(x: Any, p: float = 0.5, training: bool = True, generator: np.random.Generator | None = None) -> Tensor:
    """y = x m / (1 − p), each m 0 with probability p; y = x without training. Srivastava et al. 2014. 中文：随机失活。

    generator: where the mask is drawn from; the context's (tz.manual_seed) unless given. Raises ValueError for p
    outside [0, 1].
    """
    check_probability("dropout", p)
    if not isinstance(generator, (np.random.Generator, type(None))):
        raise TypeError(f"dropout: the generator is a numpy.random.Generator, not {type(generator).__name__}; "
                        "for a seed use tz.manual_seed")
    if not training or p == 0:
        return x
    p = float(p)  # a NumPy number would make float32 into float64
    return Dropout(x, p=p, scale=1 / (1 - p) if p < 1 else 0.0, rng=generator or default_generator())
