"""Where the tokens look: attention as heat maps, and as shades behind a text. 注意力图"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.i18n import display_width, fill, text, visible, wrap
from tinygrad_zh.plot.page import GREY, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHADES = "magma_r"  # perceptually uniform (van der Walt and Smith, 2015), and pale at 0 as the paper is
CELL, WIDEST = 0.3, 13.0  # inches: of a token where there is room, and of all heat maps side by side
EDGE, NOTE, BELOW = 0.15, 0.25, 0.75  # inches: of a margin, of a line under the title, of the colour bar's strip
NARROWEST = 3.8  # inches: of a page
LINE = 48  # terminal cells in a line of the strip, which are 24 Chinese characters


def attention_map(
    weights: ArrayLike,
    rows: Sequence[str],
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    title: str | None = None,
) -> Path:
    """Draw P[i, j], how much token i attends to token j, one heat map a head. 注意力热力图

    `weights` (n, m), or (heads, n, m), whose heat maps share one scale from 0 to the largest weight; n `rows`,
    the attending tokens (queries), and m `columns`, those attended to (keys), by default the same. Where tokens
    are too many for every one to be written, each second, third, … is. Writes `path` (.png or .svg) and a .csv
    beside it, and returns `path`.

    Raises TypeError for weights that are not numbers, ValueError if one is negative or not finite, or if the
    shapes do not fit each other.
    """
    weights = checked_weights(weights)
    columns = rows if columns is None else columns
    if weights.ndim not in (2, 3) or weights.size == 0:
        raise ValueError(
            f"weights are (n, m) or (heads, n, m), with at least one of each, but the shape is {weights.shape}"
        )
    n, m = len(rows), len(columns)
    if weights.shape[-2:] != (n, m):
        raise ValueError(f"{n} rows and {m} columns need {(n, m)} weights a head, but the shape is {weights.shape}")

    heads = weights.reshape(-1, n, m)
    page = _Maps(heads, [visible(each) for each in rows], [visible(each) for each in columns], title)
    table = ([i, token, *row] for i, head in enumerate(heads, 1) for token, row in zip(rows, head, strict=True))
    return draw(path, page.size, page.paint, ["head", "query", *columns], table)


def attention_over_text(
    weights: ArrayLike, tokens: Sequence[str], path: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Draw a text with each token on a ground as dark as its weight. 文本上的注意力

    `weights` (n,), for example the attention that each of the n `tokens` receives; the scale runs from 0 to the
    largest. Lines are broken after 24 Chinese characters. Writes `path` (.png or .svg) and a .csv beside it, and
    returns `path`.

    Raises TypeError for weights that are not numbers, ValueError if one is negative or not finite, or if there
    is not one for each token.
    """
    weights = token_weights(weights, tokens)
    strip = _Strip(weights, fill((visible(token) for token in tokens), LINE), title)
    return draw(path, strip.size, strip.paint, ["token", "weight"], zip(tokens, weights, strict=True))


