"""Is a compiled program right? It runs once on what was recorded, before anything depends on it. 试运行

A sum in another order rounds otherwise, and some results hang on that more than others: Adam makes ± η of a gradient
that is 0 but for rounding. How much more is measured: the formulas run again on values that are off by some units in
the last place, and the program may differ from the recorded results by a multiple of what that changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_zh.core.mode import using
from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.core.walk import sum_to
from tinygrad_zh.program.compiling.recorded import Recorded, Unsupported, arrays_of
from tinygrad_zh.program.native.steps import effects, given

NUDGE, ROUNDING = 8, 2
"""Units in the last place by which values are off when formulas run again: what is given, and what a line computes."""

FACTOR = 16
"""The program may be off by so many times what the nudge changes."""


def check(program: Any, recorded: Recorded, nudged: Mapping[int, Any]) -> None:
    """Run the program on the recorded values, with leaves and gradients of its own. nudged: what `again` gave. Raises
    Unsupported where a result is not the recorded one, to rounding."""
    leaves = [Tensor(array) for _, array in recorded.leaves]
    accumulators = {id(a): Accumulator(*a.meta) for a, _ in (*recorded.gradients, *recorded.before)}
    for accumulator, array in recorded.before:
        accumulators[id(accumulator)].grad = Tensor(array)
    program.bind(leaves, [accumulators[id(a)] for a, _ in recorded.gradients],
                 [accumulators[id(a)] for a, _ in recorded.before])
    with _rewound(recorded):
        outputs = program(recorded.inputs)
    own = {id(t): leaf for (t, _), leaf in zip(recorded.leaves, leaves, strict=True)}
    gradients = [accumulators[id(a)].grad for a, array in recorded.gradients if array is not None]
    found = [*outputs, *(own[id(t)].array for t, _ in recorded.assigned),
             *(None if g is None else g.array for g in gradients)]
    wanted = [*recorded.outputs, *(a for _, a in (*recorded.assigned, *recorded.gradients) if a is not None)]
    for result, exact in zip(found, wanted, strict=True):
        if not _close(result, exact, nudged.get(id(exact), exact)):
            raise Unsupported("compile.why.differs")


@contextmanager
def _rewound(recorded: Recorded) -> Iterator[None]:
    """Within the block generators draw what they drew in the recorded run; then they are as before the block."""
    now = [(g, g.bit_generator.state) for g, _ in recorded.states]
    for g, state in recorded.states:
        g.bit_generator.state = state
    try:
        yield
    finally:
        for g, state in now:
            g.bit_generator.state = state


def again(recorded: Recorded) -> dict[int, Any]:
    """What the formulas give on nudged values, by the ids of the recorded arrays; of all that ends up somewhere."""
    with _rewound(recorded), np.errstate(all="ignore"), using(grad=False, tape=None, kernels=None):
        return _computed(recorded)


def _computed(recorded: Recorded) -> dict[int, Any]:
    rng = np.random.default_rng(0)
    values = {id(a): _nudged(a, rng, NUDGE) for a in given(recorded)}
    kept = {id(a) for a in effects(recorded)}
    last = {id(a): i for i, line in enumerate(recorded.lines)
            for a in arrays_of((*line.outputs, *line.arguments, *line.keywords.values()))}
    for i, line in enumerate(recorded.lines):
        arguments = [_replaced(x, values) for x in line.arguments]
        keywords = {name: _replaced(x, values) for name, x in line.keywords.items()}
        results = line.function(*arguments, **keywords)
        results = results if type(results) is tuple else (results,)
        values |= {id(o): _nudged(_summed(np.asarray(r), o), rng, ROUNDING)
                   for o, r in zip(line.outputs, results, strict=True) if o is not None}
        for array in arrays_of((*line.outputs, *line.arguments, *line.keywords.values())):
            if last[id(array)] == i and id(array) not in kept:
                values.pop(id(array), None)
    return values


def _summed(value: Any, recorded: Any) -> Any:
    """A partial as a body gives it, which may have undone the broadcasting."""
    return value if value.shape == recorded.shape else sum_to(value, recorded.shape)


def _nudged(array: Any, rng: np.random.Generator, most: int) -> Any:
    if array.dtype.kind != "f":
        return array
    units = rng.integers(-most, most, array.shape, endpoint=True).astype(array.dtype)
    return array * (1 + units * np.finfo(array.dtype).eps)


def _replaced(x: Any, values: Mapping[int, Any]) -> Any:
    if isinstance(x, (tuple, list)):
        return type(x)([_replaced(part, values) for part in x])
    return values.get(id(x), x)


def _close(result: Any, exact: Any, nudged: Any) -> bool:
    """Whether a result differs from the recorded one by rounding alone."""
    if result is None or result.shape != exact.shape or result.dtype != exact.dtype:
        return False
    if exact.dtype.kind != "f" or not exact.size:
        return bool(np.array_equal(result, exact))
    known, no_number = np.isfinite(exact) & np.isfinite(nudged), ~np.isfinite(exact) & ~np.isfinite(nudged)
    if not np.array_equal(result[no_number], exact[no_number], equal_nan=True) or not np.isfinite(result[known]).all():
        return False
    result, exact, nudged = result[known], exact[known], nudged[known]
    size, moved, off = (np.abs(x).max(initial=0) for x in (exact, nudged - exact, result - exact))
    return bool(off <= FACTOR * (moved + NUDGE * np.finfo(exact.dtype).eps * size))
