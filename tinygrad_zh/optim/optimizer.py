"""Optimizers: they hold the state, and let the update ops compute. The rules themselves are ops.update's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.state import check_state
from tinygrad_zh.core.tensor import leaf, relocate
from tinygrad_zh.ops import update as rules
from tinygrad_zh.optim.settings import fraction, not_negative

if TYPE_CHECKING:
    from tinygrad_zh.optim.flat import Groups


class Optimizer:
    """w ← update(w, ∂L/∂w). The base: parameters, learning rate, penalties. 中文：优化器。

    parameters: leaf tensors (model.parameters()). lr: the learning rate η ≥ 0, a property that schedules set.
    weight_decay: λ of the L2 penalty ½ λ Σ w², l1: of λ Σ |w|, both added to the gradient. A parameter
    without a gradient is left alone. A step computes every new value before it assigns the first.

    Raises ValueError for no parameters, one given twice or a negative setting, TypeError for what is no leaf
    with a gradient.
    """

    groups: Groups | None = None  # set by `flattened`

    def __init__(self, parameters: Iterable[Tensor], lr: float, *, weight_decay: float = 0.0,
                 l1: float = 0.0) -> None:
        self.parameters = listed(parameters)
        if not self.parameters:
            raise ValueError("an optimizer needs at least one parameter; does the model have any?")
        for i, p in enumerate(self.parameters):
            if not p.is_leaf or not p.requires_grad:
                raise TypeError(f"parameter {i}, of shape {p.shape}, is no leaf that requires a gradient")
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise ValueError("a parameter was given twice; it would be updated twice in a step")
        self.weight_decay = not_negative("weight_decay", weight_decay)
        self.l1 = not_negative("l1", l1)
        self.state = [self.begin(p) for p in self.parameters]
        for state in self.state:
            for name, t in state.items():
                t.name = name
        self._rates = {(p.device, p.dtype): leaf(np.zeros_like(p.array, shape=()), name="η") for p in self.parameters}
        self.lr = lr

    @property
    def lr(self) -> float:
        """η, the learning rate. 中文：学习率。"""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        self._lr = not_negative("lr", value)
        for rate in self._rates.values():
            rate.assign(np.array(value, rate.dtype))

    def step(self) -> None:
        """One update of every parameter that has a gradient. 中文：更新一步。"""
        if self.groups is not None and MODE.get().tape is None:
            for part, value in self.groups.updates():
                part.take(value.array)
            return
        tensors: list[Tensor] = []
        values: list[Tensor] = []
        for p, state in zip(self.parameters, self.state, strict=True):
            if p.grad is not None:
                tensors += (p, *state.values())
                values += self.updated(p, state)
        for t, value in zip(tensors, values, strict=True):
            t.assign(value)

    def updated(self, p: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """The new parameter and its new state, from its gradient; nothing is changed."""
        results = self.update(p, self._penalised(p), state, self._rates[p.device, p.dtype])
        results = results if isinstance(results, tuple) else (results,)
        for old, value in zip((p, *state.values()), results, strict=True):
            if value.shape != old.shape:
                raise ValueError(f"{type(self).__name__}.update gave shape {value.shape} for what has shape "
                                 f"{old.shape}; nothing was changed")
        return results

    def begin(self, p: Tensor) -> dict[str, Tensor]:
        """What is kept for a parameter from step to step, as it is before the first. 中文：初始状态。"""
        return {}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor) -> Any:
        """The new parameter, then the new state in `begin`'s order; a subclass defines it. 中文：更新。"""
        raise TypeError(f"{type(self).__name__} has no update; define update(self, p, g, state, lr)")

    def _penalised(self, p: Tensor) -> Any:
        g = p.grad
        if self.weight_decay:
            g = rules.L2Penalty(g, p, decay=self.weight_decay)
        if self.l1:
            g = rules.L1Penalty(g, p, decay=self.l1)
        return g

    def to(self, device: str) -> Optimizer:
        """Move the parameters, and what is kept for them, to a device; returns the optimizer. 中文：移动到设备。

        All or nothing, as Module.to.
        """
        rates = {dtype: rate for (_, dtype), rate in self._rates.items()}
        relocate([*self.parameters, *(t for state in self.state for t in state.values()), *rates.values()], device)
        self._rates = {(rate.device, dtype): rate for dtype, rate in rates.items()}
        return self

    def zero_grad(self) -> None:
        """Forget all gradients. 中文：清除梯度。"""
        for p in self.parameters:
            p.zero_grad()

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """The rate and each parameter's state as arrays, by name: "0.m" of parameter 0. 中文：优化器状态。"""
        kept = {name: t.to("cpu").numpy() for name, t in self._named_state().items()}
        return {"lr": np.array(self.lr), **kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a `state_dict`, all or nothing. 中文：载入状态。

        Raises ValueError that lists every missing, extra and misshapen name, or for a negative rate,
        TypeError that lists every array whose dtype does not fit; all is checked before one value changes.
        """
        own = self._named_state()
        check_state(f"{type(self).__name__} for these parameters", {"lr": np.array(self.lr), **own}, state)
        self.lr = float(state["lr"])
        for name, t in own.items():
            t.assign(state[name])

    def _named_state(self) -> dict[str, Tensor]:
        return {f"{i}.{name}": t for i, state in enumerate(self.state) for name, t in state.items()}


def listed(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The parameters as a list of tensors. Raises TypeError for one tensor, a model, or anything else."""
    if isinstance(parameters, Tensor) or not isinstance(parameters, Iterable):
        raise TypeError("parameters are a list of tensors such as model.parameters(), "
                        f"not a {type(parameters).__name__}")
    tensors = list(parameters)
    for i, p in enumerate(tensors):
        if not isinstance(p, Tensor):
            raise TypeError(f"parameters are a list of tensors such as model.parameters(); number {i} is a "
                            f"{type(p).__name__}")
    return tensors


def _zeros_like(p: Tensor) -> Tensor:
    return leaf(np.zeros_like(p.array))


class SGD(Optimizer):
    """w ← w − η g. Documents 000 §4.2, 002 §4.2, 004 §4.2 (F07). 中文：随机梯度下降。

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor(1.0, requires_grad=True)
    >>> optimizer = tz.optim.SGD([w], lr=0.25)
    >>> (w * w).backward(); optimizer.step(); w.item()
    0.5
    """

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor) -> Any:
        return rules.SGD(p, g, lr)


