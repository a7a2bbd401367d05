"""The local Jacobian: in words, and where it is small as a heat map of shaded cells with signs. 雅可比热图"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.i18n import text
from tinygrad_zh.stepper.panel.element import entries
from tinygrad_zh.stepper.panel.numbers import Number, number
from tinygrad_zh.stepper.panel.spans import Line, Span, line, paragraph

Data = dict[str, Any]

WIDEST = 16
"""A Jacobian with more rows or columns is not drawn."""
SHADES = "░▒▓█"


def described(jacobian: Data, room: int) -> list[Line]:
    """Size and kind: the identity, diagonal, or how many entries are not zero."""
    rows, columns, kind = jacobian["rows"], jacobian["columns"], jacobian["kind"]
    words = text(f"stepper.jacobian.{kind}", rows=rows, columns=columns, count=len(entries(jacobian)),
                 all=rows * columns)
    return paragraph(words, room)


def heat_map(jacobian: Data, column: int, room: int) -> list[Line]:
    """One cell an entry, its sign and its size by shade, ▼ above the column of the picked element; [] for one number,
    for the identity, and where it is too large."""
    rows, columns = jacobian["rows"], jacobian["columns"]
    if jacobian["kind"] == "identity" or rows * columns == 1 or max(rows, columns) > WIDEST or 2 * columns > room:
        return []
    cells = {(row, at): value for row, at, value in entries(jacobian)}
    largest = max((abs(v) for v in cells.values() if not isinstance(v, str)), default=0) or 1
    drawn = [line("  " * column, Span(" ▼", "picked_mark"))]
    drawn += [tuple(_cell(cells.get((row, at)), largest) for at in range(columns)) for row in range(rows)]
    return drawn + paragraph(text("stepper.jacobian.legend", largest=number(largest)), room, "quiet")


def _cell(value: Number | None, largest: Number) -> Span:
    if isinstance(value, str):
        return Span("!!", "bad")
    if not value:
        return Span(" ·", "quiet")
    shade = SHADES[min(int(abs(value) / float(largest) * len(SHADES)), len(SHADES) - 1)]
    return Span(f"-{shade}", "negative") if value < 0 else Span(f"+{shade}", "positive")
