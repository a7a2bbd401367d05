"""What several methods say of a slope at a kink, and just beside it. 折点处的斜率"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, GREY, INK, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGE = 10.0  # slopes beyond this stand on a logarithmic axis


@dataclass(frozen=True)
class KinkPanel:
    """One function. sides: its slopes to the left and to the right of the kink; slope: the one beside it. at,
    beside: what each method says."""

    title: str
    sides: tuple[float, float]
    slope: float
    at: Sequence[float]
    beside: Sequence[float]


def kink_panels(panels: Sequence[KinkPanel], methods: Sequence[str], path: str | os.PathLike[str], *,
                beside: float) -> Path:
    """Draw one panel a function, one row a method. 折点处各方法给出的斜率

    Writes `path` (.png or .svg) and a .csv beside it with function, method, at and beside; returns `path`.
    """

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, panel in zip(grid, panels, strict=True):
            _paint(axes, panel, beside)
        grid[0].set_yticks(range(len(methods)), methods)
        grid[0].invert_yaxis()
        figure.suptitle(text("plot.kinks.title"), x=0.01, ha="left", fontsize=12.5)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)

    rows = ([panel.title, *row] for panel in panels for row in zip(methods, panel.at, panel.beside, strict=True))
    return draw(path, (2.5 * len(panels) + 1, 4.2), paint, ["function", "method", "at", "beside"], rows)


def _paint(axes: Any, panel: KinkPanel, beside: float) -> None:
    said = [value for value in (*panel.at, *panel.beside, panel.slope) if math.isfinite(value)]
    reach = max(map(abs, said))
    if reach > LARGE:
        axes.set_xscale("symlog")
        axes.set_xticks([-(10.0**4), -(10.0**2), 0, 10.0**2, 10.0**4])
    low, high = (min(max(side, -2 * reach), 2 * reach) for side in panel.sides)
    width = 0.02 * reach
    axes.axvspan(low - width, high + width, color=GREY, alpha=0.25, lw=0, label=text("plot.kinks.sides"))
    axes.axvline(panel.slope, color=ORANGE, lw=1, ls="--", label=text("plot.kinks.slope", x=beside))
    for values, mark, colour, key in ((panel.at, "o", BLUE, "at"), (panel.beside, "D", ORANGE, "beside")):
        rows = [(value, i) for i, value in enumerate(values) if math.isfinite(value)]
        face = colour if key == "at" else "none"
        axes.plot(*zip(*rows, strict=True), mark, ms=7 if key == "at" else 9, mfc=face, mec=colour, mew=1.4,
                  label=text(f"plot.kinks.{key}", x=beside))
        for i, value in enumerate(values):
            if not math.isfinite(value):
                word = "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
                axes.text(0, i, word, color=INK, ha="center", va="center")
    axes.set(title=panel.title, xlabel=text("plot.kinks.slope_axis"))
