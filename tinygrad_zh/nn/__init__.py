"""Layers and how they are put together."""

from tinygrad_zh.nn import init
from tinygrad_zh.nn.activation import (
    GELU,
    LeakyReLU,
    LogSoftmax,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from tinygrad_zh.nn.layers import BatchNorm, Dense, Dropout, Embedding, Flatten, LayerNorm, parameter
from tinygrad_zh.nn.module import Module, Sequential

__all__ = [
    "GELU",
    "BatchNorm",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "LogSoftmax",
    "Module",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
    "parameter",
]
