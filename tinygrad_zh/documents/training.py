"""One step of training, in the open: what `fit` does with every batch. 训练一步"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_zh.core import Tensor
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer, clip_grad_norm


def step(model: Module, x: Tensor, y: Any, loss: Callable[[Any, Any], Tensor], optimizer: Optimizer,
         clip: float | None = None) -> None:
    """Forward, loss, backward, update: W ← update(W, ∂L/∂W), the gradients clipped to the norm `clip` before it."""
    prediction = model(x)
    L = loss(prediction, y)
    optimizer.zero_grad()
    L.backward()
    if clip is not None:
        clip_grad_norm(optimizer.parameters, clip)
    optimizer.step()
