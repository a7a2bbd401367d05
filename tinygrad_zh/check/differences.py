"""The numeric side: slopes of f along one direction from differences, each with an error bar. 数值微分

    central      (f(x + h) − f(x − h)) / 2h                          error ∝ h²
    five-point   one extrapolation of it, from h and 2h to h = 0     error ∝ h⁴
    ladder       extrapolations of extrapolations over h, h/2, h/4, … (Richardson 1911; Ridders 1982)
    complex      Im f(x + ih) / h, without a subtraction             exact, where f is analytic (Squire, Trapp 1998)

No fixed step serves both 1/x near 0 and eˣ at 20, so the ladder halves until its table agrees with itself; the
last disagreement is the error bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

UNIT = float(np.finfo(np.float64).eps) / 2
"""u, the relative rounding error of float64."""

GOOD = 1e-9  # a relative error bar that needs no further halving
HALVINGS = 45
FAIR = 1e-6  # one that is worth keeping
NOISY = 100  # a row so much worse than the best: noise has taken over
LUCK = 3
COLUMNS = 6  # higher orders than 12 only add up rounding
STRETCHES = 2.0 ** -np.arange(11, 21, 3)
COMPLEX_STEP = 1e-20


class Slope(NamedTuple):
    """dφₖ/dt with an error bar and the finest step that went into it, one of each for every upstream gradient."""

    value: Any
    error: Any
    step: Any


class Line:
    """φₖ(t) = Σ uₖ · f(x + t d): f along a direction, seen through each upstream gradient uₖ.

    evaluate: t -> the outputs as one vector, None outside f's domain. upstreams: one row an upstream gradient.
    size: the largest |x| that moves, which says how well x + t d is represented. scale: of what cancels inside f,
    which rounds like its outputs do.
    """

    def __init__(self, evaluate: Callable[[complex], Any], upstreams: Array, size: float, scale: Any = 0.0):
        self.evaluate = evaluate
        self.upstreams = upstreams
        self.weights = np.abs(upstreams)
        self.size = size
        self.scale = scale
        self.seen: dict[float, Array | None] = {}

    def at(self, t: float) -> Any:
        """f(x + t d), computed once."""
        if t not in self.seen:
            self.seen[t] = self.evaluate(t)
        return self.seen[t]

    def quotient(self, a: float, b: float) -> tuple[Array, Array]:
        """(φ(b) − φ(a)) / (b − a) and how much of it may be rounding; nan outside f's domain."""
        low, high = self.at(a), self.at(b)
        if low is None or high is None:
            nothing = np.full(len(self.upstreams), np.nan)
            return nothing, nothing
        change = high - low
        slope = self.upstreams @ change / (b - a)
        moved = (np.abs(low) + np.abs(high) + 2 * self.scale) * (change != 0)
        return slope, UNIT * (self.weights @ moved + np.abs(slope) * self.size) / (b - a)

    def through(self, k: int, scale: Any = None) -> Line:
        """The same line seen through one upstream gradient alone, perhaps with another scale."""
        line = Line(self.evaluate, self.upstreams[k : k + 1], self.size, self.scale if scale is None else scale)
        line.seen = self.seen
        return line

    def roughness(self) -> Array:
        """The scale that f's noise betrays: of a smooth function over a short stretch, sixth differences are noise.

        Source: Moré, Wild 2011, "Estimating computational noise". What is larger than rounding is some kink: 0.
        """
        size = power_of_two(max(1.0, self.size))
        found = np.zeros(self.upstreams.shape[1])
        for stretch in STRETCHES:
            values = [self.at(k * stretch * size) for k in range(-3, 4)]
            if all(value is not None for value in values):
                rough = np.abs(np.diff(values, 6, axis=0)[0]) / (math.comb(12, 6) ** 0.5 * UNIT)
                rounding = rough <= 1e3 * np.maximum(size, np.abs(values[3]))
                found = np.maximum(found, np.where(rounding, rough, 0))
        return found

    def central(self, h: float) -> tuple[Array, Array]:
        return self.quotient(-h, h)

    def right(self, h: float) -> tuple[Array, Array]:
        return self.quotient(0.0, h)

    def left(self, h: float) -> tuple[Array, Array]:
        return self.quotient(-h, 0.0)


