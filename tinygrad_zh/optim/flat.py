"""Flat buffers: all parameters of a dtype side by side in one array, and so what an optimizer keeps for them.

    w   [ W₁ … | b₁ … | W₂ … | b₂ … ]      one array, of which each parameter is a part
    g   [ ∂L/∂W₁ … | … ]                   one copy of the gradients, made in each step
    m   [ … ]                              and v, as w

An update is element by element, so it may as well be done for all parameters at once: one kernel instead of one for
each, which counts where many parameters are small, and on a GPU, where a launch costs more than a small update.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeVar

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import freeze
from tinygrad_zh.optim.optimizer import Optimizer
from tinygrad_zh_kernels import buffers

O = TypeVar("O", bound=Optimizer)  # noqa: E741


def flattened(optimizer: O) -> O:
    """The same optimizer, whose steps update all parameters at once, in flat buffers. 中文：扁平缓冲区。

    Results are the same to the bit; names and files of its state are the same. Parameters that have been updated
    equally often share a buffer, one for each dtype and device; one without a gradient is left alone. What is
    assigned to a parameter, or loaded, goes into its buffer with the next step. While a tape records, parameters are
    updated one by one, as one reads it.

    Raises ValueError for an optimizer that keeps something that is neither of its parameter's shape nor one number:
    its update is not element by element.

    >>> import tinygrad_zh as tz
    >>> w, b = tz.tensor([1.0, 2.0], requires_grad=True), tz.tensor(3.0, requires_grad=True)
    >>> optimizer = tz.optim.flattened(tz.optim.SGD([w, b], lr=0.5))
    >>> (w.sum() + b).backward(); optimizer.step(); w, b
    (tensor([0.5, 1.5], requires_grad=True), tensor(2.5, requires_grad=True))
    """
    for i, (p, state) in enumerate(zip(optimizer.parameters, optimizer.state, strict=True)):
        for name, t in state.items():
            if t.shape not in (p.shape, ()):
                raise ValueError(f"{type(optimizer).__name__} keeps {name} of shape {t.shape} for parameter {i} of "
                                 f"shape {p.shape}; an update in a flat buffer is element by element")
    optimizer.groups = Groups(optimizer)
    return optimizer


class Groups:
    """The parameters that have a gradient, in groups that are updated together."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.active: list[int] = []
        self.groups: list[Group] = []

    def updates(self) -> list[tuple[Part, Any]]:
        """(buffer, its new values) of all groups; nothing is changed yet."""
        active = [i for i, p in enumerate(self.optimizer.parameters) if p.grad is not None]
        if active != self.active or not all([group.intact() for group in self.groups]):
            self.active, self.groups = active, self._grouped(active)
        return [pair for group in self.groups for pair in group.updates(self.optimizer)]

    def _grouped(self, active: Sequence[int]) -> list[Group]:
        """By device, dtype, and the numbers that are kept for a parameter as a whole: Adam's t."""
        members: dict[Any, list[int]] = {}
        for i in active:
            p, state = self.optimizer.parameters[i], self.optimizer.state[i]
            numbers = tuple((name, t.item()) for name, t in state.items() if t.shape == () != p.shape)
            members.setdefault((p.device, p.dtype, p.shape == (), numbers), []).append(i)
        return [Group([self.optimizer.parameters[i] for i in each], [self.optimizer.state[i] for i in each])
                for each in members.values()]


class Group:
    """Parameters with one dtype and device, and what is kept for them."""

    def __init__(self, parameters: Sequence[Tensor], states: Sequence[dict[str, Tensor]]) -> None:
        self.parameters = parameters
        self.w = Buffer(parameters)
        self.state: dict[str, Part] = {}
        for name, t in states[0].items():
            kind = Number if t.shape == () != parameters[0].shape else Buffer
            self.state[name] = kind([state[name] for state in states])

    def intact(self) -> bool:
        """Whether every tensor still is the part that it was given: nobody has assigned another value."""
        return self.w.intact() and all([part.intact() for part in self.state.values()])

    def updates(self, optimizer: Optimizer) -> list[tuple[Part, Any]]:
        """(buffer, its new values), w's first."""
        w = leaf(self.w.array, requires_grad=True)
        w.grad = Tensor(joined([p.grad for p in self.parameters]))
        state = {name: Tensor(part.array) for name, part in self.state.items()}
        return list(zip((self.w, *self.state.values()), optimizer.updated(w, state), strict=True))


class Part:
    """Tensors that look at one array. `take` gives them another one."""

    array: Any
    parts: list[Any]

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors

    def intact(self) -> bool:
        """Whether each tensor looks at its part."""
        return all([t.array is part for t, part in zip(self.tensors, self.parts, strict=True)])

    def take(self, array: Any) -> None:
        """New values for all."""
        self.array = array
        self.parts = self.cut(array)
        for t, part in zip(self.tensors, self.parts, strict=True):
            t.assign(part)

    def cut(self, array: Any) -> list[Any]:
        """What each tensor looks at."""
        raise NotImplementedError


class Buffer(Part):
    """Each tensor is a stretch of the array."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__(tensors)
        ends = accumulate((t.size for t in tensors), initial=0)
        self.places = [(slice(*stretch), t.shape) for stretch, t in zip(pairwise(ends), tensors, strict=True)]
        self.take(joined(tensors))

    def cut(self, array: Any) -> list[Any]:
        return [array[place].reshape(shape) for place, shape in self.places]


class Number(Part):
    """One number, the same for all."""

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        super().__init__(tensors)
        self.take(tensors[0].array)

    def cut(self, array: Any) -> list[Any]:
        return [array] * len(self.tensors)


def joined(tensors: Sequence[Any]) -> Any:
    """The numbers of tensors of one dtype, one after the other."""
    arrays = [t.array.reshape(-1) for t in tensors]
    size = sum([a.size for a in arrays])
    out = buffers.empty((size,), arrays[0].dtype) if type(arrays[0]) is np.ndarray else None
    return freeze(np.concatenate(arrays, out=out))
