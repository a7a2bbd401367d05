"""Which elements of the inputs one element of a result depends on: those that it has a slope by. 依赖哪些输入元素

The slopes come from the op's own backward, run on a unit upstream gradient. An input without a backward (an update's, a
comparison's) answers with its element at the same place, where the shapes say which that is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core import Line, sum_to
from tinygrad_zh.stepper.building.elements import TERMS
from tinygrad_zh.stepper.building.rule import Array, apart, is_floating, on_cpu, plan_for

TINY = 1e-30
ORDINARY = 0.7


def forward_element(line: Line, pick: tuple[int, ...], output: int = 0) -> dict[str, Any] | None:
    """output[pick], and of the input elements that it depends on those with the largest |slope · value|."""
    outputs = on_cpu(tuple(line.outputs))
    y = outputs[output]
    if not y.size:
        return None
    inputs = {slot: np.asarray(x) for slot, x in enumerate(on_cpu(tuple(line.arguments)))
              if hasattr(x, "dtype") or isinstance(x, (bool, int, float))}
    with apart():
        slopes = _slopes(line, output, pick, outputs)
    elementwise = _broadcast([x.shape for x in inputs.values()]) == y.shape
    found = {slot: _influences(x, slopes.get(slot), _same_place(x, pick, y.shape, elementwise))
             for slot, x in inputs.items()}
    slots = np.repeat(list(found), [len(places) for places, _ in found.values()])
    places, sizes = (np.concatenate([np.array([], int), *(entry[i] for entry in found.values())]) for i in (0, 1))
    shown = np.sort(np.argsort(-sizes, kind="stable")[:TERMS])
    entries = []
    for slot, place in zip(slots[shown].tolist(), places[shown].tolist(), strict=True):
        index = tuple(map(int, np.unravel_index(place, inputs[slot].shape)))
        entries.append({"slot": slot, "index": list(index), "value": inputs[slot][index].item()})
    return {"index": list(pick), "value": y[pick].item(), "inputs": entries, "more": len(slots) - len(shown)}


def _slopes(line: Line, output: int, pick: tuple[int, ...], outputs: tuple[Any, ...]) -> dict[int, Array]:
    """∂output[pick]/∂x of each input that has a backward, in the input's shape.

    An exact 0 among the inputs counts as a tiny number: y = a · b depends on a where b is 0 too. What is not finite
    counts as an ordinary number: 0 · nan is no slope.
    """
    op = line.info["op"]
    inputs = tuple([_generic(x, zero=TINY) for x in on_cpu(tuple(line.arguments))])
    kept = tuple([_generic(y, zero=0.0) for y in outputs])
    upstream = [np.zeros(y.shape, y.dtype if is_floating(y) else np.float64)
                for y in (outputs if op.many else outputs[: len(op.outputs)])]
    upstream[output][pick] = 1
    found: dict[int, Array] = {}
    for slot in range(len(inputs)):
        if slot in found:
            continue
        try:
            plan = plan_for(op, slot, len(inputs))
            function, slots, _, run, _, joint = plan.partials[0]
            raws = run(function, [tuple(upstream)] if op.many else upstream, plan.keep(inputs, kept), line.keywords)
            for s, raw in zip(slots, raws if joint else (raws,), strict=True):
                if raw is not None:
                    found[s] = sum_to(np.abs(raw), np.shape(inputs[s]))
        except Exception:  # this input has no backward, or a user's formula raised
            continue
    return found


def _influences(x: Array, slope: Array | None, same: int | None) -> tuple[Array, Array]:
    """Where x has an influence, as flat indices, and how large it is; nan is the largest."""
    places = np.flatnonzero(slope) if slope is not None else np.array([], int)
    if not places.size and same is not None:
        places, slope = np.array([same]), None
    sizes = np.abs(x.reshape(-1)[places].astype(np.float64))
    if slope is not None:
        sizes = sizes * slope.reshape(-1)[places]
    return places, np.where(np.isnan(sizes), np.inf, sizes)


def _same_place(x: Array, pick: tuple[int, ...], shape: tuple[int, ...], elementwise: bool) -> int | None:
    """Where x has the element at an index of the result: x has its shape, or is broadcast to it, as no labels are."""
    if x.shape != shape and (not elementwise or (x.dtype.kind in "iu" and x.ndim)):
        return None
    index = tuple([0 if n == 1 else i for i, n in zip(pick[len(shape) - x.ndim:], x.shape, strict=True)])
    return int(np.ravel_multi_index(index, x.shape)) if index else 0


def _broadcast(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def _generic(x: Any, zero: float) -> Any:
    """The array with other numbers in the place of zeros and of what is not finite."""
    if isinstance(x, float):
        return x or zero
    if not is_floating(x):
        return x
    odd = ~np.isfinite(x)
    if odd.any():
        x = np.where(odd, np.asarray(ORDINARY, x.dtype), x)
    return np.where(x == 0, np.asarray(zero, x.dtype), x) if zero and not x.all() else x
