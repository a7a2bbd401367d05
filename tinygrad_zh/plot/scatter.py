"""What was predicted against what is true: on the line where both are equal, if all is well. 散点图"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, GREY, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = Sequence[float] | np.ndarray[Any, Any]


def predicted_and_true(
    clouds: Mapping[str, tuple[Numbers, Numbers]], path: str | os.PathLike[str]
) -> Path:
    """Draw {name: (true, predicted)}, a panel a name, all on the same scale, with the line of equality. 散点图

    Writes `path` (.png or .svg) and a .csv beside it with name, true and predicted, and returns `path`.

    Raises ValueError for no cloud, or for one whose lengths differ.
    """
    if not clouds:
        raise ValueError("there is nothing to draw: no predictions were given")
    for name, (true, predicted) in clouds.items():
        if len(true) != len(predicted):
            raise ValueError(f'"{name}" has {len(true)} true values and {len(predicted)} predicted ones')
    values = np.concatenate([np.ravel(side) for cloud in clouds.values() for side in cloud])
    span = float(values.min()), float(values.max())

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(clouds), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (name, cloud) in zip(panels, clouds.items(), strict=True):
            axes.plot(span, span, color=GREY, lw=1)
            axes.plot(*cloud, "o", ms=3, mew=0, color=BLUE, alpha=0.35)
            axes.set(title=name, xlabel=text("plot.true_value"), box_aspect=1)
        panels[0].set_ylabel(text("plot.predicted_value"))

    rows = ([name, *pair] for name, cloud in clouds.items() for pair in zip(*cloud, strict=True))
    return draw(path, (3.6 * len(clouds), 4.3), paint, ["name", "true", "predicted"], rows)
