"""Columns and lines on a terminal, where a Chinese character is two cells wide. 等宽排版"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_PIECES = re.compile(r"\n|[ \t]+|[\u0021-\u2e7f]+|.")  # a run of Western letters stays together
_NEVER_FIRST = "，。、；：！？）》」』”’…"  # punctuation that may not open a line
_CELLS = {"W": 2, "F": 2}


def display_width(text: str) -> int:
    """How many terminal cells `text` takes: 2 for a wide character, 0 for a combining mark, else 1. 显示宽度

    Widths are Unicode's East_Asian_Width property (UAX #11); ambiguous characters such as "∂" count as 1.

    >>> display_width("loss"), display_width("损失")
    (4, 4)
    """
    return sum(_CELLS.get(unicodedata.east_asian_width(c), 1) for c in text if not unicodedata.combining(c))


def pad(text: str, width: int, align: str = "<") -> str:
    """`text` with spaces up to `width` cells; `align` is "<" for left, ">" for right. 按显示宽度补齐

    A longer text is returned whole. Raises ValueError for any other `align`.

    >>> pad("准确率", 8) + "|", pad("0.97", 8, ">") + "|"
    ('准确率  |', '    0.97|')
    """
    space = " " * max(width - display_width(text), 0)
    if align == "<":
        return text + space
    if align == ">":
        return space + text
    raise ValueError(f"align is {align!r}, but a column is aligned to the left '<' or to the right '>'")


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows of a table, one line each: the first column to the left, the others, figures, to the right. 对齐成列

    >>> aligned([["方法", "误差"], ["central", "1e-10"]])
    ['方法      误差', 'central  1e-10']
    """
    widths = [max(map(display_width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([pad(first, widths[0]), *map(pad, others, widths[1:], ">" * len(others))]).rstrip()
        for first, *others in rows
    ]


def wrap(text: str, width: int) -> list[str]:
    """The lines of `text`, broken so that each takes at most `width` cells where that is possible. 折行

    Chinese breaks between any two characters but never before closing punctuation, Western text at spaces.

    >>> wrap("反向传播把梯度 gradient 传回去。", 10)
    ['反向传播把', '梯度', 'gradient', '传回去。']
    """
    lines = [""]
    for piece in _PIECES.findall(text):
        if piece == "\n":
            lines.append("")
        elif piece in _NEVER_FIRST or display_width(lines[-1] + piece) <= width or not lines[-1]:
            lines[-1] += piece
        else:
            lines.append(piece.lstrip(" "))
    return [line.rstrip(" ") for line in lines]


def fill(tokens: Iterable[str], width: int) -> list[list[str]]:
    """The tokens, whole and in order, in lines of at most `width` cells where that is possible. 按行排列词元

    >>> fill(["问题", "需要", "，", "咨询"], 8)
    [['问题', '需要'], ['，', '咨询']]
    """
    lines: list[list[str]] = [[]]
    room = width
    for token in tokens:
        cells = display_width(token)
        if cells > room and lines[-1]:
            lines.append([])
            room = width
        lines[-1].append(token)
        room -= cells
    return lines


def visible(token: str) -> str:
    r"""`token` with "␣" for each space and line break, and "�" for whatever else shows nothing. 可见形式

    >>> visible("你 好\n"), visible("\x1b[31m")
    ('你␣好␣', '�[31m')
    """
    return "".join("␣" if c.isspace() else c if c.isprintable() else "�" for c in token)
