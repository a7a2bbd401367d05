"""`tinygrad-zh check ulp`: how many units in the last place each op is off, forward and backward. 末位误差实验

One ulp is the distance to the next floating number, measured at the right result; the best that rounding allows is a
half. The right results have 50 digits (`oracles`). Where something cancels, in Σ x or ∂softmax, ulps of the small
result are many although nothing is wrong: the rounding of what cancelled is still there.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_zh.check.experiments.oracles import DOMAINS, ORACLES, Oracle
from tinygrad_zh.check.experiments.page import add_out, oracle, say, show
from tinygrad_zh.core import tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import text
from tinygrad_zh.plot.dots import DotPanel, dot_panels

Array = np.ndarray[Any, Any]
DTYPES = (np.float64, np.float32)
KINDS = ("ordinary", "tiny", "huge", "near")
EACH, LENGTH = 40, 12  # inputs of each kind; numbers in a vector


@dataclass(frozen=True)
class Ulps:
    """One op, one pass, one precision. way: "forward", or "∂a" for the partial of input a. median, largest: errors in
    ulps; worst: the inputs of the largest, and kind: which sort they are."""

    op: str
    way: str
    dtype: str
    median: float
    largest: float
    worst: tuple[float, ...]
    kind: str


def measure(names: Sequence[str] = (), each: int = EACH, seed: int = 0) -> list[Ulps]:
    """Every op named (of ORACLES; all without names), over ordinary, tiny, huge and near-special inputs.

    Raises ValueError for an op that has no oracle, ImportError without mpmath.
    """
    m = oracle()
    chosen = [_known(name) for name in names] or list(ORACLES)
    with np.errstate(all="ignore"):
        return [found for name in chosen for dtype in DTYPES
                for found in _measured(m, name, np.dtype(dtype), each, philox(seed))]


def _known(name: str) -> str:
    names = {op.lower(): op for op in ORACLES}
    wanted = name.lower().replace("_", "")
    if wanted not in names:
        near = ", ".join(names[n] for n in difflib.get_close_matches(wanted, names, 3, 0.4)) or "–"
        raise ValueError(text("check.ulp.unknown", op=name, near=near))
    return names[wanted]


def _measured(m: Any, name: str, dtype: np.dtype[Any], each: int, rng: np.random.Generator) -> list[Ulps]:
    row = ORACLES[name]
    partials = "x" if len(row.partials) == 1 else "ab"
    samples: dict[str, list[tuple[float, tuple[float, ...], str]]] = {"forward": [], **{f"∂{x}": [] for x in partials}}
    run = _vectors if row.vector else _elements
    for kind in KINDS:
        for sample, (errors, inputs) in zip(samples.values(), run(m, row, kind, dtype, each, rng), strict=True):
            sample += [(error, x, kind) for error, x in zip(errors, inputs, strict=True)]
    result = []
    for way, sample in samples.items():
        largest, worst, sort = max(sample, key=lambda each: each[0])
        result.append(Ulps(name, way, dtype.name, float(np.median([each[0] for each in sample])), largest, worst, sort))
    return result


Errors = tuple[list[float], list[tuple[float, ...]]]


def _elements(m: Any, row: Oracle, kind: str, dtype: np.dtype[Any], each: int,
              rng: np.random.Generator) -> list[Errors]:
    """Errors of the value and of every partial, and the inputs they belong to."""
    arrays = [DOMAINS[domain](_raw(kind, each, row, dtype, rng)).astype(dtype) for domain in row.domains]
    points = [tuple(map(float, point)) for point in zip(*arrays, strict=True)]
    found = _run(row, arrays, np.ones(each, dtype))
    result = []
    for values, exact in zip(found, (row.value, *row.partials), strict=True):
        truths = [exact(m, *map(m.mpf, point)) for point in points]
        result.append((ulps(m, values, truths, dtype), points))
    return result


def _vectors(m: Any, row: Oracle, kind: str, dtype: np.dtype[Any], each: int,
             rng: np.random.Generator) -> list[Errors]:
    result: list[Errors] = [([], []), ([], [])]
    for _ in range(max(1, each // LENGTH)):
        x = _raw(kind, LENGTH, row, dtype, rng).astype(dtype)
        exact = [m.mpf(float(xi)) for xi in x]
        value = row.value(m, exact)
        u = rng.normal(size=len(value)).astype(dtype)
        truths = value, row.partials[0](m, [m.mpf(float(ui)) for ui in u], exact)
        for (errors, inputs), values, truth in zip(result, _run(row, [x], u), truths, strict=True):
            errors += ulps(m, values.ravel(), truth, dtype)
            inputs += [tuple(map(float, x))] * values.size
    return result


def _raw(kind: str, count: int, row: Oracle, dtype: np.dtype[Any], rng: np.random.Generator) -> Array:
    """Real numbers of one kind."""
    top = 300 if dtype == np.float64 else 37
    sign = rng.choice([-1.0, 1.0], count)
    if kind == "ordinary":
        return 3 * rng.normal(size=count)
    if kind == "tiny":
        return np.asarray(sign * 10 ** rng.uniform(-top, -3, count))
    if kind == "huge":
        return np.asarray(sign * 10 ** rng.uniform(1, top, count))
    centre = rng.choice(row.special, count)
    return np.asarray(centre + sign * np.maximum(np.abs(centre), 1) * 2 ** rng.uniform(-52, -4, count))


def _run(row: Oracle, arrays: Sequence[Array], upstream: Array) -> list[Array]:
    """The engine's value and partials."""
    leaves = [tensor(x, dtype=x.dtype, requires_grad=True) for x in arrays]
    y = row.function(*leaves)
    y.backward(upstream.reshape(y.shape))
    return [y.numpy(), *(x.grad.numpy() for x in leaves)]  # type: ignore[union-attr]


