"""Module: a part of a network. Its parameters, its state and its parts are simply its attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.state import check_state
from tinygrad_zh.core.tensor import relocate


class Module:
    """y = f(x; W): a function with parameters. 中文：模块（网络的一部分）。

    A subclass sets tensors and other modules (or lists, tuples and dicts of them) as attributes, and defines
    `forward`. Tensors that require a gradient are parameters, other tensors are state (running statistics);
    names that begin with _ are neither.

    >>> import tinygrad_zh as tz
    >>> class Line(tz.nn.Module):
    ...     def __init__(self):
    ...         self.w = tz.tensor(2.0, requires_grad=True)
    ...     def forward(self, x):
    ...         return self.w * x
    >>> model = Line()
    >>> model(3.0).item(), [name for name, _ in model.named_parameters()]
    (6.0, ['w'])
    """

    training = True

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        tape = MODE.get().tape
        if tape is None:
            return self.forward(*inputs, **keywords)
        tape.write("enter", type(self).forward, list(inputs), keywords, (), module=self, depth=len(tape.modules))
        tape.modules.append(self)
        try:
            y = self.forward(*inputs, **keywords)
        finally:
            tape.modules.pop()
        tape.write("leave", type(self).forward, list(inputs), keywords, (y,), module=self)
        return y

    def forward(self, *inputs: Any, **keywords: Any) -> Any:
        raise TypeError(f"{type(self).__name__} has no forward; define forward(self, x) in the class")

    # ---- what it consists of

    def _attributes(self) -> Iterator[tuple[str, Any]]:
        for name, value in vars(self).items():
            if not name.startswith("_"):
                yield from _opened(name, value)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The parts and their names, in the order in which they were set; "layers.0" for one in a list."""
        return ((name, value) for name, value in self._attributes() if isinstance(value, Module))

    def own_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """The parameters and state that this module itself holds, without those of its parts."""
        return ((name, value) for name, value in self._attributes() if isinstance(value, Tensor))

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module ("") and everything below it, each once, by path. 中文：所有子模块。"""
        yield from self._walk(prefix, set())

    def _walk(self, prefix: str, seen: set[int]) -> Iterator[tuple[str, Module]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name, seen)

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Parameters and state by path, each tensor once. 中文：所有参数与状态。"""
        seen = set()
        for path, module in self.named_modules():
            for name, t in module.own_tensors():
                if id(t) not in seen:
                    seen.add(id(t))
                    yield (f"{path}.{name}" if path else name), t

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """The tensors that learn, by path: those that require a gradient. 中文：带名字的参数。"""
        return ((name, t) for name, t in self.named_tensors() if t.requires_grad)

    def parameters(self) -> list[Tensor]:
        """The tensors that learn. 中文：参数。"""
        return [t for _, t in self.named_parameters()]

    def zero_grad(self) -> None:
        """Forget all gradients. 中文：清除梯度。"""
        for p in self.parameters():
            p.zero_grad()

    def to(self, device: str) -> Module:
        """Move all parameters, state and gradients to "cpu", "cuda" or "cuda:1"; returns the module. 中文：移动到设备。

        The tensors stay the same objects, so an optimizer still knows them; what it keeps itself moves by
        `optimizer.to(device)`. All or nothing. Raises ValueError for a name that is no device, RuntimeError in one
        sentence where CUDA cannot be had.
        """
        relocate((t for _, t in self.named_tensors()), device)
        return self

    # ---- training or not

    def train(self, training: bool = True) -> Module:
        """Training: dropout drops, batch norm uses the batch's statistics. 中文：训练模式。"""
        for _, module in self.named_modules():
            module.training = training
        return self

    def eval(self) -> Module:
        """Inference: dropout passes through, batch norm uses the running statistics. 中文：推理模式。"""
        return self.train(False)

    # ---- saving and loading

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """All parameters and state as read-only arrays, by path: what tz.save takes. 中文：模型状态。"""
        return {name: t.to("cpu").numpy() for name, t in self.named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take the values of a `state_dict`, all or nothing. 中文：载入状态。

        strict=False ignores names that are missing or not ours. Raises ValueError that lists every missing,
        extra and misshapen name, TypeError that lists every array whose dtype does not fit; all is checked
        before one value changes.
        """
        own = dict(self.named_tensors())
        check_state("this model", own, state, strict)
        for name, t in own.items():
            if name in state:
                t.assign(state[name])

    # ---- looking at it

    def describe(self) -> str:
        """What stands in the parentheses of its repr: sizes and settings."""
        return ""

    def __repr__(self) -> str:
        head = f"{type(self).__name__}({self.describe()})"
        parts = [f"  {name}: " + repr(child).replace("\n", "\n  ") for name, child in self.named_children()]
        return "\n".join([head, *parts])

    def summary(self, input_shape: tuple[int, ...] | None = None, dtype: Any = None) -> str:
        """The tree of modules with output shapes and numbers of parameters. 中文：模型概览。

        input_shape: of one batch, such as (1, 784); without it no output shapes. dtype: of the input
        (np.int64 for tokens).
        """
        from tinygrad_zh.nn.summary import summary

        return summary(self, input_shape, dtype)


class Sequential(Module):
    """y = f_L(… f₂(f₁(x))), layer after layer. Document 003 §4.2 (F21). 中文：顺序容器。"""

    def __init__(self, *layers: Module) -> None:
        self.layers = [_layer(i, layer) for i, layer in enumerate(layers)]

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The layers by their number alone: "0", not "layers.0"."""
        return ((name.removeprefix("layers."), part) for name, part in super().named_children())

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int | slice) -> Module:
        """A layer; of a slice, a Sequential that shares the layers."""
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]


def _layer(i: int, layer: Any) -> Module:
    if not isinstance(layer, Module):
        fix = f" (write nn.{layer.__name__}() with parentheses)" if isinstance(layer, type) else ""
        raise TypeError(f"Sequential is made of modules; layer {i} is a {type(layer).__name__}{fix}")
    return layer


def _opened(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """A value by name; lists, tuples and dicts are opened up: "layers.0", "layers.1"."""
    if not isinstance(value, (list, tuple, dict)):
        yield name, value
        return
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _opened(f"{name}.{key}", part)
