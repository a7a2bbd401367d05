"""One element written out: the terms that a gradient's number is the sum of, the inputs that a result depends on.

    raw[i] = Σⱼ c[j] · dy[j],   c[j] = ∂raw[i] / ∂dy[j] = ∂y[j] / ∂x[i]

c is one row of the transposed Jacobian. It comes from the op's own backward, run on Tensors: the gradient of raw[i] by
dy. 逐元素展开
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh.core import Line, Tensor, grad, sum_to
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.stepper.building.rule import Array, Rule, apart, flat, on_cpu, plan_for, raw_of

TERMS = 8
"""As many terms are written out; the others are one number."""
FEW = 64
"""For so few upstream numbers a formula that does not run on Tensors is run once for each."""
TINY = 1e-30


# ---- backward


def explain_backward(line: Line, slot: int, pick: tuple[int, ...]) -> dict[str, Any] | None:
    """raw[pick] = Σ coefficient · upstream, for a backward line and one of its inputs.

    The terms with coefficient 0 are left out: those upstream numbers have nothing to do with this one. If that is all
    of them, a closed gate, the one at the same place stays: 0 · dy. None where no coefficients give the value: it is a
    sum that cancels to rounding, or the user's formula runs on arrays alone and has many upstream numbers.
    """
    raw = raw_of(line, slot)
    if raw is None or not raw.size:
        return None
    rule, value = Rule(line), float(raw[pick])
    upstream = flat(rule.upstream)
    with apart():
        for find in (_by_gradient, _by_units):
            try:
                found = rule.coefficients(partial(find, rule, slot, pick))
            except Exception:  # a user's formula may raise anything
                continue
            if _adds_up(found * upstream, value, raw.dtype):
                return _written(pick, value, found, upstream, lambda j: _place(rule, j), _gate(rule, found, pick))
    return None


def _by_gradient(rule: Rule, slot: int, pick: tuple[int, ...], arguments: Sequence[Any]) -> Array:
    """∂raw[pick]/∂dy."""
    above = [Tensor(dy, Accumulator(dy.shape, dy.dtype)) for dy in rule.upstream]
    y = rule.partial(slot, above, arguments)
    if not isinstance(y, Tensor) or not y.requires_grad:
        return np.zeros(rule.size)
    seed = np.zeros(y.shape, y.dtype)
    seed[pick] = 1
    found = grad(y, above, seed, allow_unused=True)
    return flat(np.zeros(dy.shape) if c is None else c.array for c, dy in zip(found, rule.upstream, strict=True))


def _by_units(rule: Rule, slot: int, pick: tuple[int, ...], arguments: Sequence[Any]) -> Array:
    """raw[pick] for each unit upstream gradient."""
    if rule.size > FEW:
        raise ValueError(f"{rule.size} upstream numbers are too many to go one by one")
    return np.array([float(rule.row(slot, j, arguments)[pick]) for j in range(rule.size)])


def _adds_up(terms: Array, value: float, dtype: Any) -> bool:
    """Whether the sum is the value, to half the digits of its dtype; always so where one is not finite."""
    if not (math.isfinite(value) and np.isfinite(terms).all()):
        return True
    return bool(abs(terms.sum() - value) <= float(np.finfo(dtype).eps) ** 0.5 * np.abs(terms).sum())


def _place(rule: Rule, j: int) -> tuple[int, tuple[int, ...]]:
    k, index = rule.place(j)
    return rule.outputs[k], index


def _gate(rule: Rule, coefficients: Array, pick: tuple[int, ...]) -> Array:
    """The terms to speak of: those with a coefficient, or without any the one at the picked place."""
    shape = rule.upstream[0].shape
    if not coefficients.any() and len(pick) == len(shape) and all(i < n for i, n in zip(pick, shape, strict=True)):
        return np.array([np.ravel_multi_index(pick, shape)]) if shape else np.array([0])
    return np.flatnonzero(coefficients)


def _written(pick: Sequence[int], value: float, coefficients: Array, values: Array,
             place: Callable[[int], tuple[int, tuple[int, ...]]], terms: Array) -> dict[str, Any]:
    """The element with the largest terms in order of index, and the rest as one number."""
    products = (coefficients * values)[terms]
    order = np.argsort(-np.where(np.isnan(products), np.inf, np.abs(products)), kind="stable")
    written = []
    for j in np.sort(terms[order[:TERMS]]).tolist():
        output, index = place(j)
        written.append({"coefficient": float(coefficients[j]), "value": float(values[j]), "output": output,
                        "index": list(index)})
    others = products[order[TERMS:]]
    rest = {"count": others.size, "sum": math.fsum(others.tolist())} if others.size else None
    return {"index": list(pick), "value": value + 0.0, "terms": written, "rest": rest}  # −0.0 + 0.0 is 0.0


# ---- the sum over what was broadcast


def sum_element(raw: Any, contribution: Any, pick: tuple[int, ...]) -> dict[str, Any]:
    """contribution[pick] = Σ of the elements of raw that one element was broadcast to."""
    raw, contribution = on_cpu(raw), on_cpu(contribution)
    lead = raw.ndim - contribution.ndim
    start = (0,) * lead + tuple([0 if m == 1 else i for i, m in zip(pick, contribution.shape, strict=True)])
    stretched = [slice(None)] * lead
    stretched += [slice(None) if m == 1 else slice(i, i + 1) for i, m in zip(pick, contribution.shape, strict=True)]
    added = raw[tuple(stretched)]

    def place(j: int) -> tuple[int, tuple[int, ...]]:
        offset = map(int, np.unravel_index(j, added.shape))
        return 0, tuple([i + o for i, o in zip(start, offset, strict=True)])

    return _written(pick, float(contribution[pick]), np.ones(added.size), flat([added]), place, np.arange(added.size))


# ---- forward and update


def forward_element(line: Line, pick: tuple[int, ...], output: int = 0) -> dict[str, Any] | None:
    """The elements of the inputs that output[pick] depends on, those that matter most.

    What has a backward answers by it, run on a unit upstream gradient; for any other input it is the element at the
    same place, where the shapes say which that is.
    """
    outputs = on_cpu(tuple(line.outputs))
    y, found = outputs[output], []
    if not y.size:
        return None
    with apart():
        slopes = _slopes(line, output, pick, outputs)
    for slot, x in enumerate(on_cpu(tuple(line.arguments))):
        if not hasattr(x, "shape") and not isinstance(x, (int, float)):
            continue
        x = np.asarray(x)
        slope = slopes.get(slot, np.zeros(x.shape))
        places = [tuple(i) for i in np.argwhere(slope)]
        same = _same_place(x, pick, y.shape)
        if not places and same is not None:
            places, slope = [same], np.broadcast_to(1.0, x.shape)
        found += [(_size(float(slope[i]) * float(x[i])), slot, i, x[i].item()) for i in places]
    shown = sorted(sorted(found, key=lambda f: -f[0])[:TERMS], key=lambda f: f[1:3])
    return {"index": [int(i) for i in pick], "value": y[pick].item(),
            "inputs": [{"slot": slot, "index": [int(j) for j in i], "value": v} for _, slot, i, v in shown],
            "more": len(found) - len(shown)}


def _slopes(line: Line, output: int, pick: tuple[int, ...], outputs: tuple[Any, ...]) -> dict[int, Array]:
    """|∂output[pick]/∂x| of each input that has a backward, in the input's shape.

    An exact 0 among the inputs counts as a tiny number here: y = a · b depends on a where b is 0 too.
    """
    op = line.info["op"]
    inputs = tuple([_no_zeros(x) for x in on_cpu(tuple(line.arguments))])
    upstream = [np.zeros(y.shape) for y in (outputs if op.many else outputs[: len(op.outputs)])]
    upstream[output][pick] = 1
    found: dict[int, Array] = {}
    for slot in range(len(inputs)):
        if slot in found:
            continue
        try:
            plan = plan_for(op, slot, len(inputs))
            function, slots, _, run, _, joint = plan.partials[0]
            raws = run(function, [tuple(upstream)] if op.many else upstream, plan.keep(inputs, outputs), line.keywords)
            for s, raw in zip(slots, raws if joint else (raws,), strict=True):
                if raw is not None:
                    found[s] = sum_to(np.abs(raw), np.shape(inputs[s]))
        except Exception:  # this input has no backward, or a user's formula raised
            continue
    return found


def _no_zeros(x: Any) -> Any:
    if isinstance(x, float):
        return x or TINY
    if getattr(getattr(x, "dtype", None), "kind", "") == "f":
        return np.where(x == 0, TINY, x.astype(np.float64))
    return x


def _same_place(x: Array, pick: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """Where x, broadcast to a shape, has the element at an index of that shape."""
    lead = len(shape) - x.ndim
    if lead < 0 or any(n not in (1, m) for n, m in zip(x.shape, shape[lead:], strict=True)) or \
            (x.dtype.kind in "iu" and x.shape not in ((), shape)):
        return None
    return tuple([0 if n == 1 else i for i, n in zip(pick[lead:], x.shape, strict=True)])


def _size(x: float) -> float:
    """|x|, where nan is the largest of all."""
    return math.inf if x != x else abs(x)
