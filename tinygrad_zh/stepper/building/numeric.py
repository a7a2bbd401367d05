"""A gradient's number beside a difference quotient of the op's own forward, in float64. 数值检验

    numeric = Σ upstream · (f(x + h e) − f(x − h e)) / 2h
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core import Line
from tinygrad_zh.stepper.building.rule import Array, Rule, apart, flat, is_floating, on_cpu, raw_of

LARGEST = 1 << 16
"""Elements of all the inputs and outputs: an op with more is not run again for a check."""
BEND = 1e-3
"""f is straight enough where its two one-sided slopes differ by so little of them."""
RESOLUTION = 1e-8
"""A difference within what rounding of the outputs explains counts as a relative error of this at most."""
ROUNDED = 1e-5
"""And one within ε of the largest upstream number, which the value was rounded by, as one of this."""


class Slopes(NamedTuple):
    """Σ |u| of the right and left slopes' size and difference, Σ u of the central one, and what may be rounding."""

    central: float
    size: float
    bend: float
    noise: float


def numeric_check(line: Line, slot: int, pick: tuple[int, ...], value: float) -> dict[str, Any]:
    """{"numeric", "error", "step"}, or {"why"} there is no such check: "kink", "discrete", "not finite", "too large".

    pick: an index of the raw partial; the input is perturbed as it was broadcast. error: |numeric − value| relative to
    the sum of the terms' sizes, with an allowance for rounding: in float32 too only a wrong formula gives above 10⁻⁴.
    """
    forward = line.info["forward"]
    if forward is None:
        return {"why": "too large"}
    inputs = on_cpu(tuple(forward.arguments))
    x = inputs[slot]
    if not is_floating(x):
        return {"why": "discrete"}
    if sum(getattr(a, "size", 1) for a in (*inputs, *forward.outputs)) > LARGEST:
        return {"why": "too large"}
    rule = Rule(line)
    if not (np.isfinite(value) and all(np.isfinite(u).all() for u in rule.upstream)):
        return {"why": "not finite"}
    with apart():
        raw = raw_of(line, slot)
        least = float(np.finfo(raw.dtype).eps) / ROUNDED * max(float(np.abs(u).max(initial=0)) for u in rule.upstream)
        return _checked(Along(forward, inputs, slot, pick, raw.shape, rule), value, least)


class Along:
    """The op's outputs along one element of one input."""

    def __init__(self, forward: Line, inputs: tuple[Any, ...], slot: int, pick: tuple[int, ...],
                 shape: tuple[int, ...], rule: Rule) -> None:
        self.forward = forward
        self.inputs = [_double(x) for x in inputs]
        self.x = np.broadcast_to(self.inputs[slot], shape)
        self.slot = slot
        self.pick = pick
        self.outputs = rule.outputs
        self.upstream = flat(rule.upstream)

    def at(self, step: float) -> Array:
        """f(x + step · e), the outputs as one vector; nan where the op has none."""
        moved = self.x.copy()
        moved[self.pick] += step
        self.inputs[self.slot] = moved
        try:
            results = self.forward.function(*self.inputs, **self._keywords())
        except Exception:  # a user's formula may raise anything
            return np.full(self.upstream.size, np.nan)
        results = results if isinstance(results, tuple) else (results,)
        return flat(results[k] for k in self.outputs)

    def _keywords(self) -> dict[str, Any]:
        """The forward's keywords: generators anew, in the state they were in, and float64 for any floating dtype."""
        states = self.forward.info.get("states") or {}
        return {k: _generator(v, states[k]) if k in states else _double_dtype(v)
                for k, v in self.forward.keywords.items()}


def _checked(f: Along, value: float, least: float) -> dict[str, Any]:
    here = f.at(0.0)
    before, finite = 0.0, False
    for h in _steps(float(f.x[f.pick])):
        s = _slopes(f, here, h)
        if not math.isfinite(s.bend):
            continue
        finite = True
        if s.bend <= BEND * s.size + s.noise or s.bend <= before / 8:
            size = max(abs(value), s.size, s.noise / RESOLUTION, least)
            return {"numeric": s.central, "error": abs(s.central - value) / size if size else 0.0, "step": h}
        before = s.bend
    return {"why": "kink" if finite else "not finite"}


def _steps(x: float) -> list[float]:
    """∛ε, where rounding and truncation are equal, and smaller steps for where a kink or the domain's edge is near.

    Powers of two, by which x ± h is rounded least.
    """
    exponent = math.frexp(x)[1]
    scale = 2.0 ** max(0, exponent - 1)
    steps = [scale * 2.0**-17, scale * 2.0**-23, scale * 2.0**-29]
    return [*steps, 2.0 ** (exponent - 12)] if 0 < abs(x) < 2.0**-17 else steps


def _slopes(f: Along, here: Array, h: float) -> Slopes:
    high, low = f.at(h), f.at(-h)
    right, left, weight = (high - here) / h, (here - low) / h, np.abs(f.upstream)
    moved = (np.abs(high) + np.abs(low)) * (high != low)
    return Slopes(float(f.upstream @ ((high - low) / (2 * h))), float(weight @ (np.abs(right) + np.abs(left))) / 2,
                  float(weight @ np.abs(right - left)), float(np.finfo(np.float64).eps * (weight @ moved) / h))


def _double(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple([_double(x_) for x_ in x])
    return x.astype(np.float64) if is_floating(x) else x


def _double_dtype(keyword: Any) -> Any:
    return np.dtype(np.float64) if isinstance(keyword, np.dtype) and keyword.kind == "f" else keyword


def _generator(generator: np.random.Generator, state: Any) -> np.random.Generator:
    bits = type(generator.bit_generator)(0)
    bits.state = state
    return np.random.Generator(bits)
