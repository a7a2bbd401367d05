"""The exercises "which gradient is wrong?", from the easiest to the hardest: the networks and the wrong backwards. 埋错

Titles and explanations are in the catalogue, under exercise.wrong<number>.title and .why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.exercises import networks
from tinygrad_zh.exercises.wrong import WrongGradient
from tinygrad_zh.i18n import text
from tinygrad_zh.ops.activation import ReLU, Sigmoid, Softmax, Tanh
from tinygrad_zh.ops.arithmetic import Mul, Sub
from tinygrad_zh.ops.attention import Attention
from tinygrad_zh.ops.indexing import Embedding
from tinygrad_zh.ops.linear import MatMul
from tinygrad_zh.ops.normalization import LayerNorm


def _ignoring_repeats(dy: Any, t: Any, W_shape: Any) -> Any:
    table = np.zeros(W_shape)
    table[t] = np.asarray(dy)
    return table


def _constant_statistics(dy: Any, x: Any, gamma: Any, mean: Any, rstd: Any) -> Any:
    n = (x - mean) * rstd
    return dy * gamma * rstd, dy * n, dy


def _without_scale(dy: Any, q: Any, k: Any, v: Any, y: Any, lse: Any) -> Any:
    p = np.exp(q @ k.mT * q.shape[-1] ** -0.5 - lse)
    s = p * (dy @ v.mT - (dy * y).sum(axis=-1, keepdims=True))
    return s @ k, s.mT @ q * q.shape[-1] ** -0.5, p.mT @ dy


WRONG_GRADIENTS = (
    WrongGradient(1, networks.neuron, "sigmoid", Sigmoid, {"backward": lambda dy, y: dy * y}),
    WrongGradient(2, networks.line, "sub", Sub, {"backward_b": lambda dy: dy}),
    WrongGradient(3, networks.gate, "mul", Mul, {"backward_a": lambda dy, a: dy * a}),
    WrongGradient(4, networks.two_layers, "matmul", MatMul, {"backward_b": lambda dy, a: dy.mT @ a}, 2),
    WrongGradient(5, networks.rectified, "relu", ReLU, {"backward": lambda dy, y: dy}),
    WrongGradient(6, networks.residual, "tanh", Tanh, {"backward": lambda dy, y: dy * (1 - y**2) ** 2}, 2),
    WrongGradient(7, networks.classifier, "softmax", Softmax, {"backward": lambda dy, y, *, axis: dy * y * (1 - y)}),
    WrongGradient(8, networks.words, "embedding", Embedding, {"backward_W": _ignoring_repeats}),
    WrongGradient(9, networks.normalized, "layer_norm", LayerNorm, {"backward": _constant_statistics}),
    WrongGradient(10, networks.attending, "scaled_dot_product_attention", Attention, {"backward": _without_scale}),
)
"""In the order of their numbers, which start at 1."""


def wrong_gradient(number: int) -> WrongGradient:
    """The exercise of that number: step through its `document`, ask for the `verdict` on a step. 中文：找出错误的梯度。

    Raises ValueError where there is none.

    >>> from tinygrad_zh.exercises import wrong_gradient
    >>> exercise = wrong_gradient(1)
    >>> bool(exercise.verdict(6)), bool(exercise.verdict(7))
    (False, True)
    """
    if not 1 <= number <= len(WRONG_GRADIENTS):
        raise ValueError(text("exercise.wrong.number", last=len(WRONG_GRADIENTS), number=number))
    return WRONG_GRADIENTS[number - 1]
