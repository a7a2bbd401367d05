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
NUMBER = 0.22  # how high a number is, as a logarithm of the vertical axis


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

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
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
        axes.text(1.02, 1.0, "\n".join(_number(axes, drawn)), transform=axes.transAxes, va="top", fontsize=9,
                  linespacing=1.5)
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(floor, 2.2 * peak), xlabel=text("plot.intensity"),
                 ylabel=text("plot.flops"), title=title)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9.5)

    rows = ([p.kernel, p.body, p.intensity, p.flops] for p in points)
    return draw(path, (10.0, 6.2), paint, ["kernel", "body", "flops_a_byte", "flops_a_second"], rows)


def _number(axes: Any, points: Sequence[Point]) -> list[str]:
    """Each kernel's number over its highest point, or higher where another stands there; the numbers' meanings."""
    best: dict[str, Point] = {}
    for point in points:
        if point.kernel not in best or point.flops > best[point.kernel].flops:
            best[point.kernel] = point
    order = sorted(best.values(), key=lambda point: (point.intensity, point.flops))
    taken: list[tuple[float, float]] = []
    for number, point in enumerate(order, 1):
        height = 1.1 * point.flops
        while any(abs(np.log(point.intensity / x)) < 0.12 and abs(np.log(height / y)) < NUMBER for x, y in taken):
            height *= 1.1
        taken.append((point.intensity, height))
        axes.text(point.intensity, height, f"{number}", ha="center", va="bottom", fontsize=8.5, zorder=4,
                  bbox={"fc": "white", "ec": "none", "pad": 0.6, "alpha": 0.75})
    return [f"{number}  {point.kernel}" for number, point in enumerate(order, 1)]
