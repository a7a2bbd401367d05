"""How near kernels come to what the machine can do: the roofline (Williams, Waterman, Patterson 2009). 屋顶线"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, GREY, INK, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design, each with a mark of its own for print in grey.
MARKS = ((ORANGE, "o"), (BLUE, "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"),
         ("#000000", "X"), (GREY, "*"))
LEFT, ACROSS, BELOW, HEIGHT = 0.85, 6.6, 1.75, 7.6  # inches: of the margin, the axes, what is below them, and the page
COLUMN, NAMES = 2.6, 26  # inches: of a column of kernels' names; and how many stand in one
NUMBER = 0.022  # how high a number is, as a share of the vertical axis


@dataclass(frozen=True)
class Point:
    """One kernel by one body: operations a byte, and operations a second. 中文：屋顶线图上的一点"""

    kernel: str
    body: str
    intensity: float
    flops: float


def roofline(points: Sequence[Point], bandwidths: Mapping[str, float], peak: float, path: str | os.PathLike[str], *,
             title: str) -> Path:
    """Draw min(peak, bandwidth · intensity), a roof for each named bandwidth, and the kernels under it. 屋顶线图

    `bandwidths` in bytes a second, `peak` in operations a second, both measured. A kernel's number stands above its
    highest point, bodies differ by colour and mark. Points without operations cannot be drawn and are only in the
    table. Writes `path` (.png or .svg) and a .csv beside it, and returns `path`.

    Raises ValueError where no point has operations, or for more than 8 bodies.
    """
    drawn = [point for point in points if point.intensity > 0 and point.flops > 0]
    bodies = list(dict.fromkeys(point.body for point in drawn))
    if not drawn or len(bodies) > len(MARKS):
        raise ValueError(f"a roofline shows points with operations, of 1 to {len(MARKS)} bodies, not {len(drawn)} "
                         f"points of the bodies {bodies}")
    ridge = peak / min(bandwidths.values())
    low = min(point.intensity for point in drawn) / 2
    high = 4 * max(ridge, *(point.intensity for point in drawn))
    floor = min(point.flops for point in drawn) / 2
    columns = -(-len({point.kernel for point in drawn}) // NAMES)
    width = LEFT + ACROSS + 0.2 + COLUMN * columns

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("none")
        axes = figure.add_axes((LEFT / width, BELOW / HEIGHT, ACROSS / width, 1 - (BELOW + 0.4) / HEIGHT))
        x = np.geomspace(low, high, 400)
        for dash, (name, bandwidth) in zip(("-", "--", ":"), bandwidths.items(), strict=False):
            roof = np.minimum(peak, bandwidth * x)
            axes.plot(x, roof, dash, color=INK, lw=1.6, label=text("plot.roof", name=name, gigabytes=bandwidth / 1e9))
        axes.annotate(text("plot.roof_peak", gigaflops=peak / 1e9), (high, peak), (-4, 4), ha="right",
                      textcoords="offset points", fontsize=9.5)
        for body, (colour, mark) in zip(bodies, MARKS, strict=False):
            own = [point for point in drawn if point.body == body]
            axes.plot([p.intensity for p in own], [p.flops for p in own], mark, color=colour, ms=6.5, mew=0.6,
                      mec="white", label=body, zorder=3)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor, 2.2 * peak), xlabel=text("plot.intensity"),
                 ylabel=text("plot.flops"), title=title)
        names = _number(axes, drawn)
        for i in range(columns):
            axes.annotate("\n".join(names[i * NAMES:(i + 1) * NAMES]), (1, 1), (14 + 72 * COLUMN * i, 0), va="top",
                          xycoords="axes fraction", textcoords="offset points", fontsize=9, linespacing=1.5)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=9.5)

    rows = ([p.kernel, p.body, p.intensity, p.flops] for p in points)
    return draw(path, (width, HEIGHT), paint, ["kernel", "body", "flops_a_byte", "flops_a_second"], rows)


def _number(axes: Any, points: Sequence[Point]) -> list[str]:
    """Each kernel's number over its highest point, or higher where another stands there; the numbers' meanings."""
    (left, right), (low, high) = (np.log(axes.get_xlim()), np.log(axes.get_ylim()))
    best: dict[str, Point] = {}
    for point in points:
        if point.kernel not in best or point.flops > best[point.kernel].flops:
            best[point.kernel] = point
    order = sorted(best.values(), key=lambda point: (point.intensity, point.flops))
    taken: list[tuple[float, float]] = []
    for number, point in enumerate(order, 1):
        x, y = (np.log(point.intensity) - left) / (right - left), (np.log(point.flops) - low) / (high - low) + 0.008
        while any(abs(x - other) < NUMBER and abs(y - above) < NUMBER for other, above in taken):
            y += NUMBER / 4
        taken.append((x, y))
        axes.text(x, y, f"{number}", transform=axes.transAxes, ha="center", va="bottom", fontsize=8, zorder=4,
                  bbox={"fc": "white", "ec": "none", "pad": 0.3, "alpha": 0.7})
    return [f"{number}  {point.kernel}" for number, point in enumerate(order, 1)]
