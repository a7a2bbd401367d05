"""Gradient clipping: between backward and step."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor, no_grad, tensor
from tinygrad_zh.ops import update as rules
from tinygrad_zh.optim.optimizer import listed
from tinygrad_zh.optim.settings import positive


def clip_grad_norm(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """g ← g · c / max(‖g‖, c), ‖g‖ over all parameters together; returns ‖g‖ in float64. 中文：按范数裁剪梯度。

    Pascanu, Mikolov, Bengio 2013. Raises ValueError for a c that is not positive and finite, or for a norm that is not
    finite; then nothing has changed. On a GPU ‖g‖ is not looked at, for that would wait for the GPU in every step: a
    norm that is not finite makes gradients that are not.
    """
    limit = positive("clip_grad_norm: the limit", limit)
    with_grad = [p for p in listed(parameters) if p.grad is not None]
    if not with_grad:
        return tensor(np.float64(0))
    with no_grad():
        norm = _norm([F.norm(F.astype(p.grad, np.float64)) for p in with_grad])
        if norm.device == "cpu" and not norm < np.inf:  # a question with one answer: steps that ask it can be compiled
            raise ValueError(f"clip_grad_norm: the norm of the gradients is {norm.item()}; "
                             "look for the first loss that is not finite")
    for p in with_grad:
        p.grad = rules.ClipNorm(p.grad, norm, limit=limit)
    return norm


def _norm(parts: list[Tensor]) -> Tensor:
    """√(Σ n²), eight at a time: more arrays than eight CuPy joins by a table of addresses, which it has to upload."""
    while len(parts) > 1:
        parts = [F.norm(F.stack(parts[i : i + 8])) for i in range(0, len(parts), 8)]
    return parts[0]


def clip_grad_value(parameters: Iterable[Tensor], limit: float) -> None:
    """g ← min(max(g, −c), c), element by element. 中文：按值裁剪梯度。

    Raises ValueError for a c that is not positive and finite.
    """
    limit = positive("clip_grad_value: the limit", limit)
    for p in listed(parameters):
        if p.grad is not None:
            p.grad = rules.ClipValue(p.grad, limit=limit)
