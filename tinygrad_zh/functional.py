"""The ops as functions, F. Tensors in, tensors out; with plain arrays alone, arrays out.

Names and meanings are PyTorch's for activations and losses, NumPy's for the rest (axis, keepdims, var with ddof 0).
Where an op needs no checking and no literals the function is the op itself: `F.sigmoid is Sigmoid`.
"""

from __future__ import annotations

from tinygrad_zh.ops.activation import GELU as gelu
from tinygrad_zh.ops.activation import LeakyReLU as leaky_relu
from tinygrad_zh.ops.activation import LogSigmoid as log_sigmoid
from tinygrad_zh.ops.activation import LogSoftmax as log_softmax
from tinygrad_zh.ops.activation import ReLU as relu
from tinygrad_zh.ops.activation import Sigmoid as sigmoid
from tinygrad_zh.ops.activation import SiLU as silu
from tinygrad_zh.ops.activation import Softmax as softmax
from tinygrad_zh.ops.activation import Softplus as softplus
from tinygrad_zh.ops.activation import Tanh as tanh
from tinygrad_zh.ops.activation import masked_softmax
from tinygrad_zh.ops.arithmetic import Abs as abs
from tinygrad_zh.ops.arithmetic import Add as add
from tinygrad_zh.ops.arithmetic import Cos as cos
from tinygrad_zh.ops.arithmetic import Div as div
from tinygrad_zh.ops.arithmetic import Equal as equal
from tinygrad_zh.ops.arithmetic import Exp as exp
from tinygrad_zh.ops.arithmetic import Greater as greater
from tinygrad_zh.ops.arithmetic import GreaterEqual as greater_equal
from tinygrad_zh.ops.arithmetic import IsFinite as isfinite
from tinygrad_zh.ops.arithmetic import Less as less
from tinygrad_zh.ops.arithmetic import LessEqual as less_equal
from tinygrad_zh.ops.arithmetic import Log as log
from tinygrad_zh.ops.arithmetic import Log1p as log1p
from tinygrad_zh.ops.arithmetic import Maximum as maximum
from tinygrad_zh.ops.arithmetic import Minimum as minimum
from tinygrad_zh.ops.arithmetic import Mul as mul
from tinygrad_zh.ops.arithmetic import Neg as neg
from tinygrad_zh.ops.arithmetic import NotEqual as not_equal
from tinygrad_zh.ops.arithmetic import Sign as sign
from tinygrad_zh.ops.arithmetic import Sin as sin
from tinygrad_zh.ops.arithmetic import Sqrt as sqrt
from tinygrad_zh.ops.arithmetic import Sub as sub
from tinygrad_zh.ops.arithmetic import Where as where
from tinygrad_zh.ops.arithmetic import astype, clip, pow
from tinygrad_zh.ops.attention import attention_weights, scaled_dot_product_attention
from tinygrad_zh.ops.blocked_attention import blocked_attention
from tinygrad_zh.ops.convolution import conv2d
from tinygrad_zh.ops.fused import bias_gelu, bias_relu, bias_sigmoid, bias_tanh
from tinygrad_zh.ops.indexing import embedding, getitem
from tinygrad_zh.ops.linear import einsum, matmul
from tinygrad_zh.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    cross_entropy_of_probabilities,
    half_squared_error,
    huber_loss,
    l1_loss,
    mse_loss,
)
from tinygrad_zh.ops.normalization import batch_norm, layer_norm, rms_norm
from tinygrad_zh.ops.pooling import avg_pool2d, max_pool2d
from tinygrad_zh.ops.reduction import argmax, argmin, logsumexp, max, mean, min, norm, prod, std, sum, var
from tinygrad_zh.ops.regularization import dropout
from tinygrad_zh.ops.shape import (
    broadcast_to,
    concat,
    expand_dims,
    flatten,
    flip,
    pad,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    transpose,
)

__all__ = [
    "abs", "add", "argmax", "argmin", "astype", "attention_weights", "avg_pool2d", "batch_norm", "bias_gelu",
    "bias_relu", "bias_sigmoid", "bias_tanh", "binary_cross_entropy", "binary_cross_entropy_with_logits",
    "blocked_attention", "broadcast_to", "clip", "concat", "conv2d", "cos", "cross_entropy",
    "cross_entropy_of_probabilities", "div", "dropout", "einsum", "embedding", "equal", "exp", "expand_dims",
    "flatten", "flip", "gelu", "getitem", "greater", "greater_equal", "half_squared_error", "huber_loss",
    "isfinite", "l1_loss", "layer_norm", "leaky_relu", "less", "less_equal", "log", "log1p", "log_sigmoid",
    "log_softmax", "logsumexp", "masked_softmax", "matmul", "max", "max_pool2d", "maximum", "mean", "min",
    "minimum", "mse_loss", "mul", "neg", "norm", "not_equal", "pad", "pow", "prod", "relu", "reshape",
    "rms_norm", "roll", "scaled_dot_product_attention", "sigmoid", "sign", "silu", "sin", "softmax", "softplus",
    "split", "sqrt", "squeeze", "stack", "std", "sub", "sum", "swapaxes", "tanh", "transpose", "var", "where",
]
