"""Where in the plane a classifier says which class. 决策区域"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.plot.page import BLUE, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = np.ndarray[Any, Any]

FINE = 200  # points of the grid along an axis


class Region(NamedTuple):
    """A classifier: points (n, 2) float32 → their classes (n,), 0 or 1. 中文：分类器。"""

    title: str
    classify: Callable[[Array], Array]


def decision_regions(regions: Sequence[Region], points: ArrayLike, classes: ArrayLike,
                     path: str | os.PathLike[str]) -> Path:
    """Draw what each classifier says of the plane around the points (n, 2), and their classes, 0 or 1. 决策区域

    Writes `path` (.png or .svg) and a .csv beside it with each point, its class, and what each classifier makes of it,
    and returns `path`. Raises ValueError if the shapes do not fit each other.
    """
    points, classes = np.asarray(points, np.float32), np.asarray(classes)
    if points.ndim != 2 or points.shape[1] != 2 or classes.shape != points.shape[:1]:
        raise ValueError(f"regions are drawn around points (n, 2) with n classes, not {points.shape} and "
                         f"{classes.shape}")
    low, high = points.min(axis=0) - 0.3, points.max(axis=0) + 0.3
    across, up = (np.linspace(low[i], high[i], FINE, dtype=np.float32) for i in (0, 1))
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)

    def paint(figure: Figure) -> None:
        for axes, region in zip(figure.subplots(1, len(regions), squeeze=False)[0], regions, strict=True):
            ground = region.classify(grid).reshape(FINE, FINE)
            axes.contourf(across, up, ground, levels=[-0.5, 0.5, 1.5], colors=[BLUE, ORANGE], alpha=0.2)
            for label, colour, marker in ((0, BLUE, "o"), (1, ORANGE, "^")):
                axes.plot(*points[classes == label].T, marker, ms=3.5, mew=0, color=colour)
            axes.set(title=region.title, box_aspect=1)
            axes.grid(False)

    columns = [region.classify(points) for region in regions]
    rows = ([*point, label, *said] for point, label, *said in zip(points, classes, *columns, strict=True))
    header = ["x1", "x2", "class", *(region.title for region in regions)]
    return draw(path, (3.6 * len(regions), 3.8), paint, header, rows)
