"""A cheap first look at many directions: what plainly agrees with its claim passes, all else is judged one by one. 初筛

    complex      Im f(x + ih d) / h                        one evaluation, exact where f is analytic
    central      f(x ± h d), h ≈ 10⁻⁵                      two
    five-point   f(x ± h d) and f(x ± 2h d), h ≈ 10⁻³      four

To pass, a wrong claim would have to coincide with the measured slope, so that a screen may be blind to much: kinks and
noise only have to widen its error bars. The complex step alone can be deceived, by an f that drops imaginary parts
where the claim, too, forgets a term. So it never measures dense directions, nor slopes of 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.check.differences import COMPLEX_STEP, UNIT, Array, Slope
from tinygrad_zh.check.directions import Direction

FINE = 2.0**-16
COARSE = 2.0**-10

Evaluate = Callable[[Direction, complex], Any]
"""(d, t) -> f(x + t d) as one vector, None outside f's domain."""


class Screening:
    """f near one point, seen through each upstream gradient. 中文：初筛。

    base: f(x). scale: of what cancels inside f, which rounds like its outputs do. Every screen takes directions and the
    lengths over which f is taken to vary along them, and returns slopes and error bars, directions × upstream
    gradients; nan where nothing is measured.
    """

    def __init__(self, evaluate: Evaluate, base: Array, upstreams: Array, scale: float):
        self.evaluate = evaluate
        self.base = base
        self.upstreams = upstreams
        self.weights = np.abs(upstreams)
        self.size = 2 * (np.abs(base) + scale)

    def complex(self, chosen: Sequence[Direction], lengths: Array) -> Slope:
        """The bar is the rounding of the sum over the outputs. 中文：复数步长法。"""
        slope, noise = self._empty(chosen), self._empty(chosen)
        real: set[tuple[int, ...]] = set()  # inputs that f does not depend on, or whose imaginary parts it drops
        for row, direction in enumerate(chosen):
            if tuple(direction.parts) in real:
                continue
            values = self.evaluate(direction, 1j * COMPLEX_STEP)
            if not np.iscomplexobj(values) or values.size != self.base.size:
                real.add(tuple(direction.parts))
                continue
            change = values.imag
            slope[row], noise[row] = self.upstreams @ change, self.weights @ np.abs(change)
        slope[slope == 0] = np.nan
        return Slope(slope / COMPLEX_STEP, 16 * UNIT * noise / COMPLEX_STEP, np.full(len(chosen), COMPLEX_STEP))

    def central(self, chosen: Sequence[Direction], lengths: Array) -> Slope:
        """The bar is the rounding, and h times the second difference: at a kink it is as large as the slopes."""
        slope, bend, noise = (self._empty(chosen) for _ in range(3))
        steps = FINE * lengths
        for row, (direction, h) in enumerate(zip(chosen, steps.tolist(), strict=True)):
            before, after = self.evaluate(direction, -h), self.evaluate(direction, h)
            if before is not None and after is not None:
                change = after - before
                slope[row] = self.upstreams @ change / (2 * h)
                bend[row] = self.upstreams @ (before + after - 2 * self.base) / h
                noise[row] = self.weights @ (self.size * (change != 0)) / (2 * h)
        return Slope(slope, FINE * np.abs(bend) + UNIT * (noise + np.abs(slope) / FINE), steps)

    def five_point(self, chosen: Sequence[Direction], lengths: Array) -> Slope:
        """The bar is the rounding, and h² times what the inner pair alone says otherwise and the fourth difference."""
        slope, other, noise = (self._empty(chosen) for _ in range(3))
        steps = COARSE * lengths
        for row, (direction, h) in enumerate(zip(chosen, steps.tolist(), strict=True)):
            values = [self.evaluate(direction, t) for t in (-2 * h, -h, h, 2 * h)]
            if all(value is not None for value in values):
                a, b, c, d = values
                inner, outer = self.upstreams @ (c - b) / (2 * h), self.upstreams @ (d - a) / (4 * h)
                bend = self.upstreams @ (a + d - 4 * (b + c) + 6 * self.base) / h
                slope[row] = inner + (inner - outer) / 3
                other[row] = np.abs(inner - slope[row]) + np.abs(bend)
                noise[row] = self.weights @ (self.size * ((a != d) | (b != c))) / h
        return Slope(slope, COARSE**2 * other + UNIT * (noise + np.abs(slope) / COARSE), steps)

    def _empty(self, chosen: Sequence[Direction]) -> Array:
        return np.full((len(chosen), len(self.upstreams)), np.nan)


Screen = Callable[[Screening, Sequence[Direction], Array], Slope]

SCREENS: tuple[tuple[Screen, bool], ...] = (
    (Screening.complex, False),
    (Screening.central, False),
    (Screening.five_point, False),
    (Screening.five_point, True),
)
"""From the cheapest to the most careful; the last is for where the inputs are small: f may vary over |x| there."""
