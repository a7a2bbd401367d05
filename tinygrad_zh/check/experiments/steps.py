"""`tinygrad-zh check steps`: how wrong is a difference quotient, step by step? 步长实验

    scheme        quotient                                                 truncation     rounding
    forward       (f(x + h) − f(x)) / h                                    f″ h / 2       2 u f / h
    central       (f(x + h) − f(x − h)) / 2h                               f‴ h² / 6      u f / h
    five_point    (f(x − 2h) − 8 f(x − h) + 8 f(x + h) − f(x + 2h)) / 12h  f⁽⁵⁾ h⁴ / 30   3/2 u f / h
    complex       Im f(x + ih) / h                                         f‴ h² / 6      u f′

One falls with h, the other grows: the error is a V, lowest where they meet. The complex step subtracts nothing, so
nothing grows. Source: Squire, Trapp 1998; the coefficients are those of Taylor's series.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.check.differences import METHODS, Line, Slope
from tinygrad_zh.check.experiments.page import add_out, oracle, say, show
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.steps import StepCurve, StepPanel, step_panels

Array = np.ndarray[Any, Any]

FUNCTIONS: dict[str, tuple[Callable[[Any, Any], Any], float]] = {
    "exp": (lambda m, x: m.exp(x), 1.0),
    "sin": (lambda m, x: m.sin(x), 1.0),
    "tanh": (lambda m, x: m.tanh(x), 1.0),
    "inverse": (lambda m, x: 1 / x, 0.75),
    "softmax_loss": (lambda m, x: m.log(1 + m.exp(0.5 - x) + m.exp(-1 - x)), 1.0),
}
"""{name: (f of a library of functions and x, where it is differentiated)}; the loss is −ln softmax([x, 0.5, −1])₀."""

STEPS = np.array([2.0**-i * part for i in range(1, 49) for part in (1, 0.75)])  # few bits: x + h is exact
CLEAR = 20  # one of the two errors outweighs the other so much: there its power is measured
FEWEST = 3  # steps for a power
FIRST_STEP = 1 / 8
NEIGHBOURS = 2  # on each side: rounding is luck, and one lucky step is not the best


class Scheme(NamedTuple):
    """quotient(f, x, h). order: the truncation's power of h. leading, next: (n, c) of its terms c f⁽ⁿ⁾ hⁿ⁻¹.
    rounding: its size in units of u f / h; 0 where nothing is subtracted."""

    quotient: Callable[[Callable[[Any], Any], Any, Any], Any]
    order: int
    leading: tuple[int, float]
    next: tuple[int, float]
    rounding: float


SCHEMES = {
    "forward": Scheme(lambda f, x, h: (f(x + h) - f(x)) / h, 1, (2, 1 / 2), (3, 1 / 6), 2),
    "central": Scheme(lambda f, x, h: (f(x + h) - f(x - h)) / (2 * h), 2, (3, 1 / 6), (5, 1 / 120), 1),
    "five_point": Scheme(lambda f, x, h: (f(x - 2 * h) - 8 * f(x - h) + 8 * f(x + h) - f(x + 2 * h)) / (12 * h), 4,
                         (5, 1 / 30), (7, 1 / 252), 1.5),
    "complex": Scheme(lambda f, x, h: f(x + 1j * h).imag / h, 2, (3, 1 / 6), (5, 1 / 120), 0),
}


@dataclass(frozen=True)
class Curve:
    """One scheme in one precision. errors: relative, one a step. truncation, rounding: what theory says of them.

    power: of h, measured where truncation (for the complex step: rounding) outweighs all else; nan where it nowhere
    does. best: the step with the smallest error, its neighbours considered; theory: where truncation and rounding
    weigh the same; rule: u^(1/(order + 1)). lowest: the error at the best step.
    """

    scheme: str
    dtype: str
    errors: Array
    truncation: Array
    rounding: Array
    power: float
    best: float
    theory: float
    rule: float
    lowest: float


@dataclass(frozen=True)
class Steps:
    """All curves of one function, and the ladder of gradcheck: its relative error, and its error bar."""

    function: str
    x: float
    curves: tuple[Curve, ...]
    ladder: float
    bar: float


def measure(name: str = "exp", x: float | None = None) -> Steps:
    """The relative error of each scheme at each of STEPS, in float64 and float32, against 50 digits.

    name: of FUNCTIONS. x: where; by default the function's own point. Raises ImportError without mpmath, ValueError
    where f′(x) is 0 or does not exist.
    """
    function, own = FUNCTIONS[name]
    x = own if x is None else x
    with np.errstate(all="ignore"):
        curves = [_curve(function, x, scheme, dtype) for dtype in (np.float64, np.float32) for scheme in SCHEMES]
        slope = float(_derivatives(function, x)[1])
        value, error, _ = ladder(lambda x: function(np, x), x)
    return Steps(name, x, tuple(curves), abs(float(value[0]) / slope - 1), abs(float(error[0]) / slope))


def ladder(function: Callable[[Any], Any], x: float) -> Slope:
    """The slope as gradcheck's ladder finds it, with its error bar."""

    def evaluate(t: complex) -> Array | None:
        value = np.array([function(x + t.real)])
        return value if np.isfinite(value).all() else None

    return METHODS["ladder"](Line(evaluate, np.ones((1, 1)), abs(x)), FIRST_STEP)