def checked_weights(weights: ArrayLike) -> np.ndarray[Any, Any]:
    """`weights` as an array of numbers, each at least 0. 检查权重

    Raises TypeError for any other kind of array, ValueError if a weight is negative or not finite.
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "fiu":
        raise TypeError(f"weights are real numbers, but the dtype is {weights.dtype}")
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        where = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise ValueError(f"weights are finite and at least 0, but weights{list(where)} is {weights[where]}")
    return weights


def token_weights(weights: ArrayLike, tokens: Sequence[str]) -> np.ndarray[Any, Any]:
    """`weights` as one number, at least 0, for each of the `tokens`, of which there must be one. 逐词元的权重

    Raises TypeError and ValueError as `checked_weights` does, and ValueError for any other shape.
    """
    weights = checked_weights(weights)
    if len(tokens) == 0 or weights.shape != (len(tokens),):
        raise ValueError(f"{len(tokens)} tokens need as many weights, at least one, but the shape is {weights.shape}")
    return weights


class _Page:
    """A page measured in inches, so that cells are square and nothing is written over something else."""

    def __init__(self, weights: np.ndarray[Any, Any], width: float, height: float, title: str | None, key: str):
        self.largest = weights.max() or 1
        self.title, self.key = title, key
        self.width = max(NARROWEST, width + EDGE)
        self.head = 0.22 * len(self._broken(title or "")) + EDGE
        self.size = self.width, self.head + height + BELOW

    def _broken(self, title: str) -> list[str]:
        return wrap(title, int((self.width - 2 * EDGE) / 0.1))  # a cell of 12 points is 1/12 inch, some Latin wider

    def axes(self, figure: Figure, left: float, top: float, width: float, height: float) -> Any:
        """Axes whose place is counted from the upper left corner."""
        across, down = self.size
        return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))

    def finish(self, figure: Figure, shades: Any) -> None:
        """The title above, the colour bar below, and all where it was put."""
        figure.set_layout_engine("none")
        title = text(self.key) if self.title is None else self.title
        corner: dict[str, Any] = {"x": EDGE / self.size[0], "y": 1 - EDGE / self.size[1], "ha": "left", "va": "top"}
        figure.suptitle("\n".join(self._broken(title)), **corner, fontsize=12, parse_math=False)
        bar = self.axes(figure, 2 * EDGE, self.size[1] - 0.48, 2.6, 0.14)
        figure.colorbar(shades, cax=bar, orientation="horizontal")
        bar.text(1.08, 0.5, text("plot.weight"), transform=bar.transAxes, va="center_baseline")


class _Maps(_Page):
    """Heat maps in a rectangle, one a head."""

    def __init__(self, heads: np.ndarray[Any, Any], rows: list[str], columns: list[str], title: str | None):
        self.heads, self.rows, self.columns = heads, rows, columns
        self.down = math.isqrt(len(heads))
        self.across = math.ceil(len(heads) / self.down)
        self.cell = min(CELL, WIDEST / (self.across * len(columns)), WIDEST / (self.down * len(rows)))
        self.points = min(max(45 * self.cell, 6.5), 10.0)
        self.every = math.ceil(1.2 * self.points / 72 / self.cell)
        self.lying = max(map(display_width, columns)) > 2  # too wide to stand side by side
        letter = 0.55 * self.points / 72
        self.left = 0.25 + letter * max(map(display_width, rows))
        self.above = 0.2 + letter * (max(map(display_width, columns)) if self.lying else 2) + 0.3 * (len(heads) > 1)
        self.map = self.cell * len(columns), self.cell * len(rows)
        width, height = self.across * (self.left + self.map[0]), self.down * (self.above + self.map[1])
        super().__init__(heads, width, NOTE + height, title, "plot.attention")

    def paint(self, figure: Figure) -> None:
        for i, weights in enumerate(self.heads):
            y, x = divmod(i, self.across)
            left = (x + 1) * self.left + x * self.map[0]
            top = self.head + NOTE + (y + 1) * self.above + y * self.map[1]
            axes = self.axes(figure, left, top, *self.map)
            image = axes.imshow(weights, SHADES, vmin=0, vmax=self.largest, interpolation="nearest", aspect="auto")
            self._letter(axes)
            if len(self.heads) > 1:
                axes.set_title(text("plot.head", head=i + 1), pad=4)
        note: dict[str, Any] = {"fontsize": 10, "color": GREY, "va": "top"}
        figure.text(EDGE / self.size[0], 1 - self.head / self.size[1], text("plot.attention_sides"), **note)
        self.finish(figure, image)

    def _letter(self, axes: Any) -> None:
        plain = {"fontsize": self.points, "parse_math": False}
        axes.xaxis.tick_top()
        axes.set_xticks(range(0, len(self.columns), self.every), self.columns[:: self.every], **plain)
        axes.set_yticks(range(0, len(self.rows), self.every), self.rows[:: self.every], **plain)
        axes.tick_params("x", rotation=90 if self.lying else 0)
        axes.tick_params(length=2 if self.every > 1 else 0)
        axes.grid(False)
        axes.spines[:].set_visible(False)


class _Strip(_Page):
    """Lines of text, each token on its ground."""

    def __init__(self, weights: np.ndarray[Any, Any], lines: list[list[str]], title: str | None):
        self.weights, self.lines = weights, lines
        self.across = max(sum(map(display_width, line)) for line in lines) / 2
        self.letter = 1.1 * CELL
        width, height = EDGE + self.letter * self.across, 0.1 + self.letter * len(lines)
        super().__init__(weights, width, height, title, "plot.attention_over_text")

    def paint(self, figure: Figure) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize
        from matplotlib.patches import Rectangle

        shades = ScalarMappable(Normalize(0, self.largest), SHADES)
        area = self.letter * self.across, self.letter * len(self.lines)
        axes = self.axes(figure, EDGE, self.head + 0.1, *area)
        weights = iter(self.weights)
        for y, line in enumerate(self.lines):
            x = 0.0
            for token, weight in zip(line, weights, strict=False):
                width, ground = display_width(token) / 2, shades.to_rgba(weight)
                axes.add_patch(Rectangle((x, y + 0.04), width, 0.92, facecolor=ground, edgecolor="none"))
                middle = {"ha": "center", "va": "center_baseline", "fontsize": 14, "parse_math": False}
                axes.text(x + width / 2, y + 0.5, token, color=_ink_on(ground), **middle)
                x += width
        axes.set(xlim=(0, self.across), ylim=(len(self.lines), 0))
        axes.set_axis_off()
        self.finish(figure, shades)


def _ink_on(ground: np.ndarray[Any, Any] | tuple[float, ...]) -> str:
    """Black or white, whichever has more contrast: relative luminance in WCAG 2.2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in ground[:3]]
    return "black" if np.dot(linear, [0.2126, 0.7152, 0.0722]) > 0.179 else "white"
