"""Buffers at fixed addresses, which a CUDA graph reads and writes, and the leaves whose values are in them."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from math import inf
from typing import Any

from tinygrad_zh.core.tape import Tape
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.device import demanded, on_cuda, renew, stray


class Buffer:
    """An array on the GPU that takes new values, and does not wait for anything that is being computed."""

    def __init__(self, cupy: Any, stream: Any, shape: tuple[int, ...], dtype: Any) -> None:
        import cupyx

        self.array = cupy.empty(shape, dtype)
        self.stream = stream
        self.pinned = cupyx.empty_pinned(shape, dtype)
        self.copied: Any = None  # an event: what is pinned has been read

    def fill(self, values: Any) -> None:
        """Take new values, from the CPU or from the GPU, once the step before has read the last ones."""
        if on_cuda(values):
            self.array[...] = values
        else:
            if self.copied is not None:
                self.copied.synchronize()
            self.pinned[...] = values
            self.array.set(self.pinned, self.stream)
            self.copied = self.stream.record()

    def check(self, what: str, values: Any) -> None:
        """Whether values keep the bounds that the step checks: in a replay nothing does. Labels, tokens, targets."""
        least, most = demanded(self.array)
        worst = stray(values, least, most) if (least, most) != (-inf, inf) else None
        if worst is not None:
            kind = IndexError if values.dtype.kind in "iu" else ValueError
            raise kind(f"{what} holds {worst}, but the step takes values from {least} to {most}")
        renew(self.array, values)


class Leaves(Tape):
    """A tape that keeps nothing but the leaves that a step reads or assigns to, and not even those alive."""

    def __init__(self) -> None:
        super().__init__()
        self.met: dict[int, weakref.ref[Tensor]] = {}
        self.assigned: dict[int, tuple[Tensor, Any]] = {}  # a tensor and the array that it had

    def forward(self, op: Any, inputs: Any, arrays: Any, attributes: Any, outputs: Any, before: Any) -> Any:
        for x in inputs:
            if isinstance(x, Tensor):
                self.meet(x)

    def write(self, kind: str, function: Any, arguments: Any, keywords: Any, outputs: Any, **info: Any) -> Any:
        if "tensor" in info:
            self.meet(info["tensor"])
        if kind == "assign":
            self.assigned.setdefault(id(info["tensor"]), (info["tensor"], arguments[0]))

    def meet(self, t: Tensor) -> None:
        if t.is_leaf:
            self.met[id(t)] = weakref.ref(t)

    def lasting(self, inputs: Iterable[Tensor]) -> list[Tensor]:
        """Those that outlive the step: weights, running statistics, an optimizer's state, learning rates."""
        alive = [t for t in (ref() for ref in self.met.values()) if t is not None]
        passing = {id(t.grad) for t in alive} | {id(t) for t in inputs}
        return [t for t in alive if id(t) not in passing]


class Stale(Tensor):
    """The gradient of the step before, in a step that must not add to it."""

    __slots__ = ()

    def __init__(self) -> None:
        pass

    @property
    def array(self) -> Any:
        raise RuntimeError("the step adds to the gradients of the step before, which a replay would not see; let it "
                           "begin with optimizer.zero_grad()")
