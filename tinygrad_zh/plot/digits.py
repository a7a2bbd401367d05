"""A page of the digits that the network read wrongly. 误读的数字"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import GREY, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, MOST = 10, 60


def misread_digits(
    images: ArrayLike,
    true: ArrayLike,
    predicted: ArrayLike,
    confidence: ArrayLike,
    path: str | os.PathLike[str],
) -> Path:
    """Draw the images whose predicted class is not the true one, at most 60, the surest first. 误读的数字

    `images` (n, height, width), or (n, side²) for square ones; `true` and `predicted` (n,) classes;
    `confidence` (n,), the probability of the predicted class. Rightly read images are left out, so a whole
    test set may be given. Writes `path` (.png or .svg) and a .csv beside it, whose column "index" counts in
    `images`, and returns `path`.

    Raises ValueError if the shapes do not fit each other.
    """
    pictures = _as_pictures(np.asarray(images))
    true, predicted, confidence = (np.asarray(each) for each in (true, predicted, confidence))
    shapes = {each.shape for each in (true, predicted, confidence)}
    if shapes != {pictures.shape[:1]}:
        raise ValueError(
            f"{len(pictures)} images need as many true and predicted classes and confidences, "
            f"but their shapes are {true.shape}, {predicted.shape} and {confidence.shape}"
        )
    wrong = np.flatnonzero(true != predicted)
    shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST]

    def paint(figure: Figure) -> None:
        figure.suptitle(_title(len(wrong), len(shown), len(pictures)), fontsize=12)
        cells = figure.subplots(_rows(len(shown)), COLUMNS, squeeze=False).ravel()
        for axes in cells:
            axes.set_axis_off()
        for axes, i in zip(cells, shown, strict=False):
            _digit(axes, pictures[i], true[i], predicted[i], confidence[i])

    table = [(i, true[i], predicted[i], float(confidence[i])) for i in shown]
    size = (10.0, 0.5 + 1.22 * _rows(len(shown)))
    return draw(path, size, paint, ["index", "true", "predicted", "confidence"], table)


def _as_pictures(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if images.ndim == 3:
        return images
    side = math.isqrt(images.shape[-1]) if images.ndim == 2 else 0
    if not side or side * side != images.shape[-1]:
        raise ValueError(
            f"images are (n, height, width), or (n, side²) for square ones, but the shape is {images.shape}"
        )
    return images.reshape(len(images), side, side)


def _rows(count: int) -> int:
    return max(1, math.ceil(count / COLUMNS))


def _title(wrong: int, shown: int, total: int) -> str:
    if not wrong:
        return text("plot.misread_none", total=total)
    if shown < wrong:
        return text("plot.misread_surest", wrong=wrong, shown=shown, total=total)
    return text("plot.misread_all", wrong=wrong, total=total)


def _digit(axes: Any, picture: Any, true: Any, predicted: Any, confidence: float) -> None:
    axes.imshow(picture, cmap="gray_r", interpolation="nearest")  # dark ink on white paper
    words = {"transform": axes.transAxes, "va": "top", "fontsize": 11}
    axes.text(0.06, -0.04, f"{true} →", ha="left", **words)
    axes.text(0.43, -0.04, f"{predicted}", ha="left", color=ORANGE, **words)
    axes.text(0.98, -0.06, f"{confidence:.0%}", ha="right", color=GREY, **{**words, "fontsize": 9})
