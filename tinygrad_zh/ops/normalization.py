"""Normalisation. The mean and the scale are kept for backward, the normalised values are not."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor


class LayerNorm(Op):
    """y = γ (x − μ) / √(σ² + ε) + β
    ∂L/∂x = (g − mean g − x̂ mean(g x̂)) / √(σ² + ε), g = ∂L/∂y γ, x̂ = (x − μ) / √(σ² + ε)
    ∂L/∂γ = ∂L/∂y x̂
    ∂L/∂β = ∂L/∂y
    中文：层归一化

    μ and σ² over the last axis. Source: Ba, Kiros, Hinton 2016.
    """

    aux = ("mean", "rstd")

    def forward(x, gamma, beta, *, eps=1e-5):
        mean = x.mean(axis=-1, keepdims=True)
        rstd = (((x - mean) ** 2).mean(axis=-1, keepdims=True) + eps) ** -0.5
        x_hat = (x - mean) * rstd
        return gamma * x_hat + beta, mean, rstd

    def backward(dy, x, gamma, mean, rstd):
        x_hat = (x - mean) * rstd
        g = dy * gamma
        dx = rstd * (g - g.mean(axis=-1, keepdims=True) - x_hat * (g * x_hat).mean(axis=-1, keepdims=True))
        return dx, dy * x_hat, dy


class RMSNorm(Op):
    """y = γ x / √(mean x² + ε)
    ∂L/∂x = (g − x̂ mean(g x̂)) / √(mean x² + ε), g = ∂L/∂y γ, x̂ = x / √(mean x² + ε)
    ∂L/∂γ = ∂L/∂y x̂
    中文：均方根归一化

    The mean over the last axis. Source: Zhang, Sennrich 2019.
    """

    aux = ("rstd",)

    def forward(x, gamma, *, eps=1e-5):
        rstd = ((x * x).mean(axis=-1, keepdims=True) + eps) ** -0.5
        x_hat = x * rstd
        return gamma * x_hat, rstd

    def backward(dy, x, gamma, rstd):
        x_hat = x * rstd
        g = dy * gamma
        return rstd * (g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)), dy * x_hat


class BatchNorm(Op):
    """y = γ (x − μ) / √(σ² + ε) + β, μ and σ² over the batch
    ∂L/∂x = (g − mean g − x̂ mean(g x̂)) / √(σ² + ε), g = ∂L/∂y γ, x̂ = (x − μ) / √(σ² + ε)
    ∂L/∂γ = ∂L/∂y x̂
    ∂L/∂β = ∂L/∂y
    中文：批归一化

    The new running statistics are outputs, constants that the layer assigns: r ← r + m (statistic − r), the
    variance with `unbias` = n / (n − 1). Source: Ioffe, Szegedy 2015.
    """

    outputs = ("y", "new_mean", "new_var")
    aux = ("mean", "rstd")

    def forward(x, gamma, beta, old_mean, old_var, *, axis, unbias, momentum=0.1, eps=1e-5):
        mean = x.mean(axis=axis, keepdims=True)
        var = ((x - mean) ** 2).mean(axis=axis, keepdims=True)
        rstd = (var + eps) ** -0.5
        new_mean = old_mean + momentum * (mean - old_mean)
        new_var = old_var + momentum * (unbias * var - old_var)
        x_hat = (x - mean) * rstd
        return gamma * x_hat + beta, new_mean, new_var, mean, rstd

    def backward(dy, x, gamma, mean, rstd, *, axis):
        x_hat = (x - mean) * rstd
        g = dy * gamma
        dx = rstd * (g - g.mean(axis=axis, keepdims=True) - x_hat * (g * x_hat).mean(axis=axis, keepdims=True))
        return dx, dy * x_hat, dy, np.zeros_like(mean), np.zeros_like(mean)


class BatchNormInference(Op):
    """y = γ (x − μ) / √(σ² + ε) + β, μ and σ² the running statistics
    ∂L/∂x = ∂L/∂y γ / √(σ² + ε)
    ∂L/∂γ = ∂L/∂y (x − μ) / √(σ² + ε)
    ∂L/∂β = ∂L/∂y
    ∂L/∂μ = −∂L/∂y γ / √(σ² + ε)
    ∂L/∂σ² = −½ ∂L/∂y γ (x − μ) / √(σ² + ε)³
    中文：批归一化（推理）
    """

    def forward(x, gamma, beta, mean, var, *, eps=1e-5):
        return gamma * ((x - mean) * (var + eps) ** -0.5) + beta

    def backward_x(dy, gamma, var, *, eps):
        return dy * gamma * (var + eps) ** -0.5

    def backward_gamma(dy, x, mean, var, *, eps):
        return dy * ((x - mean) * (var + eps) ** -0.5)

    def backward_beta(dy):
        return dy

    def backward_mean(dy, gamma, var, *, eps):
        return -dy * gamma * (var + eps) ** -0.5

    def backward_var(dy, x, gamma, mean, var, *, eps):
        return -0.5 * dy * gamma * (x - mean) * (var + eps) ** -1.5


# ---- what users call


def layer_norm(x: Any, gamma: Any = 1.0, beta: Any = 0.0, eps: float = 1e-5) -> Tensor:
    """y = γ (x − μ) / √(σ² + ε) + β, over the last axis. Ba, Kiros, Hinton 2016. 中文：层归一化。

    x (…, d), γ and β (d,) or numbers. Raises ValueError where x has no last axis or an empty one.
    """
    _check_last_axis("layer_norm", x, gamma, beta)
    return LayerNorm(x, gamma, beta, eps=eps)


def rms_norm(x: Any, gamma: Any = 1.0, eps: float = 1e-5) -> Tensor:
    """y = γ x / √(mean x² + ε), over the last axis. Zhang, Sennrich 2019. 中文：均方根归一化。"""
    _check_last_axis("rms_norm", x, gamma)
    return RMSNorm(x, gamma, eps=eps)


def _check_last_axis(name: str, x: Any, *parameters: Any) -> None:
    shape = x.shape
    if not shape or not shape[-1]:
        raise ValueError(f"{name} normalises the last axis, which shape {shape} does not have")
    for p in parameters:
        if getattr(p, "shape", ()) not in ((), shape[-1:]):
            raise ValueError(f"{name}: the scale and shift have shape {shape[-1:]} for x of shape {shape}, "
                             f"not {p.shape}")


def batch_norm(x: Any, running_mean: Any, running_var: Any, gamma: Any, beta: Any, training: bool = False,
               momentum: float = 0.1, eps: float = 1e-5) -> tuple[Tensor, Any, Any]:
    """y = γ (x − μ) / √(σ² + ε) + β over every axis but the second. Ioffe, Szegedy 2015. 中文：批归一化。

    x (n, C) or (n, C, …); γ, β and the running statistics (C,). Returns y and the new running mean and variance,
    which nothing is assigned to here; without training they are the old ones, and they are what x is normalised
    with. Raises ValueError in training where a channel has only one value: it has no variance.
    """
    if len(x.shape) < 2:
        raise ValueError(f"batch_norm takes (n, channels) or (n, channels, …), not {x.shape}")
    channels = x.shape[1]
    for name, p in (("running_mean", running_mean), ("running_var", running_var), ("gamma", gamma), ("beta", beta)):
        if p.shape != (channels,):
            raise ValueError(f"batch_norm: {name} has shape {p.shape}, for x of shape {x.shape} it is ({channels},)")
    wide = (channels,) + (1,) * (len(x.shape) - 2)
    gamma, beta, mean, var = (p.reshape(wide) for p in (gamma, beta, running_mean, running_var))
    if not training:
        return BatchNormInference(x, gamma, beta, mean, var, eps=eps), running_mean, running_var
    axis = (0, *range(2, len(x.shape)))
    n = x.size // channels if channels else 0
    if n < 2:
        raise ValueError(f"batch_norm in training needs at least 2 values a channel, shape {x.shape} has {n}; "
                         "use a larger batch, or eval()")
    y, mean, var = BatchNorm(x, gamma, beta, mean, var, axis=axis, unbias=n / (n - 1), momentum=momentum, eps=eps)
    return y, mean.reshape((channels,)), var.reshape((channels,))
