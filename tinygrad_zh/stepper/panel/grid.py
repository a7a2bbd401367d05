"""An array as aligned numbers: the part round the picked element, where it lies, and how the whole is spread. 数值表"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

from tinygrad_zh.i18n import text
from tinygrad_zh.stepper.navigation import nonfinite_words
from tinygrad_zh.stepper.panel.numbers import NOTHING, Number, colour, number
from tinygrad_zh.stepper.panel.spans import Line, Span, line, paragraph

Data = dict[str, Any]
Index = tuple[int, ...]

SIDE = 8
"""At most so many rows and columns of numbers."""


def title(name: str, shape: Sequence[int]) -> str:
    """A name with its shape; a single number has none."""
    return f"{name} {tuple(shape)}" if shape else name


def value_at(array: Data, index: Sequence[int]) -> Number | None:
    """One element; None where the document does not have it, outside of the window of a large array."""
    position = 0
    for i, start, size in zip(index, *_extent(array), strict=True):
        if not start <= i < start + size:
            return None
        position = position * size + i - start
    found: Number = array["values"][position]
    return found


def nearest(array: Data, index: Sequence[int]) -> Index:
    """`index`, moved to the nearest element that the document has."""
    return tuple(min(max(i, start), start + size - 1) for i, start, size in zip(index, *_extent(array), strict=True))


def moved(array: Data, index: Sequence[int], down: int, right: int) -> Index:
    """The element `down` rows below and `right` columns to the right; below the last row the next matrix begins."""
    origin, extent = _extent(array)
    if not index:
        return ()
    row = 0
    for i, start, size in zip(index[:-1], origin[:-1], extent[:-1], strict=True):
        row = row * size + i - start
    row = min(max(row + down, 0), math.prod(extent[:-1]) - 1)
    lead: list[int] = []
    for start, size in zip(reversed(origin[:-1]), reversed(extent[:-1]), strict=True):
        row, i = divmod(row, size)
        lead.insert(0, start + i)
    return nearest(array, [*lead, index[-1] + right])


def grid(
    name: str, array: Data | None, room: int, picked: Index | None = None, sources: Collection[Index] = (),
    height: int = SIDE,
) -> list[Line]:
    """The name and shape, then the numbers: "[…]" is the picked one, "(…)" one of its sources.

    At most `height` rows, in `room` cells; the shown part contains the picked element, or else the first source.
    "–" is an array that was not computed.
    """
    if array is None:
        return [line(Span(name, "name")), line(NOTHING)]
    if not array["values"]:
        return [line(Span(title(name, array["shape"]), "name")), line(Span(text("stepper.grid.empty"), "quiet"))]
    inside = [index for index in (picked, *sources) if index is not None and len(index) == len(array["shape"])]
    centre = nearest(array, inside[0] if inside else [0] * len(array["shape"]))
    rows, columns = _part(array, centre, height)
    cells = {c: _column(array, centre, rows, c) for c in columns}
    while len(columns) > 1 and sum(len(cells[c][0]) + 2 for c in columns) > room:
        columns = columns[:-1] if columns[-1] - _last(centre) >= _last(centre) - columns[0] else columns[1:]
    numbers = [
        sum((_cell(array, _at(centre, r, c), cells[c][k], picked, sources) for c in columns), ())
        for k, r in enumerate(rows)
    ]
    return [line(Span(title(name, array["shape"]), "name")), *numbers, *_notes(array, centre, rows, columns, room)]


def _extent(array: Data) -> tuple[Sequence[int], Sequence[int]]:
    """Where the values that the document has begin, and how many there are along each axis."""
    shape: list[int] = array["shape"]
    return array.get("origin", [0] * len(shape)), array.get("window", shape)


def _part(array: Data, centre: Index, height: int) -> tuple[range, range]:
    """The rows and columns to show, of the matrix in which the centre lies."""
    origin, extent = _extent(array)
    return _around(centre, origin, extent, -2, height), _around(centre, origin, extent, -1, SIDE)


def _around(centre: Index, origin: Sequence[int], extent: Sequence[int], axis: int, most: int) -> range:
    if len(centre) < -axis:
        return range(1)
    end = origin[axis] + extent[axis]
    start = max(min(centre[axis] - most // 2, end - most), origin[axis])
    return range(start, min(start + most, end))


def _last(index: Index) -> int:
    return index[-1] if index else 0


def _at(centre: Index, row: int, column: int) -> Index:
    return (*centre[:-2], row, column)[-len(centre):] if centre else ()


def _column(array: Data, centre: Index, rows: range, column: int) -> list[str]:
    """The numbers of a column, their decimal points below each other."""
    written = [number(value_at(array, _at(centre, r, column))) for r in rows]
    whole = [w.partition(".")[0] if "." in w else w.partition("e")[0] for w in written]
    left = max(map(len, whole))
    aligned = [" " * (left - len(front)) + w for front, w in zip(whole, written, strict=True)]
    return [w.ljust(max(map(len, aligned))) for w in aligned]


def _cell(array: Data, index: Index, written: str, picked: Index | None, sources: Collection[Index]) -> Line:
    """The number with the spaces round it; brackets stand next to it."""
    bare = written.strip()
    before, after = written.partition(bare)[::2]
    if picked == index:
        return line(before, Span(f"[{bare}]", "picked"), after)
    if index in sources:
        return line(before, Span(f"({bare})", "source"), after)
    return line(Span(f" {written} ", colour(value_at(array, index))))


def _notes(array: Data, centre: Index, rows: range, columns: range, room: int) -> list[Line]:
    """Which part this is, if it is not the whole, how the whole is spread, and what in it is not finite."""
    notes: list[Line] = []
    shape = array["shape"]
    if len(rows) * len(columns) < math.prod(shape):
        window = [*map(str, centre[:-2]), _span(rows), _span(columns)][-len(shape):]
        notes += paragraph(text("stepper.grid.part", part=", ".join(window)), room, "quiet")
        low, high, mean = _spread(array)
        if low is not None:
            spread = text("stepper.grid.spread", low=number(low), high=number(high), mean=number(mean))
            notes += paragraph(spread, room, "quiet")
    words = nonfinite_words(array)
    if words:
        notes += paragraph(text("stepper.grid.nonfinite", words=", ".join(words)), room, "bad")
    return notes


def _span(r: range) -> str:
    return str(r[0]) if len(r) == 1 else f"{r[0]}–{r[-1]}"


def _spread(array: Data) -> tuple[Any, Any, Any]:
    """Minimum, maximum and mean of the whole: recorded with a window, otherwise computed from the finite values."""
    if "min" in array:
        return array["min"], array["max"], array["mean"]
    finite = [float(v) for v in array["values"] if not isinstance(v, str)]
    return (min(finite), max(finite), sum(finite) / len(finite)) if finite else (None, None, None)
