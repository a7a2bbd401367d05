"""Transformer blocks, and stacks of them.

Two ways to place the layer norm stand side by side: after each sum (the paper's) and before each part (pre-norm,
which trains without a warm-up of the learning rate: Xiong et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor
from tinygrad_zh.nn.attention import MultiHeadAttention
from tinygrad_zh.nn.init import he_uniform
from tinygrad_zh.nn.layers import Dense, Dropout, LayerNorm, check_lengths
from tinygrad_zh.nn.module import Module

Activation = Callable[[Any], Tensor]


class FeedForward(Module):
    """Y = f(X W₁ + b₁) W₂ + b₂, row by row. X (…, width) → (…, width). 中文：前馈网络。

    f: ReLU unless given. W₁ starts with He's variance. Vaswani et al. 2017, §3.3. Raises TypeError for an activation
    that is not a function (or a module, such as nn.GELU()).
    """

    def __init__(self, width: int, hidden: int, activation: Activation = F.relu, dropout: float = 0.0) -> None:
        if not callable(activation) or (isinstance(activation, type) and issubclass(activation, Module)):
            raise TypeError(f"FeedForward: the activation is a function such as F.gelu, not {_named(activation)}")
        self.first = Dense(width, hidden, init=he_uniform)
        self.second = Dense(hidden, width)
        self.dropout = Dropout(dropout)
        self.activation: Any = activation

    def forward(self, x: Any) -> Tensor:
        return self.second(self.dropout(self.activation(self.first(x))))


class TransformerBlock(Module):
    """Z = LN(X + A(X)), Y = LN(Z + F(Z)): the norm after each sum. X (…, n, width). 中文：Transformer 块（后归一化）。

    A: multi-head self-attention; F: feed-forward network; LN: layer norm; dropout on what A and F give and on the
    attention weights. mask, is_causal: as in MultiHeadAttention. Vaswani et al. 2017; document 001 §2.6 (F25).
    """

    normalized = True

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0,
                 activation: Activation = F.relu) -> None:
        self.attention = MultiHeadAttention(width, heads, dropout)
        self.attention_norm = LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden, activation)
        self.feed_forward_norm = LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Any, mask: Any = None, is_causal: bool = False) -> Tensor:
        z = self.attention_norm(x + self.dropout(self.attention(x, mask=mask, is_causal=is_causal)))
        return self.feed_forward_norm(z + self.dropout(self.feed_forward(z)))


class PreNormTransformerBlock(TransformerBlock):
    """Z = X + A(LN(X)), Y = Z + F(LN(Z)): the norm before each part. 中文：Transformer 块（前归一化）。

    X (…, n, width). The parts of TransformerBlock. The sum runs through all blocks untouched, so a stack ends with
    a norm of its own. Xiong et al. 2020.
    """

    normalized = False

    def forward(self, x: Any, mask: Any = None, is_causal: bool = False) -> Tensor:
        z = x + self.dropout(self.attention(self.attention_norm(x), mask=mask, is_causal=is_causal))
        return z + self.dropout(self.feed_forward(self.feed_forward_norm(z)))


class DecoderBlock(Module):
    """Z = LN(X + A(X)), U = LN(Z + C(Z, M)), Y = LN(U + F(U)). 中文：解码器块（后归一化）。

    X (…, n, width), memory M (…, m, width). A is causal; C: cross-attention to what the encoder gives. mask: for A;
    memory_mask: for C. Vaswani et al. 2017.
    """

    normalized = True

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0,
                 activation: Activation = F.relu) -> None:
        self.attention = MultiHeadAttention(width, heads, dropout)
        self.attention_norm = LayerNorm(width)
        self.cross = MultiHeadAttention(width, heads, dropout)
        self.cross_norm = LayerNorm(width)
        self.feed_forward = FeedForward(width, hidden, activation)
        self.feed_forward_norm = LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Any, memory: Any, mask: Any = None, memory_mask: Any = None) -> Tensor:
        z = self.attention_norm(x + self.dropout(self.attention(x, mask=mask, is_causal=True)))
        u = self.cross_norm(z + self.dropout(self.cross(z, memory, mask=memory_mask)))
        return self.feed_forward_norm(u + self.dropout(self.feed_forward(u)))


class PreNormDecoderBlock(DecoderBlock):
    """Z = X + A(LN(X)), U = Z + C(LN(Z), M), Y = U + F(LN(U)). 中文：解码器块（前归一化）。

    The parts and masks of DecoderBlock.
    """

    normalized = False

    def forward(self, x: Any, memory: Any, mask: Any = None, memory_mask: Any = None) -> Tensor:
        z = x + self.dropout(self.attention(self.attention_norm(x), mask=mask, is_causal=True))
        u = z + self.dropout(self.cross(self.cross_norm(z), memory, mask=memory_mask))
        return u + self.dropout(self.feed_forward(self.feed_forward_norm(u)))


class _Stack(Module):
    """Blocks of one kind, one after the other; a layer norm at the end where the last block leaves off without."""

    def __init__(self, kind: type[TransformerBlock | DecoderBlock], block: Any, depth: int, width: int,
                 *settings: Any) -> None:
        name = type(self).__name__
        check_lengths(name, depth=depth)
        if not (isinstance(block, type) and issubclass(block, kind)):
            raise TypeError(f"{name}: the block is a class, nn.{kind.__name__} or nn.PreNorm{kind.__name__}, "
                            f"not {_named(block)}")
        self.blocks = [block(width, *settings) for _ in range(depth)]
        self.norm = None if block.normalized else LayerNorm(width)


class Encoder(_Stack):
    """Y = B_depth(… B₁(X)): a stack of blocks, each sees all rows that the mask allows. 中文：编码器。

    X (…, n, width). block: TransformerBlock, or PreNormTransformerBlock, after which comes one more layer norm. With
    is_causal a row sees those before it only: the stack of a language model. Raises TypeError for any other block.
    """

    def __init__(self, depth: int, width: int, heads: int, hidden: int, dropout: float = 0.0,
                 activation: Activation = F.relu, block: type[TransformerBlock] = TransformerBlock) -> None:
        super().__init__(TransformerBlock, block, depth, width, heads, hidden, dropout, activation)

    def forward(self, x: Any, mask: Any = None, is_causal: bool = False) -> Tensor:
        for block in self.blocks:
            x = block(x, mask=mask, is_causal=is_causal)
        return x if self.norm is None else self.norm(x)


class Decoder(_Stack):
    """Y = B_depth(… B₁(X, M) …, M): a stack of decoder blocks over an encoder's output M. 中文：解码器。

    X (…, n, width), memory M (…, m, width). block: DecoderBlock or PreNormDecoderBlock.
    """

    def __init__(self, depth: int, width: int, heads: int, hidden: int, dropout: float = 0.0,
                 activation: Activation = F.relu, block: type[DecoderBlock] = DecoderBlock) -> None:
        super().__init__(DecoderBlock, block, depth, width, heads, hidden, dropout, activation)

    def forward(self, x: Any, memory: Any, mask: Any = None, memory_mask: Any = None) -> Tensor:
        for block in self.blocks:
            x = block(x, memory, mask=mask, memory_mask=memory_mask)
        return x if self.norm is None else self.norm(x)


def _named(x: Any) -> str:
    """A wrong argument in an error, on one line."""
    return x.__name__ if isinstance(x, type) else repr(x) if isinstance(x, str) else f"a {type(x).__name__}"