def power_of_two(step: float) -> float:
    """The nearest power of two below: x ± h is then rounded least."""
    return 2.0 ** math.floor(math.log2(step))


def richardson(quotient: Callable[[float], tuple[Array, Array]], start: float, base: int) -> Slope:
    """The limit of quotient(h) for h → 0, if its error is a series in h (base 2) or h² (base 4).

    Row i of the table extrapolates the quotients of start / 2ⁱ and the steps before. An entry's error bar is how much
    it differs from its two parents, and the rounding; the entry with the smallest bar is returned. Once a row has not
    improved on the one before, f is noisy or not yet its series, and agreement may be luck: from there on a bar is no
    smaller than those of the LUCK rows before.
    """
    value: Any = np.nan
    step: Any = np.nan
    error: Any = np.nan
    regular: Any = True
    above: list[Array] = []
    bars: list[Array] = []  # the smallest of each row
    h = start
    for _ in range(HALVINGS):
        slope, noise = quotient(h)
        if not np.isfinite(slope).all():
            above, bars, regular = [], [], True
        else:
            row = [slope]
            smallest = np.full(len(slope), np.inf)
            if len(bars) > 1:
                regular = regular & (bars[-1] <= bars[-2] / 4)
            for column, parent in enumerate(above[:COLUMNS]):
                entry = row[-1] + (row[-1] - parent) / (base ** (column + 1) - 1)
                bar = np.maximum(np.abs(entry - row[-1]), np.abs(entry - parent)) + 2 * noise
                smallest = np.minimum(smallest, bar)
                bar = np.where(regular, bar, np.max([bar, *bars[-LUCK:]], axis=0))
                better = ~(bar >= error)
                value, step = np.where(better, entry, value), np.where(better, h, step)
                error = np.where(better, bar, error)
                row.append(entry)
            bars += [smallest] if above else []
            good = error <= GOOD * np.abs(value) + 4 * noise
            overtaken = (smallest > NOISY * error) & (error < FAIR * np.abs(value))
            if np.all(good | overtaken):
                break
            above = row
        h /= 2
    if np.ndim(value) == 0:
        nothing = np.full(len(slope), np.nan)
        return Slope(nothing, nothing, nothing)
    return Slope(value, error, step)


def ladder(line: Line, start: float) -> Slope:
    """Central differences extrapolated until they agree. 中文：自适应外推（Ridders 阶梯）。"""
    return richardson(line.central, start, 4)


def right_slope(line: Line, start: float) -> Slope:
    """The slope to the right alone. 中文：右导数。"""
    return richardson(line.right, start, 2)


def left_slope(line: Line, start: float) -> Slope:
    """The slope to the left alone. 中文：左导数。"""
    return richardson(line.left, start, 2)


def central(line: Line, start: float) -> Slope:
    """(f(x + h) − f(x − h)) / 2h with h ≈ u^(1/3), where rounding and truncation are equal. 中文：中心差分。"""
    h = power_of_two(UNIT ** (1 / 3) * max(1.0, line.size))
    (fine, noise), (coarse, _) = line.central(h), line.central(2 * h)
    return Slope(fine, np.abs(fine - coarse) / 3 + noise, np.full(len(fine), h))


def five_point(line: Line, start: float) -> Slope:
    """(f(x − 2h) − 8 f(x − h) + 8 f(x + h) − f(x + 2h)) / 12h with h ≈ u^(1/5). 中文：五点公式。"""
    h = power_of_two(UNIT ** (1 / 5) * max(1.0, line.size))
    (one, noise), (two, _), (four, _) = line.central(h), line.central(2 * h), line.central(4 * h)
    fine, coarse = one + (one - two) / 3, two + (two - four) / 3
    return Slope(fine, np.abs(fine - coarse) / 15 + 2 * noise, np.full(len(fine), h))


def complex_step(line: Line, start: float) -> Slope:
    """Im f(x + ih) / h with h = 10⁻²⁰, for analytic f. 中文：复数步长法。"""
    value = line.upstreams @ line.evaluate(1j * COMPLEX_STEP).imag / COMPLEX_STEP
    return Slope(value, 16 * UNIT * np.abs(value), np.full(len(value), COMPLEX_STEP))


METHODS: dict[str, Callable[[Line, float], Slope]] = {
    "ladder": ladder,
    "central": central,
    "five-point": five_point,
    "complex": complex_step,
}
