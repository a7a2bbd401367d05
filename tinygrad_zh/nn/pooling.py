"""Pooling: one row from many, leaving out what a mask forbids. Where nothing is allowed, zeros."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import values_of
from tinygrad_zh.nn.attending import Attending
from tinygrad_zh.nn.init import Initializer, small_normal
from tinygrad_zh.nn.layers import check_lengths, initial
from tinygrad_zh.nn.module import Module

Array = np.ndarray[Any, Any]


class MeanPool(Module):
    """y = Σ_i m_i x_i / Σ_i m_i. X (…, n, width), mask m (…, n) → (…, width). 中文：平均池化（带掩码）。

    mask: booleans, true for the rows that count, all without it; no row → 0. Raises TypeError for a mask that is not
    boolean, ValueError for one of another shape.
    """

    def forward(self, x: Any, mask: Any = None) -> Tensor:
        kept = _column("MeanPool", x, mask)
        count = np.maximum(kept.sum(axis=-2), 1).astype(x.dtype)
        return F.sum(F.where(kept, x, 0.0), axis=-2) / count


class MaxPool(Module):
    """y = max_i x_i over the rows with m_i. X (…, n, width), mask m (…, n) → (…, width). 中文：最大池化（带掩码）。

    Each column takes its own maximum. Mask and errors as in MeanPool; no row → 0.
    """

    def forward(self, x: Any, mask: Any = None) -> Tensor:
        kept = _column("MaxPool", x, mask)
        return F.where(kept.any(axis=-2), F.max(F.where(kept, x, -np.inf), axis=-2), 0.0)


class AttentionPool(Attending):
    """y = Σ_i p_i x_i, p = softmax(X u / √width). 中文：注意力池化（带掩码）。

    X (…, n, width), mask (…, n) → (…, width). u, learned, asks every row how much it matters. Mask and errors as in
    MeanPool; no row → 0. Yang et al. 2016, without their hidden layer.
    """

    def __init__(self, width: int, init: Initializer = small_normal) -> None:
        check_lengths("AttentionPool", width=width)
        self.u = initial("AttentionPool", "u", init, (1, width))

    def forward(self, x: Any, mask: Any = None) -> Tensor:
        kept = _column("AttentionPool", x, mask)
        if x.shape[-1] != self.u.shape[-1]:
            raise ValueError(f"AttentionPool({self.describe()}) takes (…, length, {self.u.shape[-1]}), not {x.shape}")
        allowed = kept.swapaxes(-1, -2)
        if self._maps:
            self._show(F.attention_weights(self.u, x, allowed))
        return F.scaled_dot_product_attention(self.u, x, x, allowed)[..., 0, :]

    def describe(self) -> str:
        return str(self.u.shape[-1])


def _column(layer: str, x: Any, mask: Any) -> Array:
    """The mask as (…, n, 1), after a check."""
    shape = np.shape(x)
    if not hasattr(x, "dtype"):
        raise TypeError(f"{layer} takes a tensor or an array, not {type(x).__name__}; use tz.tensor(…)")
    if len(shape) < 2 or not shape[-2]:
        raise ValueError(f"{layer} takes (…, length, width) with at least one row, not {shape}")
    if mask is None:
        return np.ones_like(x.array if isinstance(x, Tensor) else x, shape=(*shape[:-1], 1), dtype=bool)
    mask = values_of(mask, x)
    if mask.dtype != np.bool_:
        raise TypeError(f"{layer}: the mask is boolean, true for the rows that count, not {mask.dtype}")
    if mask.shape != shape[:-1]:
        raise ValueError(f"{layer}: x {shape} needs a mask {shape[:-1]}, one boolean a row, not {mask.shape}")
    return mask[..., None]
