"""One element of a gradient written out: the terms that it is the sum of.

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

from tinygrad_zh.core import Line, Tensor, grad
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.stepper.building.rule import Array, Rule, apart, flat, on_cpu, raw_of

TERMS = 8
"""As many terms are written out; the others are one number."""
FEW = 64
"""For so few upstream numbers a formula that does not run on Tensors is run once for each."""


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
                return _written(pick, value, found, upstream, lambda j: _place(rule, j), _spoken_of(rule, found, pick))
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
    return np.array([float(row[pick]) for row in rule.rows(slot, arguments)])


def _adds_up(terms: Array, value: float, dtype: Any) -> bool:
    """Whether the sum is the value, to half the digits of its dtype; always so where one is not finite."""
    if not (math.isfinite(value) and np.isfinite(terms).all()):
        return True
    return bool(abs(terms.sum() - value) <= float(np.finfo(dtype).eps) ** 0.5 * np.abs(terms).sum())


def _place(rule: Rule, j: int) -> tuple[int, tuple[int, ...]]:
    k, index = rule.place(j)
    return rule.outputs[k], index


def _spoken_of(rule: Rule, coefficients: Array, pick: tuple[int, ...]) -> Array:
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
    with np.errstate(all="ignore"):  # ∞ − ∞
        rest = {"count": others.size, "sum": float(others.sum())} if others.size else None
    return {"index": list(pick), "value": value + 0.0, "terms": written, "rest": rest}  # −0.0 + 0.0 is 0.0


# ---- the sum over what was broadcast


def sum_element(raw: Any, contribution: Any, pick: tuple[int, ...]) -> dict[str, Any] | None:
    """contribution[pick] = Σ of the elements of raw that one element was broadcast to; None of an empty array."""
    raw, contribution = on_cpu(raw), on_cpu(contribution)
    if not contribution.size:
        return None
    lead = raw.ndim - contribution.ndim
    start = (0,) * lead + tuple([0 if m == 1 else i for i, m in zip(pick, contribution.shape, strict=True)])
    stretched = [slice(None)] * lead
    stretched += [slice(None) if m == 1 else slice(i, i + 1) for i, m in zip(pick, contribution.shape, strict=True)]
    added = raw[tuple(stretched)]

    def place(j: int) -> tuple[int, tuple[int, ...]]:
        offset = map(int, np.unravel_index(j, added.shape))
        return 0, tuple([i + o for i, o in zip(start, offset, strict=True)])

    return _written(pick, float(contribution[pick]), np.ones(added.size), flat([added]), place, np.arange(added.size))
