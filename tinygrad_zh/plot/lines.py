"""Lines in panels side by side: how a quantity went, under this and under that. 折线图"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.plot.page import BLUE, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, Color Universal Design, each with a dash of its own for print in grey.
STYLES = ((BLUE, "-"), (ORANGE, "--"), ("#009E73", "-."), ("#CC79A7", ":"), ("#56B4E9", (0, (5, 1, 1, 1, 1, 1))))

Numbers = Sequence[float] | np.ndarray[Any, Any]
Points = tuple[Numbers, Numbers]


@dataclass(frozen=True)
class Panel:
    """One pair of axes. 中文：一幅子图。

    lines: {name: (x, y)}; a name has the same style in every panel. log: the y axis is logarithmic. limits: of the y
    axis, None where the lines' own will do. marks: points (x, y) that are ringed.
    """

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]
    log: bool = False
    limits: tuple[float | None, float | None] = (None, None)
    marks: Sequence[tuple[float, float]] = ()


def line_panels(panels: Sequence[Panel], path: str | os.PathLike[str], columns: int | None = None) -> Path:
    """Draw the lines of every panel, at most 5 names in all; one legend below where all panels have the same. 折线图

    `columns` panels stand side by side, by default all. Values that are not finite are left out of the picture,
    not of the table. Writes `path` (.png or .svg) and a .csv beside it with panel, line, x and y, and returns `path`.

    Raises ValueError for no panel, more than 5 names, or a line whose x and y differ in length.
    """
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    if not panels or len(names) > len(STYLES):
        raise ValueError(f"lines are drawn in 1 panel or more, under 1 to {len(STYLES)} names, not {len(panels)} "
                         f"panels and the names {names}")
    for panel in panels:
        for name, (x, y) in panel.lines.items():
            if len(x) != len(y):
                raise ValueError(f'the line "{name}" has {len(x)} x and {len(y)} y')
    styles = dict(zip(names, STYLES, strict=False))
    shared = len(names) > 1 and all(panel.lines.keys() == set(names) for panel in panels)
    columns = columns or len(panels)
    rows = -(-len(panels) // columns)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, panel in zip(grid.ravel(), panels, strict=False):
            _paint(axes, panel, styles)
            if not shared and len(panel.lines) > 1:
                axes.legend()
        if shared:
            figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(names))

    table = ([panel.title, name, x, y] for panel in panels for name, points in panel.lines.items()
             for x, y in zip(*points, strict=True))
    return draw(path, (4.2 * columns, 3.3 * rows + 0.4), paint, ["panel", "line", "x", "y"], table)


def _paint(axes: Any, panel: Panel, styles: Mapping[str, Any]) -> None:
    for name, points in panel.lines.items():
        colour, dash = styles[name]
        axes.plot(*points, color=colour, ls=dash, lw=1.8, label=name)
    for x, y in panel.marks:
        axes.plot(x, y, "o", ms=8, mfc="none", mec="black", mew=1.4)
    if panel.log:
        axes.set_yscale("log")
    axes.set_ylim(*panel.limits)
    axes.set(title=panel.title, xlabel=panel.across, ylabel=panel.up)
