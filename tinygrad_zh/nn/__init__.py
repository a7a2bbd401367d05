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
from tinygrad_zh.nn.attending import attention_maps
from tinygrad_zh.nn.attention import MultiHeadAttention, padding_mask
from tinygrad_zh.nn.convolution import AvgPool2d, Conv2d, MaxPool2d
from tinygrad_zh.nn.layers import BatchNorm, Dense, Dropout, Embedding, Flatten, LayerNorm, parameter
from tinygrad_zh.nn.module import Module, Sequential
from tinygrad_zh.nn.pooling import AttentionPool, MaxPool, MeanPool
from tinygrad_zh.nn.position import LearnedPosition, SinusoidalPosition, sinusoidal
from tinygrad_zh.nn.transformer import (
    Decoder,
    DecoderBlock,
    Encoder,
    FeedForward,
    PreNormDecoderBlock,
    PreNormTransformerBlock,
    TransformerBlock,
)

__all__ = [
    "GELU",
    "AttentionPool",
    "AvgPool2d",
    "BatchNorm",
    "Conv2d",
    "Decoder",
    "DecoderBlock",
    "Dense",
    "Dropout",
    "Embedding",
    "Encoder",
    "FeedForward",
    "Flatten",
    "LayerNorm",
    "LeakyReLU",
    "LearnedPosition",
    "LogSoftmax",
    "MaxPool",
    "MaxPool2d",
    "MeanPool",
    "Module",
    "MultiHeadAttention",
    "PreNormDecoderBlock",
    "PreNormTransformerBlock",
    "ReLU",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPosition",
    "Softmax",
    "Softplus",
    "Tanh",
    "TransformerBlock",
    "attention_maps",
    "init",
    "padding_mask",
    "parameter",
    "sinusoidal",
]
