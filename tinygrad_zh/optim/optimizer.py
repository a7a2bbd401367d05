"""Optimizers: they hold the state, and let the update ops compute. The rules themselves are in ops/update.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.ops import update as rules


class Optimizer:
    """w ← update(w, ∂L/∂w). The base: parameters, learning rate, step count, penalties. 中文：优化器。

    parameters: leaf tensors (model.parameters()). lr: the learning rate η > 0, a property that schedules set.
    weight_decay: λ of the L2 penalty ½ λ Σ w², l1: of λ Σ |w|, both added to the gradient. A parameter without a
    gradient is left alone. A step computes every new value before it assigns the first.

    Raises ValueError for no parameters or a negative setting, TypeError for what is no leaf with a gradient.
    """

    slots: tuple[str, ...] = ()  # what is kept for each parameter, beginning at 0

    def __init__(self, parameters: Iterable[Tensor], lr: float, *, weight_decay: float = 0.0, l1: float = 0.0) -> None:
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter; does the model have any?")
        for i, p in enumerate(self.parameters):
            if not isinstance(p, Tensor) or not p.is_leaf or not p.requires_grad:
                raise TypeError(f"parameter {i} is no leaf tensor that requires a gradient: {p!r:.80}")
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter was given twice; it would be updated twice in a step")
        self.weight_decay = _not_negative("weight_decay", weight_decay)
        self.l1 = _not_negative("l1", l1)
        self.t = leaf(np.array(0.0))
        self.state = [{name: leaf(np.zeros_like(p.array)) for name in self.slots} for p in self.parameters]
        self._rates = {p.dtype: leaf(np.array(lr, p.dtype)) for p in self.parameters}
        self.lr = lr

    @property
    def lr(self) -> float:
        """η, the learning rate. 中文：学习率。"""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = float(_not_negative("lr", value))
        for dtype, rate in self._rates.items():
            rate.assign(np.array(value, dtype))

    def step(self) -> None:
        """One update of every parameter that has a gradient. 中文：更新一步。"""
        t = self.t.array + 1.0
        step = leaf(np.array(t))
        new = []
        for p, state in zip(self.parameters, self.state, strict=True):
            if p.grad is not None:
                results = self.update(p, self._penalised(p), state, self._rates[p.dtype], step)
                new.append((p, state, results if isinstance(results, tuple) else (results,)))
        self.t.assign(step)
        for p, state, (w, *kept) in new:
            p.assign(w)
            for name, value in zip(self.slots, kept, strict=True):
                state[name].assign(value)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        """The new parameter and the new state, by an update op. A subclass defines it."""
        raise TypeError(f"{type(self).__name__} has no update(p, g, state, lr, t)")

    def _penalised(self, p: Tensor) -> Any:
        g = p.grad
        if self.weight_decay:
            g = rules.L2Penalty(g, p, decay=self.weight_decay)
        if self.l1:
            g = rules.L1Penalty(g, p, decay=self.l1)
        return g

    def zero_grad(self) -> None:
        """Forget all gradients. 中文：清除梯度。"""
        for p in self.parameters:
            p.zero_grad()

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Step count, learning rate and per-parameter state as arrays, by name. 中文：优化器状态。"""
        kept = {f"{i}.{name}": t.to("cpu").numpy() for i, state in enumerate(self.state) for name, t in state.items()}
        return {"t": self.t.numpy(), "lr": np.array(self.lr), **kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a `state_dict`, all or nothing. Raises ValueError, naming every name that does not fit. 中文：载入状态。"""
        own = self.state_dict()
        wrong = sorted(own.keys() ^ state.keys())
        wrong += [name for name in own if name in state and np.shape(state[name]) != own[name].shape]
        if wrong:
            raise ValueError(f"this state is not one of {type(self).__name__} for these parameters, nothing was loaded: "
                             f"{', '.join(wrong)}")
        self.t.assign(state["t"])
        self.lr = float(state["lr"])
        for i, slots in enumerate(self.state):
            for name, t in slots.items():
                t.assign(state[f"{i}.{name}"])


def _not_negative(name: str, value: float) -> float:
    if not value >= 0 or value == float("inf"):
        raise ValueError(f"{name} is a finite number ≥ 0, not {value}")
    return value


def _fraction(name: str, value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{name} lies in [0, 1), not {value}")
    return value


class SGD(Optimizer):
    """w ← w − η g. Documents 000 §4.2, 002 §4.2, 004 §4.2 (F07). 中文：随机梯度下降。

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor(1.0, requires_grad=True)
    >>> optimizer = tz.optim.SGD([w], lr=0.25)
    >>> (w * w).backward(); optimizer.step(); w.item()
    0.5
    """

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        return rules.SGD(p, g, lr)


class Momentum(Optimizer):
    """m ← μ m + g; w ← w − η m. Polyak 1964. 中文：动量法。"""

    slots = ("m",)

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9, **penalties: float) -> None:
        super().__init__(parameters, lr, **penalties)
        self.momentum = _fraction("momentum", momentum)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        return rules.Momentum(p, g, state["m"], lr, mu=self.momentum)


class Nesterov(Momentum):
    """m ← μ m + g; w ← w − η (g + μ m). Nesterov 1983; Sutskever et al. 2013. 中文：Nesterov 动量法。"""

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        return rules.Nesterov(p, g, state["m"], lr, mu=self.momentum)


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − η m̂ / (√v̂ + ε). Kingma, Ba 2015 (F27). 中文：Adam。"""

    slots = ("m", "v")

    def __init__(self, parameters: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, **penalties: float) -> None:
        super().__init__(parameters, lr, **penalties)
        self.beta1, self.beta2 = _fraction("beta1", betas[0]), _fraction("beta2", betas[1])
        self.eps = _not_negative("eps", eps)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        return rules.Adam(p, g, state["m"], state["v"], lr, t, beta1=self.beta1, beta2=self.beta2, eps=self.eps)


class AdamW(Adam):
    """As Adam, with decay apart from the gradient: w ← w − η (m̂ / (√v̂ + ε) + λ w). 中文：AdamW。

    Loshchilov, Hutter 2019. weight_decay is λ; it is no penalty in the gradient here.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.01, l1: float = 0.0) -> None:
        super().__init__(parameters, lr, betas, eps, l1=l1)
        self.decay = _not_negative("weight_decay", weight_decay)

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor, t: Tensor) -> Any:
        return rules.AdamW(p, g, state["m"], state["v"], lr, t, beta1=self.beta1, beta2=self.beta2, eps=self.eps,
                           decay=self.decay)
