"""How loss and accuracy went, epoch by epoch. 训练曲线"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import text
from tinygrad_zh.plot.page import BLUE, ORANGE, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEST: dict[str, Callable[..., Any]] = {"loss": min, "accuracy": max}


def loss_curve(history: Mapping[str, Sequence[float]], path: str | os.PathLike[str]) -> Path:
    """Draw the loss over the epochs, and the accuracy beside it where there is one. 损失曲线

    `history` gives one number an epoch under "loss", "validation_loss", "accuracy" and "validation_accuracy";
    of these only "loss" must be there, and other names are left out. The lowest loss and the highest accuracy
    are marked, on the validation data where there are any. Writes `path` (.png or .svg) and a .csv beside it,
    and returns `path`.

    Raises ValueError if there is no loss, or if the numbers of epochs differ.
    """
    if not len(history.get("loss", ())):
        raise ValueError(f'history needs one "loss" an epoch, but it has {dict.fromkeys(history)!r}')
    panels = [kind for kind in _BEST if history.keys() & {kind, f"validation_{kind}"}]
    series = [n for kind in panels for n in (kind, f"validation_{kind}") if n in history]
    epochs = {name: len(history[name]) for name in series}
    if len(set(epochs.values())) > 1:
        raise ValueError(f"every series in history needs one number an epoch, but their lengths are {epochs}")

    def paint(figure: Figure) -> None:
        for kind, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
            _panel(axes, kind, history)

    rows = zip(range(1, epochs["loss"] + 1), *(history[name] for name in series), strict=True)
    return draw(path, (5.4 * len(panels), 3.8), paint, ["epoch", *series], rows)


def _panel(axes: Any, kind: str, history: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    lines = [(kind, text("plot.train"), BLUE), (f"validation_{kind}", text("plot.validation"), ORANGE)]
    lines = [(name, label, colour) for name, label, colour in lines if name in history]
    for name, label, colour in lines:
        values = history[name]
        marker = "o" if len(values) <= 30 else ""
        axes.plot(range(1, len(values) + 1), values, marker, ls="-", ms=3, lw=1.6, color=colour, label=label)
    _mark_best(axes, kind, history[lines[-1][0]], lines[-1][2])
    axes.set_title(text(f"plot.{kind}"))
    axes.set_xlabel(text("plot.epoch"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(False, axis="x")
    axes.margins(x=0.04, y=0.12)
    if len(lines) > 1:
        axes.legend(loc="upper right" if kind == "loss" else "lower right")


def _mark_best(axes: Any, kind: str, values: Sequence[float], colour: str) -> None:
    finite = [(value, epoch) for epoch, value in enumerate(values, 1) if math.isfinite(value)]
    if not finite:
        return
    best, epoch = _BEST[kind](finite, key=lambda point: point[0])
    axes.plot(epoch, best, "o", ms=8, mfc="white", mec=colour, mew=1.8, zorder=3)
    along = epoch / len(values)
    axes.annotate(
        text(f"plot.best_{kind}", value=best, epoch=epoch),
        (epoch, best),
        xytext=(0, 12 if kind == "loss" else -12),
        textcoords="offset points",
        ha="left" if along < 0.2 else "right" if along > 0.8 else "center",
        va="bottom" if kind == "loss" else "top",
        fontsize=9.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
    )
