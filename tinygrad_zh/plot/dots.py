"""Errors of many functions as dots, one row a function: the median, and how far the worst is. 误差点图"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, GREY, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOOR, CEILING = 0.05, 1e6  # what is below or above stands on the edge


@dataclass(frozen=True)
class DotPanel:
    """One pair of axes. rows: (median, largest) of each function."""

    title: str
    rows: Sequence[tuple[float, float]]


def dot_panels(panels: Sequence[DotPanel], names: Sequence[str], backward: Sequence[bool],
               path: str | os.PathLike[str], *, title: str, across: str, best: float) -> Path:
    """Draw panels side by side over the same rows; backward rows in another colour. 各函数误差的点图

    best: the smallest error that rounding allows, a line. Writes `path` (.png or .svg) and a .csv beside it with
    panel, function, median and largest; returns `path`.
    """

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, panel in zip(grid, panels, strict=True):
            _paint(axes, panel, backward, across, best)
        grid[0].set_yticks(range(len(names)), names, fontsize=9)
        grid[0].set_ylim(len(names) - 0.4, -0.6)
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5)
        figure.legend(*grid[0].get_legend_handles_labels(), loc="outside lower center",
                      ncols=3 if len(panels) > 1 else 1)

    rows = ([panel.title, name, *row] for panel in panels for name, row in zip(names, panel.rows, strict=True))
    return draw(path, (4.4 * len(panels) + 1.2, 0.19 * len(names) + 1.8), paint,
                ["panel", "function", "median", "largest"], rows)


def _paint(axes: Any, panel: DotPanel, backward: Sequence[bool], across: str, best: float) -> None:
    axes.axvline(best, color=GREY, lw=1.2, label=text("plot.dots.best"))
    for way, colour, mark, key in ((False, BLUE, "o", "forward"), (True, ORANGE, "D", "backward")):
        rows = [(i, *map(_inside, row)) for i, row in enumerate(panel.rows) if backward[i] == way]
        if not rows:
            continue
        places, medians, largest = zip(*rows, strict=True)
        axes.hlines(places, medians, largest, color=colour, lw=1.4, alpha=0.55)
        axes.plot(medians, places, "|", color=colour, ms=8, mew=1.8)
        axes.plot(largest, places, mark, color=colour, ms=4.5, label=text(f"plot.dots.{key}"))
    axes.set(xscale="log", title=panel.title, xlabel=across)
    axes.set_xlim(FLOOR / 1.5, None)


def _inside(value: float) -> float:
    return min(max(value, FLOOR), CEILING) if not math.isnan(value) else CEILING
