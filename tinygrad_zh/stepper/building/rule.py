"""A backward formula as what it is: a linear function of the upstream gradients, all else held fixed.

    raw = R(dy),  R(dy + dz) = R(dy) + R(dz),  R = (∂y/∂x)ᵀ

A line of the tape holds the function and its arguments; the signature, read by the engine's own plan, says which of
them are upstream. So the numbers of R need no second table of formulas: the op's function gives them.
中文：反向公式是上游梯度的线性函数。
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
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
    size: of all of them together, as one vector.
    """

    def __init__(self, line: Line) -> None:
        self.function = line.function
        self.keywords = line.keywords
        self.slots: tuple[int, ...] = line.info["slots"]
        self.arguments: Sequence[Any] = on_cpu(tuple(line.arguments))
        op = line.info["op"]
        plan = plan_for(op, self.slots[0], len(self.slots) if op.variadic else len(op.inputs))
        partial = next(partial for partial in plan.partials if partial.function is line.function)
        markers = [object() for _ in op.outputs]
        bound = partial.bind(markers, [None] * len(plan.saved))
        self._joint = partial.joint
        self._many = op.many
        self._places = [i for i, a in enumerate(bound) if a in markers]
        given = [self.arguments[i] for i in self._places]
        self.upstream: Sequence[Array] = given[0] if op.many else given
        self.outputs = range(len(self.upstream)) if op.many else [markers.index(bound[i]) for i in self._places]
        self.size = sum(dy.size for dy in self.upstream)

    def partial(self, slot: int, upstream: Sequence[Any], arguments: Sequence[Any]) -> Any:
        """∂L/∂(input slot), not yet summed over what was broadcast, for these upstream gradients."""
        arguments = list(arguments)
        for place, dy in zip(self._places, [tuple(upstream)] if self._many else upstream, strict=True):
            arguments[place] = dy
        raws = self.function(*arguments, **self.keywords)
        return raws[self.slots.index(slot)] if self._joint else raws

    def rows(self, slot: int, arguments: Sequence[Any]) -> Iterator[Any]:
        """∂(output element j)/∂(input slot) for every j: the partial for each unit upstream gradient."""
        units = [np.zeros(dy.shape, dy.dtype) for dy in self.upstream]
        for numbers in [dy.reshape(-1) for dy in units]:
            for j in range(numbers.size):
                numbers[j] = 1
                yield self.partial(slot, units, arguments)
                numbers[j] = 0

    def place(self, j: int) -> tuple[int, tuple[int, ...]]:
        """The j-th upstream number of all: which gradient it is in, and where."""
        for k, dy in enumerate(self.upstream):
            if j < dy.size:
                return k, tuple(map(int, np.unravel_index(j, dy.shape)))
            j -= dy.size
        raise IndexError(f"there are {self.size} upstream numbers")

    def coefficients(self, find: Callable[[Sequence[Any]], Array]) -> Array:
        """What `find` reads off the arguments. Since 0 · nan is nan, a result that is not finite may yet not depend on
        those of the arguments' numbers that are not: then it is the same for any numbers in their place.
        """
        found = find(self.arguments)
        if np.isfinite(found).all():
            return found
        one, other = (find([_finite(a, stand_in) for a in self.arguments]) for stand_in in (0.7, 0.6))
        return np.where(np.isfinite(found) | (one != other), found, one)


def upstream_of(line: Line) -> list[Any]:
    """The upstream gradient of each output, None for one that this backward does not ask for."""
    rule, op = Rule(line), line.info["op"]
    found = dict(zip(rule.outputs, rule.upstream, strict=True))
    return [found.get(k) for k in range(len(rule.upstream) if op.many else len(op.outputs))]


def flat(arrays: Iterable[Any]) -> Array:
    """The numbers of several arrays, one after the other, in float64."""
    return np.concatenate([np.ravel(a).astype(np.float64) for a in arrays])


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


def is_floating(x: Any) -> bool:
    """Whether x is an array of floating numbers."""
    return hasattr(x, "dtype") and x.dtype.kind == "f"


def on_cpu(x: Any) -> Any:
    """Arrays of a GPU copied here, also inside of tuples; everything else as it is."""
    if isinstance(x, tuple):
        return tuple([on_cpu(x_) for x_ in x])
    return move(x, "cpu") if hasattr(x, "__cuda_array_interface__") else x


def _finite(x: Any, stand_in: float) -> Any:
    if isinstance(x, tuple):
        return tuple([_finite(x_, stand_in) for x_ in x])
    if is_floating(x):
        return np.where(np.isfinite(x), x, np.asarray(stand_in, x.dtype))
    return x