def _derivatives(function: Callable[[Any, Any], Any], x: float) -> list[Any]:
    """f, f′, …, f⁽⁷⁾ at x to 50 digits."""
    mp = oracle()
    try:
        series = mp.taylor(lambda x: function(mp, x), x, 7)
    except ZeroDivisionError:
        series = [mp.nan] * 8
    if not (mp.isfinite(series[1]) and series[1]):
        raise ValueError(f"the relative error of a slope needs a slope that is neither 0 nor infinite; at x = {x} "
                         f"it is {mp.nstr(series[1], 5)}; choose another --at")
    return [c * mp.factorial(n) for n, c in enumerate(series)]


def _curve(function: Callable[[Any, Any], Any], at: float, name: str, dtype: Any) -> Curve:
    scheme, x = SCHEMES[name], np.asarray(at, dtype)
    steps = STEPS.astype(dtype)
    derivatives = [float(d) for d in _derivatives(function, float(x))]
    slope = abs(derivatives[1])
    quotients = scheme.quotient(lambda x: function(np, x), x, steps).astype(np.float64)
    errors = np.abs(quotients - derivatives[1]) / slope
    unit = float(np.finfo(dtype).eps) / 2

    (n, c), (m, d) = scheme.leading, scheme.next
    truncation = c * abs(derivatives[n]) * STEPS ** (n - 1) / slope
    further = d * abs(derivatives[m]) * STEPS ** (m - 1) / slope
    rounding = scheme.rounding * unit * abs(derivatives[0]) / slope / STEPS if scheme.rounding else 0 * STEPS + unit
    if scheme.rounding:
        clear = (truncation > CLEAR * further) & (truncation > CLEAR * rounding)
        theory = (rounding[0] * STEPS[0] / (scheme.order * truncation[0] / STEPS[0] ** scheme.order))
    else:
        clear = rounding > CLEAR * truncation
        theory = unit / (truncation[0] / STEPS[0] ** 2)
    power = 1 / (scheme.order + 1) if scheme.rounding else 1 / 2
    best = _best(errors)
    return Curve(name, np.dtype(dtype).name, errors, truncation, rounding, _power(STEPS[clear], errors[clear], unit),
                 float(STEPS[best]), float(theory**power), float(unit**power), float(errors[best]))


def _power(steps: Array, errors: Array, unit: float) -> float:
    """p of errors ∝ hᵖ, by least squares of logarithms; an error of 0 counts as half a rounding."""
    if len(steps) < FEWEST:
        return float("nan")
    return float(np.polyfit(np.log(steps), np.log(np.maximum(errors, unit / 2)), 1)[0])


def _best(errors: Array) -> int:
    """Where the median of the neighbouring errors is smallest."""
    windows = np.lib.stride_tricks.sliding_window_view(np.nan_to_num(errors, nan=np.inf), 2 * NEIGHBOURS + 1)
    return int(np.argmin(np.median(windows, axis=1))) + NEIGHBOURS


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("function", nargs="?", choices=FUNCTIONS, default="exp", help=text("cli.check.steps.function"))
    parser.add_argument("--at", type=float, metavar="X", help=text("cli.check.steps.at"))
    add_out(parser, "steps")


def run(arguments: argparse.Namespace) -> int:
    found = measure(arguments.function, arguments.at)
    say("check.steps.heading", function=found.function, x=found.x)
    for dtype in ("float64", "float32"):
        print(f"\n{dtype}")
        show([text(f"check.steps.column.{name}")
              for name in ("scheme", "power", "order", "best", "theory", "rule", "lowest")],
             *[_row(curve) for curve in found.curves if curve.dtype == dtype])
    say("check.steps.ladder", error=found.ladder, bar=found.bar)
    say("check.drawn", path=draw(found, arguments.out))
    return 0


def _row(curve: Curve) -> list[str]:
    scheme = SCHEMES[curve.scheme]
    power = "–" if np.isnan(curve.power) else f"{round(curve.power, 2) + 0:.2f}"  # + 0: no minus zero
    root = f"u^(1/{scheme.order + 1 if scheme.rounding else 2}) = {curve.rule:.1e}"
    best = f"{curve.best:.1e}" if scheme.rounding else text("check.steps.any", step=curve.theory)
    return [text(f"check.scheme.{curve.scheme}"), power, str(scheme.order if scheme.rounding else 0), best,
            f"{curve.theory:.1e}", root, f"{curve.lowest:.1e}"]


def draw(found: Steps, path: Any) -> Any:
    """The picture of a measurement."""
    panels = []
    for dtype in ("float64", "float32"):
        curves = [StepCurve(text(f"check.scheme.{c.scheme}"), c.errors, c.truncation + c.rounding,
                            c.best if SCHEMES[c.scheme].rounding else None)
                  for c in found.curves if c.dtype == dtype]
        band = (found.ladder, found.bar) if dtype == "float64" else None  # the ladder never differences float32
        panels.append(StepPanel(dtype, STEPS, curves, band))
    return step_panels(panels, path, title=text("check.steps.title", function=found.function, x=found.x))
