"""One derivative claimed, one measured: do they agree, and if not, what does the function look like there? 判定

    smooth       the claim is within 10 error bars (and rtol) of the measured slope
    kink         the slopes to the left and to the right stay apart: the claim lies between them
    edge         f ends here (√x at 0, a probability of 1): the slope of the one side counts
    unbounded    the quotient grows without bound, and the claim is that infinity
    jump         f is not continuous here: there is no slope to compare with
    outside      f has a value here, and none close by
    blurred      rounding hides the slope: the claim is within 10 error bars, but these are wide
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tinygrad_zh.check.differences import METHODS, UNIT, Array, Line, Slope, left_slope, right_slope

SAFETY = 10  # error bars
BLURRED = 1e3  # roundings, beyond which an error bar larger than the slope says that something else is there
FAIR = 1e-6  # relative error bar of a slope that needs no second look
CLOSE_BY = 2.0**-14
NEARER = (2.0**-12, 2.0**-24, 2.0**-36)
SHARP = 1e-2  # relative: the tolerance of a look that shows something
CLOSING = 0.6
FINE = range(15, 36, 4)  # halvings after which a quotient has settled, or never will
GROWING = 1.01  # its growth over four halvings where it never settles: 1.06 for x^0.98 at 0,
UNSETTLED = 2.0  # 4 for √x,
JUMPING = 14.5  # 16 for a jump
SLACKENING = 0.5  # of the growth from one look to the next, where it will settle


class Claim(NamedTuple):
    """The claimed slope along a line, for every upstream gradient. rounding: how much of it may be rounding.
    dense: more than one element moves."""

    slope: Array
    rounding: Array
    dense: bool


class Verdict(NamedTuple):
    """One comparison, through one upstream gradient."""

    passed: bool
    kind: str
    analytic: float
    numeric: float
    error: float
    tolerance: float
    step: float
    left: float
    right: float


class Side(NamedTuple):
    """The slope to one side of the point. kind: bounded, infinite, jump or outside (f's domain ends here). limit: the
    infinity that its quotient grows towards, if perhaps so slowly that it looks bounded; else nan."""

    slope: float
    error: float
    kind: str
    limit: float = math.nan


class NotAnalyticError(ValueError):
    """The complex step was asked of a function that drops imaginary parts."""


def judge(line: Line, claim: Claim, method: str, start: float, rtol: float) -> list[Verdict]:
    """One verdict an upstream gradient; where claim and measurement disagree, the two sides decide."""
    measured = METHODS[method](line, start)
    floor = 4 * UNIT * (line.weights @ (np.abs(line.at(0.0)) + line.scale)) / start + claim.rounding
    tolerance = SAFETY * measured.error + rtol * np.abs(measured.value) + floor
    agree = np.abs(claim.slope - measured.value) <= tolerance
    telling = SAFETY * measured.error <= np.abs(measured.value) + BLURRED * floor
    if method == "complex" and not agree.all():
        check_analytic(line, measured, start)
    verdicts = []
    for k, slope in enumerate(claim.slope):
        value, error, step = (float(array[k]) for array in measured)
        look = plain = Verdict(bool(agree[k]), "smooth" if telling[k] else "blurred", float(slope), value, error,
                               float(tolerance[k]), step, value, value)
        if not (agree[k] and telling[k]) and not (error < FAIR * abs(value) and is_plain(line.through(k), value, step)):
            look = second_look(line.through(k), float(slope), claim.dense, Slope(value, error, step), float(floor[k]),
                               start, rtol)
            if agree[k] and not look.passed and look.kind != "unbounded":
                look = plain
        elif agree[k] and telling[k] and is_bent(line.through(k), step):
            bent = second_look(line.through(k), float(slope), claim.dense, Slope(value, error, step), float(floor[k]),
                               start, rtol)
            look = bent if bent.passed and bent.kind == "kink" else plain
        if not look.passed and look.kind in ("smooth", "kink"):
            look = through_noise(line, k, look, float(floor[k]), start, rtol)
        if not look.passed and look.kind in ("smooth", "kink"):
            look = look_closer(line.through(k), look, claim.dense, float(floor[k]), start, rtol)
        verdicts.append(look)
    return verdicts


def look_closer(line: Line, verdict: Verdict, dense: bool, floor: float, start: float, rtol: float) -> Verdict:
    """A last look at a claim that fails: does f look otherwise close by, as |x| does to steps that jump over its kink?
    Only if rounding does not blur what is seen there."""
    for nearer in NEARER:
        measured = METHODS["ladder"](line, start * nearer)
        value, error, step = (float(array[0]) for array in measured)
        look = second_look(line, verdict.analytic, dense, Slope(value, error, step), floor, start * nearer, rtol)
        otherwise = abs(look.numeric - verdict.numeric) > look.tolerance  # not the same, seen less sharply
        if look.passed and otherwise and look.tolerance <= SHARP * max(abs(look.left), abs(look.right)):
            return look
    return verdict


def through_noise(line: Line, k: int, verdict: Verdict, floor: float, start: float, rtol: float) -> Verdict:
    """A last look at a claim that fails: is it rounding inside f, as in 1 + tanh x at −6, that is off?"""
    noisy = line.through(k, line.scale + line.roughness())
    value, error, step = (float(array[0]) for array in METHODS["ladder"](noisy, start))
    tolerance = SAFETY * error + rtol * abs(value) + floor
    if not abs(verdict.analytic - value) <= tolerance:
        return verdict
    return Verdict(True, "blurred", verdict.analytic, value, error, tolerance, step, value, value)


def check_analytic(line: Line, measured: Slope, start: float) -> None:
    """Raise NotAnalyticError where the complex step and real differences measure different slopes."""
    real = METHODS["ladder"](line, start)
    apart = ~(np.abs(real.value - measured.value) <= SAFETY * real.error + 1e-6 * np.abs(real.value))
    if apart.any():
        k = int(np.argmax(apart))
        raise NotAnalyticError(
            f'gradcheck: method="complex" measures the slope {measured.value[k]:.6g} where real differences measure '
            f"{real.value[k]:.6g}: the function is not analytic as it is written (abs, max, a comparison or a cast "
            'drops the imaginary part); use method="ladder"')


def is_plain(line: Line, value: float, h: float) -> bool:
    """Whether close by, too, the function has the measured slope, with two sides that come closer as h is halved."""
    left, right, nearer = sides(line, h * CLOSE_BY)
    return nearer <= CLOSING * abs(right - left) and abs((left + right) / 2 - value) <= 1e-3 * abs(value)


def is_bent(line: Line, h: float) -> bool:
    """Whether close by the two sides have slopes of their own, and halving h does not bring them together: the measured
    slope is then the middle of a kink."""
    left, right, nearer = sides(line, h * CLOSE_BY)
    apart = abs(right - left)
    return apart > 1e-3 * (abs(left) + abs(right)) and nearer > CLOSING * apart


def sides(line: Line, h: float) -> tuple[float, float, float]:
    """The slopes to the left and to the right over h, and how far apart they are over h / 2."""
    left, right = float(line.left(h)[0][0]), float(line.right(h)[0][0])
    return left, right, abs(float(line.right(h / 2)[0][0] - line.left(h / 2)[0][0]))


def second_look(line: Line, slope: float, dense: bool, measured: Slope, floor: float, start: float,
                rtol: float) -> Verdict:
    """The function to the left and to the right of the point, each side on its own."""
    left, right = look_aside(line.left, left_slope(line, start)), look_aside(line.right, right_slope(line, start))
    inside = [side for side in (left, right) if side.kind != "outside"]
    kinds = {side.kind for side in inside}
    value, error, step = measured
    if inside and kinds == {"bounded"}:
        bar = sum(side.error for side in inside)
        low, high = min(side.slope for side in inside), max(side.slope for side in inside)
        tolerance = SAFETY * bar + rtol * max(abs(low), abs(high)) + floor
        apart = high - low > tolerance + 1e-6 * max(abs(low), abs(high))
        kind = "edge" if len(inside) == 1 else "kink" if apart else "smooth"
        passed = low - tolerance <= slope <= high + tolerance or slope in [side.limit for side in inside]
        if kind == "smooth" and abs((low + high) / 2 - value) <= SAFETY * (bar + error):
            tolerance = SAFETY * error + rtol * abs(value) + floor
            passed = abs(slope - value) <= tolerance
        else:
            value, error = (low + high) / 2, bar
    else:
        tolerance = 0.0
        kind = "jump" if "jump" in kinds else "unbounded" if kinds else "outside"
        infinities = [side.slope for side in inside if side.kind == "infinite"]
        passed = slope in infinities or (kind == "jump" and math.isfinite(slope))
        value = infinities[0] if infinities else value
    # Several elements, each right at a kink or an end of its own, need not fit the sum of them.
    passed = passed or (dense and kind in ("kink", "edge", "unbounded", "outside") and math.isfinite(slope))
    return Verdict(passed, kind, slope, value, error, tolerance, step, left.slope, right.slope)


def look_aside(quotient: Callable[[float], tuple[Array, Array]], slope: Slope) -> Side:
    """Does the one-sided quotient settle as h halves, or grow for ever?"""
    quotients = [float(quotient(2.0**-i)[0][0]) for i in FINE]
    if not np.isfinite(quotients[-2:]).all():
        return Side(math.nan, math.nan, "outside")
    size = np.abs([q for q in quotients if math.isfinite(q)])
    growth = size[1:] / np.maximum(size[:-1], 1e-300)
    infinity = math.copysign(math.inf, quotients[-1])
    if growth.min() < UNSETTLED:
        steady = growth.min() > GROWING and growth[-1] - 1 > SLACKENING * (growth[-2] - 1)
        limit = infinity if steady else math.nan
        return Side(float(slope.value[0]), float(slope.error[0]), "bounded", limit)
    return Side(infinity, 0.0, "jump" if growth.min() > JUMPING else "infinite")
