"""The error of numerical derivatives against the step: measured points, theory's curves. 误差与步长"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, GREY, INK, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ((ORANGE, "o"), (BLUE, "s"), ("#009E73", "^"), ("#CC79A7", "D"))  # Okabe and Ito, each with a mark of its own
LOWEST, HIGHEST = 1e-17, 30.0  # of the relative errors shown; 0 stands on the floor


@dataclass(frozen=True)
class StepCurve:
    """One scheme: its relative errors and what theory says of them, one a step; best: the step to ring, if any."""

    name: str
    errors: ArrayLike
    theory: ArrayLike
    best: float | None = None


@dataclass(frozen=True)
class StepPanel:
    """The curves of one precision over the same steps. band: the error and the error bar of a method without a fixed
    step, if there is one."""

    title: str
    steps: ArrayLike
    curves: Sequence[StepCurve]
    band: tuple[float, float] | None = None


def step_panels(panels: Sequence[StepPanel], path: str | os.PathLike[str], *, title: str) -> Path:
    """Draw the panels side by side, both axes logarithmic, at most 4 curves in each. 误差随步长变化的曲线

    Writes `path` (.png or .svg) and a .csv beside it with panel, scheme, step, error and theory; returns `path`.
    """

    def paint(figure: Figure) -> None:
        grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axes, panel in zip(grid, panels, strict=True):
            _paint(axes, panel)
        grid[0].set_ylabel(text("plot.steps.error"))
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5)
        handles, names = grid[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names) // 2 + len(names) % 2)

    rows = ([panel.title, curve.name, h, error, theory] for panel in panels for curve in panel.curves
            for h, error, theory in zip(np.asarray(panel.steps), np.asarray(curve.errors), np.asarray(curve.theory),
                                        strict=True))
    return draw(path, (5.2 * len(panels), 5.0), paint, ["panel", "scheme", "step", "error", "theory"], rows)


def _paint(axes: Any, panel: StepPanel) -> None:
    steps = np.asarray(panel.steps)
    for curve, (colour, mark) in zip(panel.curves, STYLES, strict=False):
        errors = np.asarray(curve.errors, float)
        axes.plot(steps, np.maximum(errors, LOWEST), mark, ms=2.8, color=colour, label=curve.name)
        axes.plot(steps, curve.theory, "-", lw=1.2, color=colour, alpha=0.65)
        if curve.best is not None:
            height = errors[int(np.argmin(np.abs(steps - curve.best)))]
            axes.plot(curve.best, max(height, LOWEST), mark, ms=11, mfc="none", mec=INK, mew=1.4, zorder=4)
    if panel.band:
        error, bar = (max(value, LOWEST) for value in panel.band)
        axes.axhspan(error, max(bar, 1.3 * error), color=GREY, alpha=0.3, lw=0, label=text("plot.steps.ladder"))
    axes.plot([], [], "-", lw=1.2, color=GREY, label=text("plot.steps.theory"))
    axes.plot([], [], "o", ms=9, mfc="none", mec=INK, mew=1.4, label=text("plot.steps.best"))
    axes.set(xscale="log", yscale="log", ylim=(LOWEST / 2, HIGHEST), xlabel=text("plot.steps.step"), title=panel.title)
    powers = range(-16, 2, 2)
    axes.set_yticks([LOWEST, *(10.0**p for p in powers)], ["0", *(f"$10^{{{p}}}$" for p in powers)])
