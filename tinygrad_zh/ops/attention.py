"""Scaled dot-product attention, with the explicit gradient of each of Q, K and V."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, beside
from tinygrad_zh.ops.activation import MaskedSoftmax, Softmax, check_mask


class Attention(Op):
    """Y = P V, P = softmax(Q Kᵀ / √d)
    ∂L/∂Q = S K / √d, S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)
    ∂L/∂K = Sᵀ Q / √d
    ∂L/∂V = Pᵀ ∂L/∂Y
    中文：缩放点积注意力

    Only ln Σ e^scores is kept, a number a row; P is computed again. Vaswani et al. 2017; documents 000 §2, 001 §2.6
    (F25).
    """

    aux = ("lse",)

    def forward(q, k, v):
        scores = q @ k.mT * q.shape[-1] ** -0.5
        top = scores.max(axis=-1, keepdims=True)
        e = np.exp(scores - top)
        z = e.sum(axis=-1, keepdims=True)
        return (e / z) @ v, top + np.log(z)

    def backward(dy, q, k, v, y, lse):
        c = q.shape[-1] ** -0.5
        p = np.exp(q @ k.mT * c - lse)
        s = p * (dy @ v.mT - (dy * y).sum(axis=-1, keepdims=True)) * c
        return s @ k, s.mT @ q, p.mT @ dy


class MaskedAttention(Op):
    """Y = P V, P = softmax(Q Kᵀ / √d where the mask allows, −∞ elsewhere)
    ∂L/∂Q = S K / √d, S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)
    ∂L/∂K = Sᵀ Q / √d
    ∂L/∂V = Pᵀ ∂L/∂Y
    中文：带掩码的缩放点积注意力

    A row that may attend to nothing gives zeros, and zero gradients; the other rows do not notice.
    """

    aux = ("lse",)

    def forward(q, k, v, mask):
        scores = np.where(mask, q @ k.mT * q.shape[-1] ** -0.5, -np.inf)
        top = scores.max(axis=-1, keepdims=True)
        top = np.where(top == -np.inf, 0, top)
        e = np.exp(scores - top)
        z = e.sum(axis=-1, keepdims=True)
        z = np.where(z == 0, 1, z)
        return (e / z) @ v, top + np.log(z)

    def backward(dy, q, k, v, mask, y, lse):
        c = q.shape[-1] ** -0.5
        p = np.exp(np.where(mask, q @ k.mT * c, -np.inf) - lse)
        s = p * (dy @ v.mT - (dy * y).sum(axis=-1, keepdims=True)) * c
        return s @ k, s.mT @ q, p.mT @ dy, None


# ---- what users call


def scaled_dot_product_attention(q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False) -> Tensor:
    """Y = softmax(Q Kᵀ / √d) V. Q (…, n, d), K (…, m, d), V (…, m, e) → Y (…, n, e). 中文：缩放点积注意力。

    mask: booleans that broadcast to (…, n, m), true where row i may attend to column j. is_causal: j ≤ i only. Rows
    that may attend to nothing are zero. Vaswani et al. 2017 (F25). Raises ValueError for shapes that do not fit and
    TypeError for a mask that is not boolean.
    """
    mask = allowed(mask, is_causal, shape_of_scores(q, k, v), q)
    return Attention(q, k, v) if mask is None else MaskedAttention(q, k, v, mask)


def attention_weights(q: Any, k: Any, mask: Any = None, is_causal: bool = False) -> Tensor:
    """P = softmax(Q Kᵀ / √d). Q (…, n, d), K (…, m, d) → P (…, n, m). 中文：注意力权重。

    Row i attends to column j with weight Pᵢⱼ. P V is attention in three steps: scores, softmax, product; it equals
    `scaled_dot_product_attention`, which keeps no P, to rounding. Dropout on the weights is dropout(P) V. mask,
    is_causal and the errors are the same.
    """
    mask = allowed(mask, is_causal, shape_of_scores(q, k), q)
    s = q @ k.mT * q.shape[-1] ** -0.5
    return Softmax(s) if mask is None else MaskedSoftmax(s, mask)


# ---- what they share


def shape_of_scores(q: Any, k: Any, v: Any = None) -> tuple[int, ...]:
    """(…, n, m): the shape of Q Kᵀ, with the leading axes of V as well. Raises ValueError for what does not fit."""
    given = {"queries": q.shape, "keys": k.shape} | ({} if v is None else {"values": v.shape})
    for name, shape in given.items():
        if len(shape) < 2:
            raise ValueError(f"attention: the {name} are (…, length, width), not {shape}")
    if q.shape[-1] != k.shape[-1] or not q.shape[-1]:
        raise ValueError(f"attention: queries {q.shape} and keys {k.shape} need one width")
    if v is not None and k.shape[-2] != v.shape[-2]:
        raise ValueError(f"attention: keys {k.shape} and values {v.shape} need one length")
    if not k.shape[-2]:
        raise ValueError(f"attention: there is nothing to attend to; the keys have shape {k.shape}")
    try:
        batch = np.broadcast_shapes(*(shape[:-2] for shape in given.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {shape}" for name, shape in given.items())
        raise ValueError(f"attention: the leading axes of {shapes} do not broadcast") from None
    return (*batch, q.shape[-2], k.shape[-2])


def allowed(mask: Any, is_causal: bool, scores: tuple[int, ...], q: Any) -> Any:
    """The mask and j ≤ i as one, where q is; None where all is allowed. Raises as scaled_dot_product_attention says."""
    if mask is not None:
        mask = check_mask("attention", beside(mask, q), scores, ", the scores; a mask for padding is (batch, 1, m)")
    causal = np.tri(*scores[-2:], dtype=np.bool_, like=q) if is_causal else None
    return mask if causal is None else causal if mask is None else mask & causal
