"""Learning-rate schedules: η as a function of the number of steps (or epochs) t. Document 001 §2.4.3 (F26)."""

from __future__ import annotations

import math

from tinygrad_zh.optim.optimizer import Optimizer


class Schedule:
    """η(t). The base: remembers the initial rate η₀, counts t, and sets the optimizer's rate. 中文：学习率调度。

    `step()` goes on to t + 1, once an epoch or once a batch, as you call it; `at(t)` is the formula alone.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.initial = optimizer.lr
        self.t = 0
        optimizer.lr = self.at(0)

    def at(self, t: int) -> float:
        raise TypeError(f"{type(self).__name__} has no at(t)")

    def step(self) -> None:
        """t ← t + 1, and the optimizer's rate is η(t)."""
        self.t += 1
        self.optimizer.lr = self.at(self.t)


class LinearLR(Schedule):
    """η(t) = η₀ (s + (e − s) min(t, T) / T), from η₀ s to η₀ e in T steps. 中文：线性衰减。"""

    def __init__(self, optimizer: Optimizer, total: int, start: float = 1.0, end: float = 0.0) -> None:
        self.total, self.start, self.end = _at_least_one("total", total), start, end
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * (self.start + (self.end - self.start) * min(t, self.total) / self.total)


class ExponentialLR(Schedule):
    """η(t) = η₀ γᵗ. 中文：指数衰减。"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = _positive("gamma", gamma)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * self.gamma**t


class StepLR(Schedule):
    """η(t) = η₀ γ^⌊t / s⌋: by γ every s steps. 中文：阶梯衰减。"""

    def __init__(self, optimizer: Optimizer, size: int, gamma: float = 0.1) -> None:
        self.size, self.gamma = _at_least_one("size", size), _positive("gamma", gamma)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * self.gamma ** (t // self.size)


class CosineAnnealingLR(Schedule):
    """η(t) = η_min + ½ (η₀ − η_min) (1 + cos(π t / T)). Loshchilov, Hutter 2017. 中文：余弦退火。"""

    def __init__(self, optimizer: Optimizer, total: int, minimum: float = 0.0) -> None:
        self.total, self.minimum = _at_least_one("total", total), minimum
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.minimum + 0.5 * (self.initial - self.minimum) * (1 + math.cos(math.pi * t / self.total))


class WarmUp(Schedule):
    """η(t) = η₀ (t + 1) / T for t < T, then what `after` gives at t − T. Goyal et al. 2017. 中文：学习率预热。"""

    def __init__(self, optimizer: Optimizer, total: int, after: Schedule | None = None) -> None:
        self.total, self.after = _at_least_one("total", total), after
        if after is not None:
            optimizer.lr = after.initial
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        if t < self.total:
            return self.initial * (t + 1) / self.total
        return self.initial if self.after is None else self.after.at(t - self.total)


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise ValueError(f"{name} is a number of steps ≥ 1, not {value}")
    return value


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise ValueError(f"{name} is positive, not {value}")
    return value
