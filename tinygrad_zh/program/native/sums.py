"""Large sums over rows in two steps: of parts of the rows, which threads share, then of those. 分段求和

    s[j] = Σ_i x[i, j], i < 1000        t[k, j] = Σ_i x[20 k + i, j], k < 50        s[j] = Σ_k t[k, j]

There are as many parts however many threads there are: so the sums are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from tinygrad_zh.program.lowering import Reduction
from tinygrad_zh.program.lowering.expressions import seen, to_shape, whole
from tinygrad_zh.program.native.fusing import Nest, grouped

MANY = 1 << 18
"""Numbers from which on threads share a loop. What is less stays in the second cache of one core, and the way to
another core's takes as long as the loop."""

PARTS, ROWS = 64, 16
"""At most so many parts, and at least so many rows in each: what they are summed to is read and written too."""


def in_parts(groups: Iterable[Any]) -> Iterator[Any]:
    """The same nests and products, of which large nests that sum over their rows are two or more."""
    for group in groups:
        halves = _halves(group) if isinstance(group, Nest) and group.total >= MANY else None
        yield from [group] if halves is None else [nest for half in halves for nest in grouped(half)]


def _halves(nest: Nest) -> tuple[list[Any], list[Any]] | None:
    """The steps over all rows, and those that come after them. None if there are none, or no such parts of the rows."""
    first, then = [], []
    for member in nest.members:
        step = member.step
        if member.after:
            then.append(step)
        elif not isinstance(step, Reduction) or _first_axis(step) not in step.axes:
            first.append(step)
        elif parts := _parts(step):
            first.append(parts)
            then.append(_sum(step, parts))
        else:
            return None
    return (first, then) if then else None


def _first_axis(step: Reduction) -> int:
    return next((i for i, n in enumerate(step.value.shape) if n > 1), 0)


def _parts(step: Reduction) -> Reduction | None:
    """The sums of so many parts of the first axis, if that is a whole number of parts."""
    space, axis = step.value.shape, _first_axis(step)
    rows = space[axis]
    count = next((n for n in range(min(PARTS, rows // ROWS), 1, -1) if rows % n == 0), None)
    if count is None:
        return None
    space = (*space[:axis], count, rows // count, *space[axis + 1 :])
    axes = tuple(i + (i >= axis) for i in step.axes)
    shape = tuple(1 if i in axes else n for i, n in enumerate(space))
    return Reduction(f"_{step.name}_parts", shape, step.dtype, seen(step.value, to_shape(space)), step.kind, axes)


def _sum(step: Reduction, parts: Reduction) -> Reduction:
    """The sum of the parts' sums."""
    axis = _first_axis(step)
    space = (*step.shape[:axis], parts.shape[axis], *step.shape[axis + 1 :])
    return replace(step, value=whole(parts.name, space, step.dtype))
