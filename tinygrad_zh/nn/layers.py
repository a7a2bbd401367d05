"""Layers: ops with parameters. Each is a few lines; the mathematics is in the op that it calls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor, tensor
from tinygrad_zh.core.tensor import leaf, shape_of
from tinygrad_zh.nn.init import Initializer, normal, ones, xavier_uniform, zeros
from tinygrad_zh.nn.module import Module
from tinygrad_zh.ops.regularization import check_probability


def parameter(values: Any) -> Tensor:
    """A tensor that learns, with a copy of its initial values. 中文：可学习的参数。"""
    return tensor(values, requires_grad=True)


class Dense(Module):
    """Y = X W + b. X (…, inputs), W (inputs, outputs), b (outputs) → Y (…, outputs). 中文：全连接层。

    init and bias_init draw the initial values: init(shape) → array (nn.init). Raises ValueError for an input
    of another width. Documents 000 §4.1 (F01), 003 §4.2 (F21).

    >>> import tinygrad_zh as tz
    >>> tz.nn.Dense(3, 2)(tz.tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, init: Initializer = xavier_uniform,
                 bias_init: Initializer = zeros) -> None:
        check_lengths("Dense", inputs=inputs, outputs=outputs)
        self.W = initial("Dense", "W", init, (inputs, outputs))
        self.b = initial("Dense", "b", bias_init, (outputs,)) if bias else None

    def forward(self, x: Any) -> Tensor:
        shape = shape_of(x)
        if shape[-1:] != self.W.shape[:1]:
            raise ValueError(f"Dense({self.describe()}) takes (…, {self.W.shape[0]}), not {shape}"
                             + ("; put nn.Flatten() before it" if len(shape) > 2 else ""))
        y = x @ self.W
        return y if self.b is None else y + self.b

    def describe(self) -> str:
        return f"{self.W.shape[0]} → {self.W.shape[1]}"


class Flatten(Module):
    """y = x with every axis but the first made into one: (n, 28, 28) → (n, 784). 中文：展平层。"""

    def forward(self, x: Any) -> Any:
        shape = shape_of(x)
        if not shape:
            raise ValueError("Flatten takes a batch (n, …), not a single number")
        return F.reshape(x, (shape[0], math.prod(shape[1:])))


class Dropout(Module):
    """y = x m / (1 − p), each m 0 with probability p; y = x in eval(). 中文：随机失活层。

    Srivastava et al. 2014. generator: the context's (tz.manual_seed) unless given. Raises ValueError for p
    outside [0, 1].
    """

    def __init__(self, p: float = 0.5, generator: np.random.Generator | None = None) -> None:
        check_probability("Dropout", p)
        self.p = p
        self.generator = generator

    def forward(self, x: Any) -> Any:
        return F.dropout(x, self.p, self.training, self.generator)

    def describe(self) -> str:
        return f"p={self.p}"


class Embedding(Module):
    """Y = W[t]. Tokens t (…) → Y (…, width). W ~ N(0, 1) unless init says otherwise. 中文：嵌入层。

    Raises IndexError for a token outside the vocabulary, TypeError for tokens that are no integers.
    """

    def __init__(self, vocabulary: int, width: int, init: Initializer = normal) -> None:
        check_lengths("Embedding", vocabulary=vocabulary, width=width)
        self.W = initial("Embedding", "W", init, (vocabulary, width))

    def forward(self, t: Any) -> Tensor:
        return F.embedding(t, self.W)

    def describe(self) -> str:
        return f"{self.W.shape[0]} × {self.W.shape[1]}"


class LayerNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β over the last axis. Ba, Kiros, Hinton 2016. 中文：层归一化层。"""

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        check_lengths("LayerNorm", width=width)
        self.gamma = parameter(ones((width,)))
        self.beta = parameter(zeros((width,)))
        self.eps = eps

    def forward(self, x: Any) -> Tensor:
        return F.layer_norm(x, self.gamma, self.beta, self.eps)

    def describe(self) -> str:
        return str(self.gamma.shape[0])


class BatchNorm(Module):
    """y = γ (x − μ) / √(σ² + ε) + β, μ and σ² of the batch; in eval() the running ones. 中文：批归一化层。

    x (n, channels) or (n, channels, …). In training the running statistics move by `momentum` towards the
    batch's. Ioffe, Szegedy 2015; document 001 §2.4.3. Raises ValueError in training for a single value a
    channel.
    """

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        check_lengths("BatchNorm", channels=channels)
        self.gamma = parameter(ones((channels,)))
        self.beta = parameter(zeros((channels,)))
        self.running_mean = leaf(zeros((channels,)))
        self.running_var = leaf(ones((channels,)))
        self.momentum = momentum
        self.eps = eps

    def forward(self, x: Any) -> Tensor:
        y, mean, var = F.batch_norm(x, self.running_mean, self.running_var, self.gamma, self.beta,
                                    self.training, self.momentum, self.eps)
        if self.training:
            self.running_mean.assign(mean)
            self.running_var.assign(var)
        return y

    def describe(self) -> str:
        return str(self.gamma.shape[0])


def check_lengths(layer: str, **lengths: Any) -> None:
    """Raises TypeError for a length that is no whole number, ValueError for one below 1."""
    for name, n in lengths.items():
        if not isinstance(n, (int, np.integer)):
            raise TypeError(f"{layer}: {name} is a whole number, not {n!r}")
        if n < 1:
            raise ValueError(f"{layer}: {name} is at least 1, not {n}")


def initial(layer: str, name: str, init: Initializer, shape: tuple[int, ...]) -> Tensor:
    """A parameter of a shape. Raises ValueError where init gives another."""
    values = init(shape)
    if np.shape(values) != shape:
        raise ValueError(f"{layer}: the initial {name} is of shape {shape}, init gave {np.shape(values)}")
    return parameter(values)
