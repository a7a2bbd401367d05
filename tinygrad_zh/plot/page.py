"""One page: a figure drawn in the language in force and written whole, with its CSV. 画面"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import in_language, language, text
from tinygrad_zh.plot.fonts import chinese_font

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by colour-blind eyes: Okabe and Ito, Color Universal Design
INK, GREY, RULE = "#222222", "#767676", "#DDDDDD"

_STYLE = {
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 160,
    "svg.fonttype": "none",  # Chinese stays text, and the reader's browser brings the font
    "svg.hashsalt": "tinygrad_zh",  # the same figures give the same bytes
}


def draw(
    path: str | os.PathLike[str],
    size: tuple[float, float],
    paint: Callable[[Figure], None],
    header: Sequence[object],
    rows: Iterable[Sequence[object]],
) -> Path:
    """Write what `paint` puts on a figure of `size` inches to `path`, and the table to a .csv beside it.

    Raises ValueError for a suffix other than .png and .svg, and ImportError where matplotlib is missing.
    """
    path = Path(path)
    picture = path.suffix.lower()
    if picture not in (".png", ".svg"):
        raise ValueError(f'a picture is written as .png or .svg, but the path is "{path}"')
    matplotlib = _matplotlib()
    font = chinese_font()
    if font is None and language() == "zh":
        _advise_font()
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        in_language(language() if font else "en"),
        matplotlib.rc_context({**_STYLE, "font.family": ["DejaVu Sans", *([font] if font else [])]}),
    ):
        figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
        paint(figure)
        # A date in an SVG would make every run's bytes differ.
        metadata = {"Date": None} if picture == ".svg" else None
        content = io.BytesIO()
        figure.savefig(content, format=picture[1:], metadata=metadata)
    _write(path, content.getvalue())
    _write(path.with_suffix(".csv"), _csv([header, *rows]))
    return path


def _matplotlib() -> Any:
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError:
        raise ImportError('drawing a picture needs matplotlib: pip install "tinygrad-zh[plot]"') from None
    return matplotlib


@cache  # once is enough
def _advise_font() -> None:
    print(text("plot.font_advice"), file=sys.stderr)


def _csv(rows: Iterable[Sequence[object]]) -> bytes:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue().encode()


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it: a neighbour that is complete takes the name."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
