"""Which class was taken for which. 混淆矩阵"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.i18n import display_width, text
from tinygrad_zh.plot.page import RULE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def confusion_matrix(counts: ArrayLike, labels: Sequence[object], path: str | os.PathLike[str]) -> Path:
    """Draw counts[i, j], how often the true class i was predicted as class j. 混淆矩阵

    Each cell shows its count and its share of the row; what is right is blue, what is wrong is orange and the
    darker the larger its share, scaled to the worst mistake. `counts` (n, n) of non-negative integers, n
    `labels`. Writes `path` (.png or .svg) and a .csv beside it, and returns `path`.

    Raises TypeError for counts that are not integers, ValueError if the shapes do not fit each other.
    """
    counts = np.asarray(counts)
    if counts.dtype.kind not in "iu":
        raise TypeError(f"counts are integers, but the dtype is {counts.dtype}")
    n = len(labels)
    if n == 0 or counts.shape != (n, n):
        raise ValueError(f"{n} labels need counts of shape {(n, n)}, but the shape is {counts.shape}")
    if (counts < 0).any():
        raise ValueError(f"counts are at least 0, but the least is {counts.min()}")

    names = [str(label) for label in labels]
    side = max(4.6, 1.4 + 0.62 * n)
    rows = ([name, *row] for name, row in zip(names, counts.tolist(), strict=True))
    return draw(path, (side, side), lambda figure: _paint(figure, counts, names), ["true", *names], rows)


def _paint(figure: Figure, counts: np.ndarray[Any, Any], names: list[str]) -> None:
    from matplotlib import colormaps

    n = len(names)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(n, dtype=bool)
    worst = share[~right].max(initial=0.0) or 1.0
    depth = 0.5 * np.where(right, share, share / worst)  # the paler half, where dark numbers are legible
    colours = np.where(right[..., None], colormaps["Blues"](depth), colormaps["Oranges"](depth))
    colours[counts == 0] = (1, 1, 1, 1)

    axes = figure.subplots()
    axes.imshow(colours)
    centred: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "center"}
    for i, j in np.argwhere(counts):
        axes.annotate(f"{counts[i, j]}", (j, i), (0, 3), **centred, fontsize=11)
        axes.annotate(f"{share[i, j]:.1%}", (j, i), (0, -9), **centred, fontsize=7)
    too_wide = max(map(display_width, names)) > 7  # for a cell, in half-width characters
    axes.set_xticks(range(n), names, rotation=90 if too_wide else 0)
    axes.set_yticks(range(n), names)
    axes.set_xticks(np.arange(n + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(n + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(True, which="minor", color=RULE)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(text("plot.predicted"))
    axes.set_ylabel(text("plot.true"))
    hits, total = int(np.trace(counts)), int(counts.sum())
    axes.set_title(text("plot.confusion", accuracy=hits / max(total, 1), right=hits, total=total))
