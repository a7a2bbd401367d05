"""One element written out: the terms that a gradient's number is the sum of, the inputs that a result depends on.

    raw[i] = Σⱼ c[j] · dy[j],   c[j] = ∂raw[i] / ∂dy[j] = ∂y[j] / ∂x[i]

c is one row of the transposed Jacobian. It comes from the op's own backward, run on Tensors: the gradient of raw[i] by
dy. 逐元素展开
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core import Line, Tensor, grad, sum_to
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.stepper.building.rule import Array, Rule, apart, on_cpu, plan_for, raw_of, unit

TERMS = 8
"""As many terms are written out; the others are one number."""
FEW = 64
"""For so few upstream numbers a formula that does not run on Tensors is run once for each."""
TINY = 1e-30


# ---- backward


def explain_backward(line: Line, slot: int, pick: tuple[int, ...]) -> dict[str, Any] | None:
    """raw[pick] = Σ coefficient · upstream, for a backward line and one of its inputs.

    The terms with coefficient 0 are left out: those upstream numbers have nothing to do with this one. None where the
    formula does not say (it neither runs on Tensors nor on few numbers).
    """
    raw = raw_of(line, slot)
    if raw is None or not raw.size:
        return None
    rule, value = Rule(line), raw[pick].item()
    with apart():
        for find in (_by_gradient, _by_units):
            found = find(rule, slot, pick, raw)
            if found is not None and _adds_up(found, rule.upstream, value, raw.dtype):
                return _element(pick, value, rule, found)
    return None


def _by_gradient(rule: Rule, slot: int, pick: tuple[int, ...], raw: Array) -> list[Array] | None:
    found = _gradient(rule, slot, pick, rule.arguments)
    if found is not None and not all(np.isfinite(c).all() for c in found):
        plain = _gradient(rule, slot, pick, rule.ordinary())
        found = plain and [np.where(p == 0, 0, c) for c, p in zip(found, plain, strict=True)]
    return found


def _gradient(rule: Rule, slot: int, pick: tuple[int, ...], arguments: Sequence[Any]) -> list[Array] | None:
    """∂raw[pick]/∂dy for each upstream gradient; None where the formula does not run on Tensors."""
    above = [Tensor(dy, Accumulator(dy.shape, dy.dtype)) for dy in rule.upstream]
    try:
        y = rule.partial(slot, above, arguments)
        if not isinstance(y, Tensor) or not y.requires_grad:
            return [np.zeros(dy.shape) for dy in rule.upstream]
        found = grad(y, above, unit(y.shape, pick, y.dtype), allow_unused=True)
    except Exception:  # a user's formula may raise anything
        return None
    return [np.zeros(dy.shape) if c is None else c.array for c, dy in zip(found, rule.upstream, strict=True)]


def _by_units(rule: Rule, slot: int, pick: tuple[int, ...], raw: Array) -> list[Array] | None:
    if sum(dy.size for dy in rule.upstream) > FEW:
        return None
    found = []
    for k, dy in enumerate(rule.upstream):
        c = np.zeros(dy.shape)
        for j in np.ndindex(dy.shape):
            units = [unit(d.shape, j, d.dtype) if i == k else np.zeros_like(d) for i, d in enumerate(rule.upstream)]
            try:
                c[j] = rule.partial(slot, units)[pick]
            except Exception:
                return None
        found.append(c)
    return found


def _adds_up(coefficients: list[Array], upstream: Sequence[Array], value: float, dtype: Any) -> bool:
    """Whether Σ c · dy is the value, to the rounding of its dtype; always so where one is not finite."""
    terms = np.concatenate([(c.astype(np.float64) * u).ravel() for c, u in zip(coefficients, upstream, strict=True)])
    if not (math.isfinite(value) and np.isfinite(terms).all()):
        return True
    return bool(abs(terms.sum() - value) <= float(np.finfo(dtype).eps) ** 0.75 * np.abs(terms).sum())


def _element(pick: tuple[int, ...], value: float, rule: Rule, coefficients: list[Array]) -> dict[str, Any]:
    terms = []
    for c, u, output in zip(coefficients, rule.upstream, rule.outputs, strict=True):
        for j in map(tuple, np.argwhere(c)):
            terms.append(_term(c[j], u[j], output, j))
    if not terms:  # a closed gate: say what it stops
        c, u = coefficients[0], rule.upstream[0]
        if len(pick) == u.ndim and all(i < n for i, n in zip(pick, u.shape, strict=True)):
            terms.append(_term(c[pick], u[pick], rule.outputs[0], pick))
    return _written(pick, value, terms)


def _term(coefficient: Any, value: Any, output: int, index: Iterable[Any]) -> dict[str, Any]:
    return {"coefficient": float(coefficient), "value": float(value), "output": output, "index": list(map(int, index))}


def _written(pick: Sequence[int], value: float, terms: list[dict[str, Any]]) -> dict[str, Any]:
    """The element with the largest terms in order of index, and the rest as one number."""
    order = sorted(range(len(terms)), key=lambda i: -_size(terms[i]["coefficient"] * terms[i]["value"]))
    shown, others = sorted(order[:TERMS]), order[TERMS:]
    rest = {"count": len(others), "sum": math.fsum(terms[i]["coefficient"] * terms[i]["value"] for i in others)}
    return {"index": [int(i) for i in pick], "value": float(value), "terms": [terms[i] for i in shown],
            "rest": rest if others else None}


def _size(x: float) -> float:
    """|x|, where nan is the largest of all."""
    return math.inf if x != x else abs(x)


# ---- the sum over what was broadcast


def sum_element(raw: Any, contribution: Any, pick: tuple[int, ...]) -> dict[str, Any]:
    """contribution[pick] = Σ of the elements of raw that one element was broadcast to."""
    raw, contribution = on_cpu(raw), on_cpu(contribution)
    lead = raw.ndim - contribution.ndim
    ranges = [range(n) for n in raw.shape[:lead]]
    ranges += [range(n) if m == 1 else range(i, i + 1)
               for i, n, m in zip(pick, raw.shape[lead:], contribution.shape, strict=True)]
    indices = np.stack(np.meshgrid(*ranges, indexing="ij"), axis=-1).reshape(-1, raw.ndim)
    terms = [_term(1.0, raw[tuple(i)], 0, i) for i in indices]
    return _written(pick, contribution[pick].item(), terms)


# ---- forward and update


def forward_element(line: Line, pick: tuple[int, ...], output: int = 0) -> dict[str, Any] | None:
    """The elements of the inputs that output[pick] depends on, those that matter most.

    What has a backward answers by it, run on a unit upstream gradient; for any other input it is the element at the
    same place, where the shapes say which that is.
    """
    outputs = on_cpu(tuple(line.outputs))
    if output >= len(outputs) or not outputs[output].size:
        return None
    y, found = outputs[output], []
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
    upstream = [unit(y.shape, pick if i == output else (), np.float64) * (i == output)
                for i, y in enumerate(outputs[: len(outputs) if op.many else len(op.outputs)])]
    found: dict[int, Array] = {}
    for slot in range(len(inputs)):
        if slot in found or not any(key in ("backward", f"backward_{op.inputs[0 if op.variadic else slot]}")
                                    for key in op.backwards):
            continue
        try:
            plan = plan_for(op, slot, len(inputs))
            partial = plan.partials[0]
            raws = partial.run(partial.function, [tuple(upstream)] if op.many else upstream,
                               plan.keep(inputs, outputs), line.keywords)
            for s, raw in zip(partial.slots, raws if type(raws) is tuple else (raws,), strict=True):
                if raw is not None:
                    found[s] = sum_to(np.abs(raw), np.shape(inputs[s]))
        except Exception:
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
