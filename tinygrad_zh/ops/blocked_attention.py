"""Attention in blocks of queries and of keys: the same Y and gradients, in memory linear in the length.

P = softmax(Q Kᵀ / √d) has n × m numbers and is never whole. A block of queries meets the blocks of keys one by one
and carries what softmax needs to know of those before (Milakov, Gimelshein 2018): the largest score, the sum of the
exponentials, and the sum of the values weighted by them. The backward pass needs one number a row, ln Σ e^scores, to
compute any block of P again (Rabe, Staats 2021; Dao et al. 2022, FlashAttention).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.ops.attention import allowed, shape_of_scores


def attend(q: Any, k: Any, v: Any, mask: Any, is_causal: bool, block: int) -> tuple[Any, Any]:
    """Y and ln Σ e^scores, a block of rows at a time."""
    ks, vs = cut(k, block), cut(v, block)
    ys, lses = [], []
    for i, qi in enumerate(cut(q, block)):
        top, z, o = -np.inf, 0, 0  # m, ℓ and o in the papers
        for j, (kj, vj) in enumerate(zip(ks, vs, strict=True)):
            if is_causal and j > i:
                break
            s = scores(qi, kj, i, j, mask, is_causal, block)
            higher = np.maximum(top, s.max(axis=-1, keepdims=True))
            shift = np.where(higher == -np.inf, 0, higher)  # −∞: nothing was allowed so far
            p, rescale = np.exp(s - shift), np.exp(top - shift)
            z = rescale * z + p.sum(axis=-1, keepdims=True)
            o = rescale * o + p @ vj
            top = higher
        total = np.where(z == 0, 1, z)
        ys.append(o / total)
        lses.append(shift + np.log(total))
    return np.concatenate(ys, axis=-2), np.concatenate(lses, axis=-2)


def attend_backward(dy: Any, q: Any, k: Any, v: Any, mask: Any, y: Any, lse: Any, is_causal: bool,
                    block: int) -> tuple[Any, Any, Any]:
    """∂L/∂Q, ∂L/∂K and ∂L/∂V: Attention.backward, where each block of P adds to one block of each."""
    c = q.shape[-1] ** -0.5
    rows = list(zip(*(cut(x, block) for x in (q, dy, lse, (dy * y).sum(axis=-1, keepdims=True))), strict=True))
    dqs, dks, dvs = [0] * len(rows), [], []
    for j, (kj, vj) in enumerate(zip(cut(k, block), cut(v, block), strict=True)):
        dk = dv = 0
        first = min(j, len(rows) - 1) if is_causal else 0  # columns after the last row receive zeros from it
        for i, (qi, dyi, lsei, rowsum) in enumerate(rows[first:], first):
            p = np.exp(scores(qi, kj, i, j, mask, is_causal, block) - lsei)
            s = p * (dyi @ vj.mT - rowsum) * c
            dqs[i] = dqs[i] + s @ kj
            dk = dk + s.mT @ qi
            dv = dv + p.mT @ dyi
        dks.append(dk)
        dvs.append(dv)
    return np.concatenate(dqs, axis=-2), np.concatenate(dks, axis=-2), np.concatenate(dvs, axis=-2)


def scores(qi: Any, kj: Any, i: int, j: int, mask: Any, is_causal: bool, block: int) -> Any:
    """Block (i, j) of Q Kᵀ / √d, −∞ where attention is not allowed."""
    s = qi @ kj.mT * qi.shape[-1] ** -0.5
    if mask is not None:
        s = np.where(mask[..., i * block : (i + 1) * block, j * block : (j + 1) * block], s, -np.inf)
    if is_causal:
        row, column = (np.arange(length, like=qi) for length in s.shape[-2:])
        s = np.where(j * block + column <= i * block + row[:, None], s, -np.inf)
    return s


def cut(x: Any, block: int) -> Any:
    """[x₁ x₂ …], of `block` rows each but for the last."""
    return np.split(x, range(block, x.shape[-2], block), axis=-2)


class BlockedAttention(Op):
    """Y = P V, P = softmax(Q Kᵀ / √d), block by block
    ∂L/∂Q = S K / √d, S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)
    ∂L/∂K = Sᵀ Q / √d
    ∂L/∂V = Pᵀ ∂L/∂Y
    中文：分块计算的缩放点积注意力

    The recurrence from block to block stands in `attend` and `attend_backward`, above the op in its file.
    """

    aux = ("lse",)

    def forward(q, k, v, *, is_causal, block):
        return attend(q, k, v, None, is_causal, block)

    def backward(dy, q, k, v, y, lse, *, is_causal, block):
        dq, dk, dv = attend_backward(dy, q, k, v, None, y, lse, is_causal, block)
        return dq, dk, dv


class BlockedMaskedAttention(Op):
    """Y = P V, P = softmax(Q Kᵀ / √d where the mask allows, −∞ elsewhere), block by block
    ∂L/∂Q = S K / √d, S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)
    ∂L/∂K = Sᵀ Q / √d
    ∂L/∂V = Pᵀ ∂L/∂Y
    中文：带掩码、分块计算的缩放点积注意力

    With the recurrence of BlockedAttention.
    """

    aux = ("lse",)

    def forward(q, k, v, mask, *, is_causal, block):
        whole = np.broadcast_to(mask, (*mask.shape[:-2], q.shape[-2], k.shape[-2]))  # a view: it takes no memory
        return attend(q, k, v, whole, is_causal, block)

    def backward(dy, q, k, v, mask, y, lse, *, is_causal, block):
        whole = np.broadcast_to(mask, (*mask.shape[:-2], q.shape[-2], k.shape[-2]))
        dq, dk, dv = attend_backward(dy, q, k, v, whole, y, lse, is_causal, block)
        return dq, dk, dv, None


# ---- what users call


def blocked_attention(q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, block: int = 128) -> Tensor:
    """Y = softmax(Q Kᵀ / √d) V, in blocks of `block` rows and columns. 中文：分块注意力（内存随长度线性增长）。

    `scaled_dot_product_attention` to rounding, with the same shapes, masks and errors, but no array of n × m is made,
    neither forward nor backward: the memory is linear in the length. What lies above the diagonal of a causal mask is
    not computed. Raises TypeError for a block that is no integer, ValueError for one below 1.

    >>> import tinygrad_zh as tz
    >>> x = np.linspace(-1, 1, 12).reshape(4, 3)
    >>> whole = tz.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
    >>> np.allclose(blocked_attention(x, x, x, is_causal=True, block=3), whole, rtol=1e-14)
    True
    """
    if not isinstance(block, (int, np.integer)) or isinstance(block, bool):
        raise TypeError(f"blocked_attention: a block is a whole number of rows, not {block!r}")
    if block < 1:
        raise ValueError(f"blocked_attention: a block has at least 1 row, not {block}")
    mask = allowed(mask, False, shape_of_scores(q, k, v), q)
    if mask is None:
        return BlockedAttention(q, k, v, is_causal=is_causal, block=int(block))
    return BlockedMaskedAttention(q, k, v, mask, is_causal=is_causal, block=int(block))
