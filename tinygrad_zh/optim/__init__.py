"""Optimizers, learning-rate schedules and gradient clipping."""

from tinygrad_zh.optim.clipping import clip_grad_norm, clip_grad_value
from tinygrad_zh.optim.flat import flattened
from tinygrad_zh.optim.optimizer import SGD, Adam, AdamW, Momentum, Nesterov, Optimizer
from tinygrad_zh.optim.schedule import CosineAnnealingLR, ExponentialLR, LinearLR, Schedule, StepLR, WarmUp

__all__ = ["SGD", "Adam", "AdamW", "CosineAnnealingLR", "ExponentialLR", "LinearLR", "Momentum", "Nesterov",
           "Optimizer", "Schedule", "StepLR", "WarmUp", "clip_grad_norm", "clip_grad_value", "flattened"]
