"""Losses. The ops give one loss a sample (or element); the functions check what they are given and average.

∂/∂ŷ of a mean is 1/n of the sample's own: that factor is the step through Mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, beside
from tinygrad_zh.device import stray
from tinygrad_zh.ops.activation import Sigmoid
from tinygrad_zh.ops.indexing import labels
from tinygrad_zh.ops.reduction import mean, sum


def xlogy(x, y):
    """x ln y, 0 where x = 0"""
    return np.where(x == 0, 0, x * np.log(np.where(x == 0, 1, y)))


def ratio(x, y):
    """x / y, 0 where both are 0"""
    return x / np.where((x == 0) & (y == 0), 1, y)


class SquaredError(Op):
    """L = (ŷ − y)²
    ∂L/∂ŷ = ∂L/∂L · 2 (ŷ − y)
    ∂L/∂y = −∂L/∂L · 2 (ŷ − y)
    中文：平方误差

    Its mean is the documents' MSE: 001 §2.5.1, 002 §4.2, 004 §4.1 (F08).
    """

    def forward(p, t):
        return (p - t) ** 2

    def backward_p(dy, p, t):
        return dy * 2 * (p - t)

    def backward_t(dy, p, t):
        return -dy * 2 * (p - t)


class HalfSquaredError(Op):
    """J = ½ Σ (y − ŷ)²
    ∂J/∂ŷ = ŷ − y
    ∂J/∂y = y − ŷ
    中文：平方误差和的一半

    Documents 000 §4.1 (F02) and 004 §4.3 (F23), with the signs that F04 and F24 have wrong.
    """

    def forward(p, t):
        return 0.5 * ((t - p) ** 2).sum()

    def backward_p(dy, p, t):
        return dy * (p - t)

    def backward_t(dy, p, t):
        return dy * (t - p)


class AbsoluteError(Op):
    """L = |ŷ − y|
    ∂L/∂ŷ = sign(ŷ − y)
    ∂L/∂y = −sign(ŷ − y)
    中文：绝对误差
    """

    def forward(p, t):
        return np.abs(p - t)

    def backward_p(dy, p, t):
        return dy * np.sign(p - t)

    def backward_t(dy, p, t):
        return -dy * np.sign(p - t)


class Huber(Op):
    """L = ½ e² where |e| ≤ δ, else δ (|e| − ½ δ), e = ŷ − y
    ∂L/∂ŷ = min(max(e, −δ), δ)
    ∂L/∂y = −min(max(e, −δ), δ)
    中文：胡伯损失

    Source: Huber 1964.
    """

    def forward(p, t, *, delta=1.0):
        e = np.abs(p - t)
        return np.where(e <= delta, 0.5 * e * e, delta * (e - 0.5 * delta))

    def backward_p(dy, p, t, *, delta):
        return dy * np.clip(p - t, -delta, delta)

    def backward_t(dy, p, t, *, delta):
        return -dy * np.clip(p - t, -delta, delta)


class CrossEntropy(Op):
    """L = ln Σ eˣ − x_t, the cross-entropy −ln softmax(x)_t of class t
    ∂L/∂x = softmax(x) − 1_t
    中文：交叉熵（由未归一化的分数和类别标签）

    Document 001 §2.5.1 (F09); 004 §4.1 forgets the sum over the classes (F10).
    """

    aux = ("lse",)

    def forward(x, t):
        top = x.max(axis=-1, keepdims=True)
        lse = top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True))
        hot = np.arange(x.shape[-1], like=x) == t[..., None]
        return np.where(hot, lse - x, 0).sum(axis=-1), lse

    def backward_x(dy, x, t, lse):
        hot = np.arange(x.shape[-1], like=x) == t[..., None]
        return dy[..., None] * (np.exp(x - lse) - hot)


class SoftCrossEntropy(Op):
    """L = Σ q (ln Σ eˣ − x), the cross-entropy −Σ q ln softmax(x) with a distribution q
    ∂L/∂x = softmax(x) Σ q − q
    ∂L/∂q = ln Σ eˣ − x
    中文：交叉熵（由未归一化的分数和概率分布）
    """

    aux = ("lse",)

    def forward(x, q):
        top = x.max(axis=-1, keepdims=True)
        lse = top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True))
        return (q * (lse - x)).sum(axis=-1), lse

    def backward_x(dy, x, q, lse):
        return dy[..., None] * (np.exp(x - lse) * q.sum(axis=-1, keepdims=True) - q)

    def backward_q(dy, x, lse):
        return dy[..., None] * (lse - x)


class CrossEntropyOfProbabilities(Op):
    """L = −Σ y ln ŷ, over the classes
    ∂L/∂ŷ = −y / ŷ
    ∂L/∂y = −ln ŷ
    中文：交叉熵（由概率）

    0 ln 0 counts as 0; ŷ = 0 where y > 0 is an infinite loss. Document 001 §2.5.1 (F09).
    """

    def forward(p, t):
        return -xlogy(t, p).sum(axis=-1)

    def backward_p(dy, p, t):
        return -dy[..., None] * ratio(t, p)

    def backward_t(dy, p):
        return -dy[..., None] * np.log(p)


class BinaryCrossEntropy(Op):
    """L = −(y ln ŷ + (1 − y) ln(1 − ŷ))
    ∂L/∂ŷ = (1 − y) / (1 − ŷ) − y / ŷ
    ∂L/∂y = ln(1 − ŷ) − ln ŷ
    中文：二元交叉熵（由概率）

    0 ln 0 counts as 0; a certain and wrong ŷ is an infinite loss. Document 002 §4.2 (F11).
    """

    def forward(p, t):
        return -xlogy(t, p) - xlogy(1 - t, 1 - p)

    def backward_p(dy, p, t):
        return dy * (ratio(1 - t, 1 - p) - ratio(t, p))

    def backward_t(dy, p):
        return dy * (np.log(1 - p) - np.log(p))


class BinaryCrossEntropyWithLogits(Op):
    """L = ln(1 + eˣ) − x y, the binary cross-entropy of ŷ = σ(x)
    ∂L/∂x = σ(x) − y
    ∂L/∂y = −x
    中文：二元交叉熵（由未归一化的分数）

    Written with e^−|x| so that it never overflows. Document 002 §4.2 (F11).
    """

    def forward(x, t):
        return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))

    def backward_x(dy, x, t):
        return dy * (Sigmoid(x) - t)

    def backward_t(dy, x):
        return -dy * x


# ---- what users call


def _operands(name: str, p: Any, t: Any) -> tuple[Any, Any]:
    """Prediction and target, of one shape: (n, 1) against (n,) would broadcast to (n, n) without a word.

    A target that is data takes the prediction's dtype, for float32 − int64 is float64. A floating tensor keeps its own.
    """
    p = beside(p, t)
    t = beside(t, p)
    if p.shape != t.shape:
        raise ValueError(f"{name}: the prediction has shape {p.shape} and the target {t.shape}; "
                         "give both one shape (reshape one of them), they are never broadcast")
    for role, x in (("prediction", p), ("target", t)):
        if x.dtype.kind not in "fiub":
            raise TypeError(f"{name}: the {role} must hold real numbers, not {x.dtype}")
    differentiable = isinstance(t, Tensor) and t.dtype.kind == "f"
    if p.dtype.kind == "f" and t.dtype != p.dtype and not differentiable:
        t = t.astype(p.dtype)
    return p, t


def _reduced(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        if not losses.size:
            raise ValueError("the mean loss of no samples is undefined; the batch is empty")
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    if reduction == "none":
        return losses
    raise ValueError(f'reduction is "mean", "sum" or "none", not {reduction!r}')


def mse_loss(p: Any, t: Any, reduction: str = "mean") -> Tensor:
    """MSE = 1/n Σ (ŷ − y)², over all elements. Document 001 §2.5.1 (F08). 中文：均方误差。

    ∂/∂ŷ = 2 (ŷ − y) / n. p and t have one shape; raises ValueError where they do not. reduction: "mean", "sum" or
    "none" (one loss an element).
    """
    return _reduced(SquaredError(*_operands("mse_loss", p, t)), reduction)


def half_squared_error(p: Any, t: Any) -> Tensor:
    """J = ½ Σ (y − ŷ)², a half sum and no mean. Document 000 §4.1 (F02). 中文：平方误差和的一半。

    ∂J/∂ŷ = ŷ − y. Raises ValueError where the shapes differ.
    """
    return HalfSquaredError(*_operands("half_squared_error", p, t))


def l1_loss(p: Any, t: Any, reduction: str = "mean") -> Tensor:
    """L = 1/n Σ |ŷ − y|, slope 0 where they are equal. 中文：平均绝对误差。"""
    return _reduced(AbsoluteError(*_operands("l1_loss", p, t)), reduction)


def huber_loss(p: Any, t: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """L = 1/n Σ (½ e² where |e| ≤ δ, else δ (|e| − ½ δ)). Huber 1964. 中文：胡伯损失。Raises ValueError for δ ≤ 0."""
    if not delta > 0:
        raise ValueError(f"huber_loss: delta is positive, not {delta}")
    return _reduced(Huber(*_operands("huber_loss", p, t), delta=float(delta)), reduction)


def cross_entropy(x: Any, t: Any, reduction: str = "mean") -> Tensor:
    """L = −1/n Σᵢ Σ_c y_ic ln softmax(x)_ic, from logits x (…, C). 中文：交叉熵。

    Documents 001 §2.5.1 and 004 §4.1 (F09, F10). ∂/∂x = (softmax(x) − y) / n.
    t: class labels (…), integers from 0 to C − 1; or distributions (…, C), floating.
    Raises TypeError for labels that are no integers, IndexError for a label out of range, ValueError for shapes
    that do not fit.

    >>> import tinygrad_zh as tz
    >>> round(tz.functional.cross_entropy(tz.tensor([[0.0, 0.0]]), [1]).item(), 4)
    0.6931
    """
    x = beside(x, t)
    if not x.shape or not x.shape[-1]:
        raise ValueError(f"cross_entropy: logits are (…, classes), not {x.shape}")
    t = beside(t, x)
    if t.shape == x.shape and t.dtype.kind == "f":
        return _reduced(SoftCrossEntropy(*_operands("cross_entropy", x, t)), reduction)
    t = labels("cross_entropy", t, x.shape[-1], x)
    if t.shape != x.shape[:-1]:
        raise ValueError(f"cross_entropy: logits of shape {x.shape} need labels of shape {x.shape[:-1]} "
                         f"(or distributions of shape {x.shape}), not {t.shape}")
    return _reduced(CrossEntropy(x, t), reduction)


def cross_entropy_of_probabilities(p: Any, t: Any, reduction: str = "mean") -> Tensor:
    """L = −1/n Σᵢ Σ_c y_ic ln ŷ_ic, from probabilities ŷ (…, C). Document 001 §2.5.1 (F09). 中文：由概率计算的交叉熵。

    t: class labels (…) or distributions (…, C). From logits use `cross_entropy`, which cannot overflow.
    Raises ValueError for a probability outside [0, 1] and shapes that do not fit.
    """
    p = beside(p, t)
    t = beside(t, p)
    _check_probabilities("cross_entropy_of_probabilities", p)
    if t.shape == p.shape[:-1] and t.dtype.kind in "iu":
        t = np.arange(p.shape[-1], like=p) == labels("cross_entropy_of_probabilities", t, p.shape[-1], p)[..., None]
    return _reduced(CrossEntropyOfProbabilities(*_operands("cross_entropy_of_probabilities", p, t)), reduction)


def binary_cross_entropy(p: Any, t: Any, reduction: str = "mean") -> Tensor:
    """L = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ)), from probabilities. Document 002 §4.2 (F11). 中文：二元交叉熵。

    Nothing is clamped: a certain and wrong ŷ is an infinite loss. Raises ValueError for ŷ or y outside [0, 1] and
    for shapes that differ.
    """
    p, t = beside(p, t), beside(t, p)
    _check_probabilities("binary_cross_entropy", p)
    _check_probabilities("binary_cross_entropy", t)
    p, t = _operands("binary_cross_entropy", p, t)
    return _reduced(BinaryCrossEntropy(p, t), reduction)


def binary_cross_entropy_with_logits(x: Any, t: Any, reduction: str = "mean") -> Tensor:
    """L = 1/n Σ (ln(1 + eˣ) − x y), from logits: ŷ = σ(x). Document 002 §4.2 (F11). 中文：由分数计算的二元交叉熵。

    ∂/∂x = (σ(x) − y) / n. Raises ValueError for y outside [0, 1] and for shapes that differ.
    """
    x, t = beside(x, t), beside(t, x)
    _check_probabilities("binary_cross_entropy_with_logits", t)
    x, t = _operands("binary_cross_entropy_with_logits", x, t)
    return _reduced(BinaryCrossEntropyWithLogits(x, t), reduction)


def _check_probabilities(name: str, p: Any) -> None:
    """Looks at what the prediction was made of; on a GPU it waits, but for a target that came from the CPU."""
    values = p.array if isinstance(p, Tensor) else p
    worst = stray(values, 0, 1) if values.dtype.kind in "fiub" else None
    if worst is not None:
        raise ValueError(f"{name}: probabilities lie between 0 and 1, not {worst}; apply sigmoid or softmax first, "
                         "or use the function that takes logits")
