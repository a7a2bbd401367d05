"""A gradient check on one page: what was claimed against what was measured, and how far apart, element by element.
梯度检验图"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.i18n import text, wrap
from tinygrad_zh.plot.page import BLUE, GREY, INK, ORANGE, RULE, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Row = Mapping[str, Any]

SHADES = "cividis"  # the same to colour-blind eyes: Nuñez, Anderton, Renslow 2018
LOWEST, HIGHEST = -16, 0  # log₁₀ of the relative errors that shades tell apart
OWN = 3  # inputs with a panel of their own
WIDE = 1e3  # largest / median, beyond which an axis is logarithmic
DECADES = 1e4  # largest / smallest that such an axis tells from 0
KINDS: dict[str, dict[str, Any]] = {  # how a row is drawn, and what it is called
    "right": {"marker": "o", "color": BLUE, "markersize": 5, "alpha": 0.75},
    "kink": {"marker": "D", "color": "white", "markeredgecolor": BLUE, "markersize": 6, "markeredgewidth": 1.5},
    "other": {"marker": "s", "color": "white", "markeredgecolor": GREY, "markersize": 6, "markeredgewidth": 1.5},
    "wrong": {"marker": "X", "color": ORANGE, "markeredgecolor": "white", "markersize": 8, "zorder": 4},
}


def gradient_report(rows: Sequence[Row], path: str | os.PathLike[str], *, title: Callable[[], str]) -> Path:
    """Draw the rows of a gradient check, a dictionary each as `Report.table()` gives them. 梯度检验图

    To the left analytic against numeric, of each element and of directions that are wrong: right ones lie on the line,
    at a kink the span of its slopes reaches it. To the right the relative errors: as a map of an input with two axes
    whose every element was measured, one by one for an input with one axis, and otherwise sorted, with what was
    allowed of each; a gradient of 0 has none. title() is asked for in the language of the picture. Writes `path`
    (.png or .svg) and a .csv of all rows beside it, and returns `path`.

    Raises ValueError if there are no rows.
    """
    if not rows:
        raise ValueError("there is nothing to draw: the check measured nothing")
    telling = [row for row in rows if row["element"] is not None or not row["passed"]] or rows
    names = list(dict.fromkeys(row["name"] for row in telling))
    shapes = {name: shape for name in names if (shape := whole([row for row in rows if row["name"] == name]))}
    maps = [name for name, shape in shapes.items() if len(shape) == 2] if len(names) <= OWN else []
    lists = [name for name, shape in shapes.items() if len(shape) == 1] if len(names) <= OWN else []
    rest = [row for row in telling if row["name"] not in {*maps, *lists}]
    panels = len(maps) + len(lists) + bool(rest)

    def head() -> list[str]:
        return [line for part in title().split("\n") for line in wrap(part, 60 + 45 * panels)]

    def paint(figure: Figure) -> None:
        figure.suptitle("\n".join(head()), x=0.01, ha="left", fontsize=12, parse_math=False)
        first, *others = figure.subplots(1, 1 + panels, squeeze=False)[0]
        _against(first, telling)
        own = {name: [row for row in telling if row["name"] == name and row["element"] is not None]
               for name in [*maps, *lists]}
        for axes, (name, some) in zip(others, own.items(), strict=False):
            axes.set_title(text("plot.gradient.each", name=name), parse_math=False)
            if name in maps:
                _map(axes, some, shapes[name])
            else:
                _dots(axes, some)
        if maps:
            _bar(figure, others[: len(maps)])
        if rest:
            others[-1].set_title(text("plot.gradient.sorted"))
            others[-1].set_xlabel(text("plot.gradient.rank"))
            _dots(others[-1], sorted(rest, key=relative_error))

    header = list(rows[0])
    table = ([row[name] for name in header] for row in rows)
    return draw(path, (5.0 + 4.4 * panels, 4.8 + 0.22 * len(head())), paint, header, table)


def kind_of(row: Row) -> str:
    """How a row is drawn."""
    if not row["passed"]:
        return "wrong"
    return {"smooth": "right", "kink": "kink"}.get(row["verdict"], "other")


def whole(rows: Sequence[Row]) -> tuple[int, ...] | None:
    """The shape of an input with one or two axes, as its largest indices say; None if not all of it was measured."""
    elements = [row["element"] for row in rows if row["element"] is not None]
    if not elements or len(elements[0]) not in (1, 2):
        return None
    shape = tuple(max(along) + 1 for along in zip(*elements, strict=True))
    return shape if len(elements) == math.prod(shape) else None


def relative_error(row: Row) -> float:
    """What is drawn: 0 where both are 0 but for what was allowed, ∞ where one is no number."""
    if row["passed"] and max(abs(row["analytic"]), abs(row["numeric"])) <= row["tolerance"]:
        return 0.0
    return float(row["relative_error"]) if math.isfinite(row["relative_error"]) else math.inf


def _drawn(axes: Axes, kind: str, x: Sequence[float], y: Sequence[float], **more: Any) -> None:
    if len(x):
        axes.plot(x, y, ls="", **(KINDS[kind] | more))


# ---- panels


def _against(axes: Axes, rows: Sequence[Row]) -> None:
    """Analytic against numeric; what is not finite at the lower edge."""
    finite = [row for row in rows if math.isfinite(row["analytic"]) and math.isfinite(row["numeric"])]
    lost = [row for row in rows if row not in finite]
    numeric = [row["numeric"] for row in lost if math.isfinite(row["numeric"])]
    values = np.array([row[side] for row in finite for side in ("analytic", "numeric")] + numeric or [0.0])
    for kind in KINDS:
        some = [row for row in finite if kind_of(row) == kind]
        _drawn(axes, kind, [row["numeric"] for row in some], [row["analytic"] for row in some],
               label=text(f"plot.gradient.{kind}", number=len(some)))
    for row in finite:
        x, allowed = row["numeric"], row["tolerance"]
        span = (row["left"], row["right"]) if row["verdict"] == "kink" else (x - allowed, x + allowed)
        axes.plot(span, [row["analytic"]] * 2, "-", color=GREY, lw=1.2, zorder=1)
    places = [*numeric, *[float(values.min())] * (len(lost) - len(numeric))]
    _drawn(axes, "wrong", places, [0.02] * len(lost), marker="v", transform=axes.get_xaxis_transform(), clip_on=False,
           label=text("plot.gradient.not_finite", number=len(lost)))
    axes.plot([values.min(), values.max()], [values.min(), values.max()], "-", color=INK, lw=0.8, zorder=1)
    sizes = np.abs(values[values != 0])
    if sizes.size and sizes.max() > WIDE * np.median(sizes):
        axes.set_xscale("symlog", linthresh=sizes.max() / DECADES)
        axes.set_yscale("symlog", linthresh=sizes.max() / DECADES)
        axes.xaxis.get_major_locator().set_params(numticks=5)  # type: ignore[call-arg]
        axes.yaxis.get_major_locator().set_params(numticks=9)  # type: ignore[call-arg]
    else:
        axes.locator_params("x", nbins=5)
    axes.set_xlabel(text("plot.gradient.numeric"))
    axes.set_ylabel(text("plot.gradient.analytic"))
    axes.margins(0.08)
    axes.legend(loc="best", frameon=True, framealpha=0.9, edgecolor="none")


def _map(axes: Axes, rows: Sequence[Row], shape: tuple[int, ...]) -> None:
    """The relative errors in the shape of the input; kinks, which have none, and what is wrong bear their marks."""
    from matplotlib.ticker import MaxNLocator

    errors = np.full(shape, np.nan)
    for row in rows:
        if kind_of(row) in ("right", "wrong"):
            errors[row["element"]] = max(relative_error(row), 10.0**LOWEST)
    axes.set_facecolor(RULE)  # of elements without a number
    axes.imshow(np.log10(errors), SHADES, vmin=LOWEST, vmax=HIGHEST, interpolation="nearest", aspect="auto")
    for kind in ("kink", "other", "wrong"):
        places = [row["element"] for row in rows if kind_of(row) == kind]
        _drawn(axes, kind, [x for _, x in places], [y for y, _ in places])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(False)


def _bar(figure: Figure, maps: Sequence[Axes]) -> None:
    """What the shades of the maps mean."""
    powers = range(LOWEST, HIGHEST + 1, 4)
    bar = figure.colorbar(maps[0].images[0], ax=list(maps), orientation="horizontal", fraction=0.05, ticks=powers)
    bar.ax.set_xticklabels([f"{'≤ ' if power == LOWEST else ''}$10^{{{power}}}$" for power in powers])


def _dots(axes: Axes, rows: Sequence[Row]) -> None:
    """One relative error beside the other, and what was allowed of each; kinks, which have none, at the upper edge."""
    from matplotlib.ticker import MaxNLocator

    for kind in KINDS:
        places = [place for place, row in enumerate(rows) if kind_of(row) == kind]
        if kind in ("right", "wrong"):
            errors = [min(max(relative_error(rows[place]), 10.0**LOWEST), 10.0**HIGHEST) for place in places]
            _drawn(axes, kind, places, errors)
        else:
            _drawn(axes, kind, places, [0.98] * len(places), transform=axes.get_xaxis_transform(), clip_on=False)
    for place, row in enumerate(rows):
        size = max(abs(row["analytic"]), abs(row["numeric"]))
        if kind_of(row) in ("right", "wrong") and size and math.isfinite(size):
            axes.plot(place, min(max(row["tolerance"] / size, 10.0**LOWEST), 10.0**HIGHEST), "_", color=GREY, ms=7)
    axes.set_yscale("log")
    axes.set_ylim(10.0**LOWEST / 3, 10.0**HIGHEST * 3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(False, axis="x")