def ulps(m: Any, found: Array, truths: Sequence[Any], dtype: np.dtype[Any]) -> list[float]:
    """|found − truth| in ulps of the truth; an infinity is right where the truth is beyond the largest number."""
    return [_ulps(m, y, truth, dtype) for y, truth in zip(found, truths, strict=True)]


def _ulps(m: Any, y: Any, truth: Any, dtype: np.dtype[Any]) -> float:
    nearest = dtype.type(float(truth))
    if not (np.isfinite(nearest) and np.isfinite(y)):
        return 0.0 if y == nearest else float("inf")
    return float(abs(m.mpf(float(y)) - truth) / m.mpf(float(np.spacing(np.abs(nearest)))))


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ops", nargs="*", metavar="OP", help=text("cli.check.ulp.ops"))
    add_out(parser, "ulp")


def run(arguments: argparse.Namespace) -> int:
    found = measure(arguments.ops)
    say("check.ulp.heading", each=EACH)
    show(["", "", *(f"{dtype} {text(f'check.ulp.{column}')}" for dtype in ("float64", "float32")
                    for column in ("median", "largest")), text("check.ulp.worst")],
         *[_row(*pair) for pair in _pairs(found)])
    say("check.ulp.advice")
    say("check.drawn", path=draw(found, arguments.out))
    return 0


def _pairs(found: Sequence[Ulps]) -> list[tuple[Ulps, Ulps]]:
    """float64 and float32 of every op and way, the largest error first."""
    single = {(u.op, u.way): u for u in found if u.dtype == "float32"}
    pairs = [(u, single[u.op, u.way]) for u in found if u.dtype == "float64"]
    return sorted(pairs, key=lambda pair: -pair[0].largest)


def _row(double: Ulps, single: Ulps) -> list[str]:
    numbers = [text(f"check.ulp.{double.way}") if double.way == "forward" else double.way]
    numbers += [_spelled(v) for v in (double.median, double.largest, single.median, single.largest)]
    worst = ", ".join(f"{x:.6g}" for x in double.worst[:2]) + (", …" if len(double.worst) > 2 else "")
    return [double.op, *numbers, f"{worst} ({text(f'check.ulp.kind.{double.kind}')})"]


def _spelled(ulps: float) -> str:
    return f"{ulps:.2f}" if ulps < 100 else f"{ulps:.0e}"


def draw(found: Sequence[Ulps], path: Any) -> Any:
    """The picture of a measurement."""
    order = [(u.op, u.way) for u, _ in _pairs(found)]
    panels = []
    for dtype in ("float64", "float32"):
        by = {(u.op, u.way): (u.median, u.largest) for u in found if u.dtype == dtype}
        panels.append(DotPanel(dtype, [by[key] for key in order]))
    names = [f"{op} {'' if way == 'forward' else way}".strip() for op, way in order]
    return dot_panels(panels, names, [way != "forward" for _, way in order], path, title=text("check.ulp.title"),
                      across=text("check.ulp.across"), best=0.5)
