"""Gradient clipping: between backward and step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.ops import update as rules


def clip_grad_norm(parameters: Iterable[Tensor], limit: float) -> float:
    """g ← g · c / max(‖g‖, c), ‖g‖ over all parameters together; returns ‖g‖. 中文：按范数裁剪梯度。

    Pascanu, Mikolov, Bengio 2013. Raises ValueError for c ≤ 0 or a norm that is not finite; then nothing has changed.
    """
    with_grad = [p for p in parameters if p.grad is not None]
    if not limit > 0:
        raise ValueError(f"clip_grad_norm: the limit is positive, not {limit}")
    norm = float(np.sqrt(sum(float(np.square(p.grad.array, dtype=np.float64).sum()) for p in with_grad if p.grad is not None)))
    if not np.isfinite(norm):
        raise ValueError(f"clip_grad_norm: the norm of the gradients is {norm}; look for the first loss that is not finite")
    for p in with_grad:
        p.grad = rules.ClipNorm(p.grad, leaf(np.array(norm, p.dtype)), limit=float(limit))
    return norm


def clip_grad_value(parameters: Iterable[Tensor], limit: float) -> None:
    """g ← min(max(g, −c), c), element by element. Raises ValueError for c ≤ 0. 中文：按值裁剪梯度。"""
    if not limit > 0:
        raise ValueError(f"clip_grad_value: the limit is positive, not {limit}")
    for p in parameters:
        if p.grad is not None:
            p.grad = rules.ClipValue(p.grad, limit=float(limit))
