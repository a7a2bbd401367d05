"""A backward formula as what it is: a linear function of the upstream gradients, all else held fixed.

    raw = R(dy),  R(dy + dz) = R(dy) + R(dz),  R = (∂y/∂x)ᵀ

A line of the tape holds the function and its arguments; the signature, read by the engine's own plan, says which of
them are upstream. So the numbers of R need no second table of formulas: the op's function gives them.
中文：反向公式是上游梯度的线性函数。
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_zh.core import Line, using
from tinygrad_zh.core.op import Plan, make_plan
from tinygrad_zh.device import move

Array = np.ndarray[Any, Any]


class Rule:
    """The formula of a backward line, to be run on other upstream gradients.

    upstream: the gradients that it ran on, one for each output that it asks for. outputs: which outputs those are.
    """

    def __init__(self, line: Line) -> None:
        self.function = line.function
        self.keywords = line.keywords
        self.slots: tuple[int, ...] = line.info["slots"]
        self.arguments = on_cpu(tuple(line.arguments))
        op = line.info["op"]
        plan = plan_for(op, self.slots[0], len(self.slots) if op.variadic else len(op.inputs))
        partial = next(partial for partial in plan.partials if partial.function is line.function)
        markers = [object() for _ in op.outputs]
        bound = partial.bind(markers, [None] * len(plan.saved))
        self._places = [(i, markers.index(a)) for i, a in enumerate(bound) if a in markers]
        self._many = op.many
        if self._many:
            self.upstream = [part for i, _ in self._places for part in self.arguments[i]]
            self.outputs = list(range(len(self.upstream)))
        else:
            self.upstream = [self.arguments[i] for i, _ in self._places]
            self.outputs = [output for _, output in self._places]

    def partial(self, slot: int, upstream: Sequence[Any], arguments: Sequence[Any] | None = None) -> Any:
        """∂L/∂(input slot), not yet summed over what was broadcast, for these upstream gradients."""
        arguments = list(self.arguments if arguments is None else arguments)
        for place, dy in zip(self._places, [tuple(upstream)] if self._many else upstream, strict=True):
            arguments[place[0]] = dy
        raws = self.function(*arguments, **self.keywords)
        return raws[self.slots.index(slot)] if type(raws) is tuple else raws

    def ordinary(self) -> list[Any]:
        """The arguments with ordinary numbers where they have nan or ±∞: 0 · nan is no coefficient."""
        return [_ordinary(a) for a in self.arguments]


def raw_of(line: Line, slot: int) -> Any:
    """What a backward line gave for an input."""
    return on_cpu(line.outputs[line.info["slots"].index(slot)])


def plan_for(op: Any, slot: int, count: int) -> Plan:
    """What the op keeps and computes when the one input wants a gradient."""
    need = 1 << slot
    return op.plans.get((need, count) if op.variadic else need) or make_plan(op, need, count)


@contextmanager
def apart() -> Iterator[None]:
    """Formulas run in the block as they would for a user, but on no tape, by no kernel and without a warning."""
    with using(grad=True, tape=None, kernels=None), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def on_cpu(x: Any) -> Any:
    """Arrays of a GPU copied here, also inside of tuples; everything else as it is."""
    if isinstance(x, tuple):
        return tuple([on_cpu(x_) for x_ in x])
    return move(x, "cpu") if hasattr(x, "__cuda_array_interface__") else x


def unit(shape: tuple[int, ...], index: Any, dtype: Any) -> Array:
    """Zeros, with a 1 at an index."""
    e = np.zeros(shape, dtype)
    e[index] = 1
    return e


def _ordinary(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple([_ordinary(x_) for x_ in x])
    if getattr(getattr(x, "dtype", None), "kind", "") == "f":
        return np.where(np.isfinite(x), x, np.asarray(0.7, x.dtype))
    return x
