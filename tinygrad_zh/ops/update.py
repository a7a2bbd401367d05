"""Updates: how an optimizer changes a parameter. Pure functions without a backward; `assign` writes the result.

w the parameter, g its gradient, η the learning rate (lr) and t the step, which are data and not keywords: a program
that replays the step must see them change.
"""

from __future__ import annotations

import numpy as np

from tinygrad_zh.core.op import Op


class SGD(Op):
    """w ← w − η g
    中文：随机梯度下降

    Documents 000 §4.2, 002 §4.2, 004 §4.2 (F07, F27).
    """

    outputs = ("w",)

    def forward(w0, g, lr):
        return w0 - lr * g


class Momentum(Op):
    """m ← μ m + g; w ← w − η m
    中文：动量法

    Source: Polyak 1964.
    """

    outputs = ("w", "m")

    def forward(w0, g, m0, lr, *, mu=0.9):
        m = mu * m0 + g
        return w0 - lr * m, m


class Nesterov(Op):
    """m ← μ m + g; w ← w − η (g + μ m)
    中文：Nesterov 动量法

    The look-ahead rewritten for the parameter that is kept. Source: Nesterov 1983; Sutskever et al. 2013.
    """

    outputs = ("w", "m")

    def forward(w0, g, m0, lr, *, mu=0.9):
        m = mu * m0 + g
        return w0 - lr * (g + mu * m), m


class Adam(Op):
    """m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − η m̂ / (√v̂ + ε), m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ)
    中文：自适应矩估计

    Source: Kingma, Ba 2015, algorithm 1 (F27).
    """

    outputs = ("w", "m", "v")

    def forward(w0, g, m0, v0, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8):
        m = beta1 * m0 + (1 - beta1) * g
        v = beta2 * v0 + (1 - beta2) * (g * g)
        m_hat = m / (1 - beta1**t).astype(m.dtype)
        v_hat = v / (1 - beta2**t).astype(v.dtype)
        return w0 - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


class AdamW(Op):
    """m, v as Adam; w ← w − η (m̂ / (√v̂ + ε) + λ w)
    中文：解耦权重衰减的 Adam

    Source: Loshchilov, Hutter 2019, algorithm 2.
    """

    outputs = ("w", "m", "v")

    def forward(w0, g, m0, v0, lr, t, *, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.01):
        m = beta1 * m0 + (1 - beta1) * g
        v = beta2 * v0 + (1 - beta2) * (g * g)
        m_hat = m / (1 - beta1**t).astype(m.dtype)
        v_hat = v / (1 - beta2**t).astype(v.dtype)
        return w0 - lr * (m_hat / (np.sqrt(v_hat) + eps) + decay * w0), m, v


class L2Penalty(Op):
    """g ← g + λ w, the gradient of ½ λ Σ w²
    中文：L2 正则（权重衰减）
    """

    outputs = ("g",)

    def forward(g0, w, *, decay):
        return g0 + decay * w


class L1Penalty(Op):
    """g ← g + λ sign w, the gradient of λ Σ |w|
    中文：L1 正则
    """

    outputs = ("g",)

    def forward(g0, w, *, decay):
        return g0 + decay * np.sign(w)


class ClipNorm(Op):
    """g ← g · c / max(‖g‖, c), ‖g‖ over all the parameters
    中文：梯度范数裁剪

    Source: Pascanu, Mikolov, Bengio 2013.
    """

    outputs = ("g",)

    def forward(g0, norm, *, limit):
        return g0 * (limit / np.maximum(norm, limit)).astype(g0.dtype)


class ClipValue(Op):
    """g ← min(max(g, −c), c)
    中文：梯度值裁剪
    """

    outputs = ("g",)

    def forward(g0, *, limit):
        return np.clip(g0, -limit, limit)
