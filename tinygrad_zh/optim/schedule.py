"""Learning-rate schedules: η as a function of the steps (or epochs) t. Document 001 §2.4.3 (F26)."""

from __future__ import annotations

import math
from typing import Any

from tinygrad_zh.optim.optimizer import Optimizer
from tinygrad_zh.optim.settings import not_negative, positive, steps


class Schedule:
    """η(t). The base: remembers the initial rate η₀, counts t, sets the optimizer's rate. 中文：学习率调度。

    `step()` goes on to t + 1, once an epoch or once a batch, as you call it; `at(t)` is the formula alone.
    """

    def __init__(self, optimizer: Any) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"a schedule sets the rate of an optimizer, not of a {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.initial = optimizer.lr
        self.t = 0
        optimizer.lr = self.at(0)

    def at(self, t: int) -> float:
        raise TypeError(f"{type(self).__name__} has no at; define at(self, t) in the class")

    def step(self) -> None:
        """t ← t + 1, and the optimizer's rate is η(t)."""
        self.optimizer.lr = self.at(self.t + 1)
        self.t += 1


class LinearLR(Schedule):
    """η(t) = η₀ (s + (e − s) min(t, T) / T), from η₀ s to η₀ e in T steps. 中文：线性衰减。"""

    def __init__(self, optimizer: Optimizer, total: int, start: float = 1.0, end: float = 0.0) -> None:
        self.total = steps("total", total)
        self.start, self.end = not_negative("start", start), not_negative("end", end)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * (self.start + (self.end - self.start) * min(t, self.total) / self.total)


class ExponentialLR(Schedule):
    """η(t) = η₀ γᵗ. 中文：指数衰减。"""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = positive("gamma", gamma)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * self.gamma**t


class StepLR(Schedule):
    """η(t) = η₀ γ^⌊t / s⌋: by γ every s steps. 中文：阶梯衰减。"""

    def __init__(self, optimizer: Optimizer, size: int, gamma: float = 0.1) -> None:
        self.size, self.gamma = steps("size", size), positive("gamma", gamma)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.initial * self.gamma ** (t // self.size)


class CosineAnnealingLR(Schedule):
    """η(t) = η_min + ½ (η₀ − η_min) (1 + cos(π t / T)). Loshchilov, Hutter 2017. 中文：余弦退火。"""

    def __init__(self, optimizer: Optimizer, total: int, minimum: float = 0.0) -> None:
        self.total, self.minimum = steps("total", total), not_negative("minimum", minimum)
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        return self.minimum + 0.5 * (self.initial - self.minimum) * (1 + math.cos(math.pi * t / self.total))


class WarmUp(Schedule):
    """η(t) = η₀ (t + 1) / T for t < T, then what `after` gives at t − T. 中文：学习率预热。

    Goyal et al. 2017.

    >>> import tinygrad_zh as tz
    >>> optimizer = tz.optim.SGD([tz.tensor(1.0, requires_grad=True)], lr=1.0)
    >>> schedule = tz.optim.WarmUp(optimizer, 2, tz.optim.ExponentialLR(optimizer, 0.5))
    >>> [schedule.at(t) for t in range(5)]
    [0.5, 1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, optimizer: Optimizer, total: int, after: Any = None) -> None:
        if after is not None and not isinstance(after, Schedule):
            raise TypeError(f"after is a schedule or None, not a {type(after).__name__}")
        self.total, self.after = steps("total", total), after
        if after is not None:
            optimizer.lr = after.initial
        super().__init__(optimizer)

    def at(self, t: int) -> float:
        if t < self.total:
            return self.initial * (t + 1) / self.total
        return self.initial if self.after is None else self.after.at(t - self.total)
