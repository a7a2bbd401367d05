"""Multi-head attention, and the mask for padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import values_of
from tinygrad_zh.nn.attending import Attending
from tinygrad_zh.nn.layers import Dense, Dropout, check_lengths

Array = np.ndarray[Any, Any]


class MultiHeadAttention(Attending):
    """Y = [Y₁ … Y_h] W_O + b_O, Y_i = softmax(Q_i K_iᵀ / √d) V_i. 中文：多头注意力层。

    X (…, n, width) → Y (…, n, width). Q = X W_Q + b_Q, K = M W_K + b_K, V = M W_V + b_V, each cut into h heads of d
    = width / h columns. M is X itself (self-attention), or a memory (…, m, width) (cross-attention). mask:
    booleans, true where row i may attend to column j, (n, m), or with a batch in front, (…, 1, m) or (…, n, m); one
    mask for all heads; is_causal: j ≤ i only. A row that may attend to nothing has Y_i = 0. What is masked has no
    influence as long as it is finite (0 · nan = nan). dropout: on the weights, in training (Vaswani et al. 2017; their
    code). return_weights: (Y, P), with P (…, heads, n, m) before dropout. Document 000 §2 (F25).

    Raises ValueError for heads that do not divide the width, and for shapes that do not fit; TypeError for a mask that
    is not boolean.

    >>> import numpy as np, tinygrad_zh as tz
    >>> attention = tz.nn.MultiHeadAttention(width=8, heads=2)
    >>> x = np.ones((1, 3, 8), np.float32)
    >>> y, weights = attention(x, is_causal=True, return_weights=True)
    >>> y.shape, weights.shape, weights.numpy()[0, 0, 1].tolist()
    ((1, 3, 8), (1, 2, 3, 3), [0.5, 0.5, 0.0])
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        check_lengths("MultiHeadAttention", width=width, heads=heads)
        if width % heads:
            raise ValueError(f"MultiHeadAttention: {heads} heads do not divide the width {width}; "
                             f"take {_divisors(width)} heads")
        self.query, self.key, self.value = (Dense(width, width) for _ in range(3))
        self.output = Dense(width, width)
        self.dropout = Dropout(dropout)
        self.heads = heads

    def forward(self, x: Any, memory: Any = None, mask: Any = None, is_causal: bool = False,
                return_weights: bool = False) -> Any:
        memory = x if memory is None else memory
        mask = self._checked(np.shape(x), np.shape(memory), None if mask is None else values_of(mask, x))
        q, k, v = self._cut(self.query(x)), self._cut(self.key(memory)), self._cut(self.value(memory))
        if not (return_weights or self._maps or (self.training and self.dropout.p)):
            heads = F.scaled_dot_product_attention(q, k, v, mask, is_causal)
            return self.output(_join(heads))
        weights = F.attention_weights(q, k, mask, is_causal)
        self._show(weights)
        heads = self.dropout(weights) @ v
        y = self.output(_join(heads))
        return (y, weights) if return_weights else y

    def _cut(self, x: Tensor) -> Tensor:
        """(…, n, width) → (…, heads, n, d)."""
        *lead, n, width = x.shape
        return x.reshape((*lead, n, self.heads, width // self.heads)).swapaxes(-2, -3)

    def _checked(self, x: tuple[int, ...], memory: tuple[int, ...], mask: Any) -> Any:
        """The mask with an axis for the heads, after a check of all shapes."""
        width = self.query.W.shape[0]
        for name, shape in (("x", x), ("memory", memory)):
            if len(shape) < 2 or shape[-1] != width:
                raise ValueError(f"MultiHeadAttention({self.describe()}) takes {name} (…, length, {width}), "
                                 f"not {shape}")
        if x[:-2] != memory[:-2]:
            raise ValueError(f"MultiHeadAttention: x {x} and memory {memory} are not of one batch")
        if mask is None:
            return None
        scores = (*x[:-1], memory[-2])
        if not _broadcasts(mask.shape, scores):
            raise ValueError(f"MultiHeadAttention: a mask {mask.shape} does not fit the scores {scores}, rows of x by "
                             "rows of memory; for padding take nn.padding_mask(tokens), (batch, 1, length)")
        return mask[..., None, :, :] if mask.ndim > 2 else mask

    def describe(self) -> str:
        return f"{self.query.W.shape[0]}, {self.heads} heads"


def padding_mask(tokens: Any, pad: int = 0) -> Array:
    """mask = (t ≠ pad): tokens (…, n) → (…, 1, n), true where there is something to attend to. 中文：填充掩码。

    >>> padding_mask([[5, 7, 0]])
    array([[[ True,  True, False]]])
    """
    tokens = values_of(tokens)
    if tokens.dtype.kind not in "iu" or not tokens.ndim:
        raise TypeError(f"padding_mask: tokens are integers (…, length), not {tokens.dtype} {tokens.shape}")
    return (tokens != pad)[..., None, :]


def _join(y: Tensor) -> Tensor:
    """(…, heads, n, d) → (…, n, heads · d)."""
    *lead, heads, n, d = y.shape
    return y.swapaxes(-2, -3).reshape((*lead, n, heads * d))


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    """Whether an array of a shape broadcasts to exactly another."""
    return 2 <= len(shape) <= len(to) and all(a in (1, b) for a, b in zip(shape[::-1], to[::-1], strict=False))


def _divisors(width: int) -> str:
    return ", ".join(str(n) for n in range(1, min(width, 16) + 1) if width % n == 0)