class Momentum(Optimizer):
    """m ← μ m + g; w ← w − η m. Polyak 1964. 中文：动量法。"""

    def __init__(self, parameters: Iterable[Tensor], lr: float, momentum: float = 0.9,
                 **penalties: float) -> None:
        super().__init__(parameters, lr, **penalties)
        self.momentum = fraction("momentum", momentum)

    def begin(self, p: Tensor) -> dict[str, Tensor]:
        return {"m": _zeros_like(p)}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor) -> Any:
        return rules.Momentum(p, g, state["m"], lr, mu=self.momentum)


class Nesterov(Momentum):
    """m ← μ m + g; w ← w − η (g + μ m). Nesterov 1983; Sutskever et al. 2013. 中文：Nesterov 动量法。"""

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor) -> Any:
        return rules.Nesterov(p, g, state["m"], lr, mu=self.momentum)


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g; v ← β₂ v + (1 − β₂) g²; w ← w − η m̂ / (√v̂ + ε). 中文：Adam（自适应矩估计）。

    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ), where t counts the updates of this parameter: one that had no
    gradient for a while takes up where it was. Kingma, Ba 2015 (F27).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, **penalties: float) -> None:
        super().__init__(parameters, lr, **penalties)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"betas is a pair (β₁, β₂), not {betas!r:.80}")
        self.beta1, self.beta2 = fraction("beta1", betas[0]), fraction("beta2", betas[1])
        self.eps = not_negative("eps", eps)

    def begin(self, p: Tensor) -> dict[str, Tensor]:
        return {"m": _zeros_like(p), "v": _zeros_like(p), "t": leaf(np.zeros_like(p.array, shape=(), dtype=np.float64))}

    def update(self, p: Tensor, g: Tensor, state: dict[str, Tensor], lr: Tensor) -> Any:
        t = state["t"] + 1.0
        return *self.rule(p, g, state["m"], state["v"], lr, t), t

    def rule(self, p: Tensor, g: Tensor, m: Tensor, v: Tensor, lr: Tensor, t: Tensor) -> Any:
        return rules.Adam(p, g, m, v, lr, t, beta1=self.beta1, beta2=self.beta2, eps=self.eps)


class AdamW(Adam):
    """As Adam, with decay apart from the gradient: w ← w − η (m̂ / (√v̂ + ε) + λ w). 中文：AdamW。

    Loshchilov, Hutter 2019. weight_decay is λ; it is no penalty in the gradient here.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float = 1e-3,
                 betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01,
                 l1: float = 0.0) -> None:
        super().__init__(parameters, lr, betas, eps, l1=l1)
        self.decay = not_negative("weight_decay", weight_decay)

    def rule(self, p: Tensor, g: Tensor, m: Tensor, v: Tensor, lr: Tensor, t: Tensor) -> Any:
        return rules.AdamW(p, g, m, v, lr, t, beta1=self.beta1, beta2=self.beta2, eps=self.eps,
                           decay=self.decay)
