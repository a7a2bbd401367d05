"""Small networks for "which gradient is wrong?": from the parameters to the loss. 小网络

f has the functions of tinygrad_zh.functional, one of them perhaps with a wrong backward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import Tensor, tensor
from tinygrad_zh.exercises.exercise import numbers


def parameter(name: str, *shape: int, seed: int) -> Tensor:
    return tensor(numbers(*shape, seed=seed), requires_grad=True, name=name, dtype=np.float64)


def data(name: str, *shape: int, seed: int) -> Tensor:
    return tensor(numbers(*shape, seed=seed), name=name, dtype=np.float64)


def neuron(f: Any) -> Tensor:
    """One neuron, two samples: y = σ(x w + b)."""
    x, t = data("x", 2, 3, seed=1), data("t", 2, 1, seed=2)
    w, b = parameter("w", 3, 1, seed=3), parameter("b", 1, seed=4)
    z = x @ w + b
    y = f.sigmoid(z)
    loss = f.half_squared_error(y, t)
    return loss


def line(f: Any) -> Tensor:
    """A straight line through five points, the error squared by hand."""
    x, t = data("x", 5, 1, seed=1), data("t", 5, 1, seed=2)
    w, b = parameter("w", 1, 1, seed=3), parameter("b", 1, seed=4)
    y = x @ w + b
    e = f.sub(t, y)
    loss = f.sum(f.mul(e, e))
    return loss


def gate(f: Any) -> Tensor:
    """A gate lets a part of a value through: y = σ(x U) tanh(x V)."""
    x, t = data("x", 3, 2, seed=1), data("t", 3, 4, seed=2)
    u, v = parameter("U", 2, 4, seed=3), parameter("V", 2, 4, seed=4)
    s = f.sigmoid(x @ u)
    h = f.tanh(x @ v)
    y = f.mul(s, h)
    loss = f.half_squared_error(y, t)
    return loss


def two_layers(f: Any) -> Tensor:
    """Two layers, each as wide as there are samples."""
    x, t = data("x", 3, 3, seed=1), data("t", 3, 3, seed=2)
    w1, w2 = parameter("W1", 3, 3, seed=3), parameter("W2", 3, 3, seed=4)
    z = f.matmul(x, w1)
    h = f.tanh(z)
    y = f.matmul(h, w2)
    loss = f.half_squared_error(y, t)
    return loss


def rectified(f: Any) -> Tensor:
    """Two layers with ReLU between them."""
    x, t = data("x", 2, 3, seed=71), data("t", 2, 2, seed=72)
    w1, b1, w2 = parameter("W1", 3, 4, seed=73), parameter("b1", 4, seed=75), parameter("W2", 4, 2, seed=74)
    z = f.matmul(x, w1) + b1
    h = f.relu(z)
    y = f.matmul(h, w2)
    loss = f.half_squared_error(y, t)
    return loss


def residual(f: Any) -> Tensor:
    """A residual connection: h is used twice."""
    x, t = data("x", 2, 3, seed=1), data("t", 2, 3, seed=2)
    w1, w2 = parameter("W1", 3, 3, seed=3), parameter("W2", 3, 3, seed=4)
    z = f.matmul(x, w1)
    h = f.tanh(z)
    z2 = f.matmul(h, w2)
    h2 = f.tanh(z2)
    y = f.add(h, h2)
    loss = f.half_squared_error(y, t)
    return loss


def classifier(f: Any) -> Tensor:
    """A classifier of three samples into four classes, the labels smoothed: 0.7 for the right one."""
    x = data("x", 3, 2, seed=61)
    t = tensor(0.1 + 0.6 * np.eye(4)[[2, 0, 3]], name="t")
    w, b = parameter("W", 2, 4, seed=63), parameter("b", 4, seed=64)
    z = f.matmul(x, w) + b
    p = f.softmax(z)
    loss = f.cross_entropy_of_probabilities(p, t)
    return loss


def words(f: Any) -> Tensor:
    """Four words, one of them twice, as rows of a table."""
    sentence = np.array([3, 1, 3, 0])
    table, w, t = parameter("table", 5, 2, seed=63), parameter("W", 2, 3, seed=64), data("t", 4, 3, seed=62)
    e = f.embedding(sentence, table)
    y = f.tanh(f.matmul(e, w))
    loss = f.half_squared_error(y, t)
    return loss


def normalized(f: Any) -> Tensor:
    """A layer with layer normalization."""
    x, t = data("x", 2, 3, seed=1), data("t", 2, 5, seed=2)
    w = parameter("W", 3, 5, seed=3)
    gamma = tensor(np.ones(5), requires_grad=True, name="gamma")
    beta = tensor(np.zeros(5), requires_grad=True, name="beta")
    z = f.matmul(x, w)
    n = f.layer_norm(z, gamma, beta)
    y = f.tanh(n)
    loss = f.half_squared_error(y, t)
    return loss


def attending(f: Any) -> Tensor:
    """Self-attention over four positions: x is used three times."""
    x, t = parameter("x", 4, 3, seed=1), data("t", 4, 2, seed=2)
    wq, wk, wv = parameter("Wq", 3, 3, seed=3), parameter("Wk", 3, 3, seed=4), parameter("Wv", 3, 2, seed=5)
    q = f.matmul(x, wq)
    k = f.matmul(x, wk)
    v = f.matmul(x, wv)
    y = f.scaled_dot_product_attention(q, k, v)
    loss = f.half_squared_error(y, t)
    return loss
