"""Mistakes that are often made and have a reason of their own, which no pattern in the numbers shows. 常见错误

{exercise: (backward, …)}; what is said of the first is in the catalogue under exercise.<name>.mistake1, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

MISTAKES: dict[str, tuple[Callable[..., Any], ...]] = {
    "relu": (
        lambda dy, x: dy * (x < 0),
        lambda dy, x: dy * np.sign(x),
    ),
    "sigmoid": (
        lambda dy, y: dy * (1 - y**2),
        lambda dy, x: dy * x * (1 - x),
    ),
    "mean": (lambda dy, x: dy * x / x.size,),
    "product": (
        lambda dy, a, b: (dy * a, (dy * b).sum(axis=0)),
        lambda dy, b: (dy * b, dy.sum(axis=0)),
    ),
    "dense": (
        lambda dy, x, w: (dy @ w.T, x.T @ dy, dy.sum(axis=0)),
        lambda dy, x, w, y: (dy * (1 - y) @ w.T, x.T @ (dy * (1 - y)), (dy * (1 - y)).sum(axis=0)),
    ),
    "softmax": (lambda dy, y: y * (dy - (y * dy).sum(axis=0, keepdims=True)),),
    "cross_entropy": (
        lambda dy, t, p: dy * p / len(t),
        lambda dy, t, p: -dy * np.eye(p.shape[1])[t] / p / len(t),
    ),
    "layer_norm": (
        lambda dy, y: dy - dy.mean(axis=1, keepdims=True) - y * (dy * y).mean(axis=1, keepdims=True),
    ),
    "attention_qk": (
        lambda dy, q, k, v: (dy @ v.T @ k / np.sqrt(q.shape[1]), v @ dy.T @ q / np.sqrt(q.shape[1])),
        lambda dy, q, k, v, p: (p * (dy @ v.T) @ k / np.sqrt(q.shape[1]), (p * (dy @ v.T)).T @ q / np.sqrt(q.shape[1])),
    ),
}
