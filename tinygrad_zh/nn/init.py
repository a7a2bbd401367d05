"""Initial weights: each function draws an array of a shape, from which fan_in and fan_out are read (`fans`).

Var[W] decides whether signals grow or fade from layer to layer. All draw from the context's generator
(tz.manual_seed) unless given another, in float64, and come in the default dtype.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh.core import default_generator, get_default_dtype

Shape = tuple[int, ...]
Generator = np.random.Generator
Array = np.ndarray[Any, Any]
Initializer = Callable[[Shape], Array]


def fans(shape: Shape) -> tuple[int, int]:
    """fan_in, fan_out: how many inputs a unit sums, and how many units an input feeds. 中文：扇入与扇出。

    W (fan_in, fan_out), as in X W; of a convolution (o, c, u, v), whose units sum c·u·v pixels. Raises ValueError for
    fewer than two axes.
    """
    if len(shape) < 2:
        raise ValueError(f"fan_in and fan_out need a matrix of weights, not shape {shape}")
    if len(shape) == 4:
        o, c, u, v = shape
        return c * u * v, o * u * v
    return shape[0], shape[1]


def zeros(shape: Shape) -> Array:
    """W = 0. For biases: zero weights would make all units of a layer equal for ever. 中文：全零初始化。"""
    return np.zeros(shape, get_default_dtype())


def ones(shape: Shape) -> Array:
    """W = 1. For scales γ. 中文：全一初始化。"""
    return np.ones(shape, get_default_dtype())


def uniform(shape: Shape, low: float = -1.0, high: float = 1.0, generator: Generator | None = None) -> Array:
    """W ~ U(low, high). 中文：均匀分布初始化。

    U(−1, 1) is document 002 §4.3's choice, of variance 1/3: a linear layer multiplies the variance of its
    input by fan_in/3, a ReLU layer by fan_in/6 (F16).
    """
    return (generator or default_generator()).uniform(low, high, shape).astype(get_default_dtype())


def normal(shape: Shape, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Array:
    """W ~ N(mean, std²). Document 001 §2.5.4 (F16). 中文：正态分布初始化。"""
    return (generator or default_generator()).normal(mean, std, shape).astype(get_default_dtype())


def small_normal(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ N(0, 0.02²): for what is looked up and added, tokens and positions. 中文：小方差正态初始化。

    Radford et al. 2018; Devlin et al. 2019.
    """
    return normal(shape, 0.0, 0.02, generator)


def xavier_uniform(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ U(−√(6 / (fan_in + fan_out)), +√(6 / (fan_in + fan_out))). 中文：Xavier（Glorot）均匀初始化。

    Keeps the variance forward and backward where the activation is linear around 0 (tanh). Glorot, Bengio
    2010; document 001 §2.5.4 gives another formula under this name (F17, see fan_in_uniform).
    """
    fan_in, fan_out = fans(shape)
    bound = (6 / (fan_in + fan_out)) ** 0.5
    return uniform(shape, -bound, bound, generator)


def xavier_normal(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ N(0, 2 / (fan_in + fan_out)). Glorot, Bengio 2010. 中文：Xavier（Glorot）正态初始化。"""
    fan_in, fan_out = fans(shape)
    return normal(shape, 0.0, (2 / (fan_in + fan_out)) ** 0.5, generator)


def he_uniform(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ U(−√(6 / fan_in), +√(6 / fan_in)). 中文：He 均匀初始化。

    Its variance 2 / fan_in keeps the signal's through ReLU layers. He et al. 2015.
    """
    bound = (6 / fans(shape)[0]) ** 0.5
    return uniform(shape, -bound, bound, generator)


def he_normal(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ N(0, 2 / fan_in), for ReLU. He et al. 2015. 中文：He 正态初始化。"""
    return normal(shape, 0.0, (2 / fans(shape)[0]) ** 0.5, generator)


def lecun_uniform(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ U(−√(3 / fan_in), +√(3 / fan_in)), of variance 1 / fan_in. 中文：LeCun 均匀初始化。

    LeCun, Bottou, Orr, Müller 1998.
    """
    bound = (3 / fans(shape)[0]) ** 0.5
    return uniform(shape, -bound, bound, generator)


def lecun_normal(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ N(0, 1 / fan_in). LeCun et al. 1998. 中文：LeCun 正态初始化。"""
    return normal(shape, 0.0, (1 / fans(shape)[0]) ** 0.5, generator)


def fan_in_uniform(shape: Shape, generator: Generator | None = None) -> Array:
    """W ~ U(−1/√fan_in, +1/√fan_in), of variance 1 / (3 fan_in). 中文：按扇入缩放的均匀初始化。

    What document 001 §2.5.4 calls Xavier; it is the older heuristic that Glorot and Bengio (2010) improve on
    (F17).
    """
    bound = (1 / fans(shape)[0]) ** 0.5
    return uniform(shape, -bound, bound, generator)
