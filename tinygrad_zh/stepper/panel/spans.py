"""Styled pieces of text, and how they are set side by side. What a style looks like is the front end's matter. 排版"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tinygrad_zh.i18n import display_width, wrap


class Span(NamedTuple):
    """A piece of text of one style: "quiet", "label", "strong", "formula", "negative", "bad", "picked", …"""

    text: str
    style: str = ""


Line = tuple[Span, ...]

BETWEEN = 5
"""The cells between two blocks, with a sign in their middle."""


def line(*pieces: str | Span) -> Line:
    """The pieces as one line; plain strings have no style."""
    return tuple(Span(piece) if isinstance(piece, str) else piece for piece in pieces)


def plain(pieces: Line) -> str:
    """The text of a line. What cannot be printed, an escape sequence in someone's file, becomes "�"."""
    return "".join(c if c.isprintable() else "�" for c in "".join(span.text for span in pieces)).rstrip()


def width(pieces: Line) -> int:
    """How many cells a line takes."""
    return sum(display_width(span.text) for span in pieces)


def shortened(words: str, room: int) -> str:
    """The text in at most `room` cells, the end cut off by "…" if it has more."""
    if display_width(words) <= room:
        return words
    while words and display_width(words) > room - 1:
        words = words[:-1]
    return f"{words}…"


def paragraph(words: str, room: int, style: str = "") -> list[Line]:
    """A text, broken into lines of `room` cells."""
    return [line(Span(part, style)) for part in wrap(words, max(room, 1))]


def flow(tokens: Iterable[Line], room: int) -> list[Line]:
    """The tokens in lines of at most `room` cells where that is possible, a space between two of them."""
    lines: list[Line] = [()]
    for token in tokens:
        if not lines[-1]:
            lines[-1] = token
        elif width(lines[-1]) + 1 + width(token) <= room:
            lines[-1] = (*lines[-1], Span(" "), *token)
        else:
            lines.append(token)
    return lines


def beside(blocks: Sequence[Sequence[Line]], signs: Sequence[str], room: int) -> list[Line]:
    """The blocks in a row with a sign such as "⇒" between two of them; what does not fit goes below, its sign first."""
    shelf: list[Line] = list(blocks[0])
    done: list[Line] = []
    for sign, block in zip(signs, blocks[1:], strict=True):
        if widest(shelf) + BETWEEN + widest(block) <= room:
            shelf = _joined(shelf, sign, block)
        else:
            done += shelf
            shelf = [line(Span(sign, "strong")), *block]
    return done + shelf


def _joined(left: Sequence[Line], sign: str, right: Sequence[Line]) -> list[Line]:
    """Two blocks with their first lines, the titles, level, and the sign on the line of the first numbers."""
    column, height = widest(left), max(len(left), len(right))
    rows: list[Line] = []
    for k in range(height):
        here = left[k] if k < len(left) else ()
        there = right[k] if k < len(right) else ()
        between = (sign if k == 1 else " ").center(BETWEEN)
        rows.append((*here, Span(" " * (column - width(here))), Span(between, "strong"), *there))
    return rows


def widest(block: Iterable[Line]) -> int:
    """How many cells a block takes."""
    return max(map(width, block), default=0)


def laid_out(label: str, lines: Sequence[Line], column: int) -> list[Line]:
    """Lines with their label in a column of its own to the left of the first."""
    padded = label + " " * (column - display_width(label))
    return [(Span(padded if k == 0 else " " * column, "label"), *content) for k, content in enumerate(lines)]
