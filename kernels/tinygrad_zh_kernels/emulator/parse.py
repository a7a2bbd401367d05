"""As much of C++ as is needed to find the statements of a kernel: for stepping through it, and for mutants of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tinygrad_zh_kernels.emulator.source import without_comments

_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.MULTILINE)
_SPACE = re.compile(r"\s*")
_WORD = re.compile(r"\w*")


@dataclass(frozen=True)
class Statement:
    """A span of the text. kind: "simple" with its semicolon, or what stands in the brackets of "if", "for", "while"."""

    kind: str
    start: int
    end: int


def plain(text: str) -> str:
    """The text without comments, strings and preprocessor lines, every other character in its place."""
    return _DIRECTIVE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), without_comments(text))


def statements(text: str) -> Iterator[Statement]:
    """Every statement in the functions of a plain text, in the order in which they stand."""
    position = 0
    while (opening := text.find("{", position)) >= 0:
        position = opening + 1  # of a struct: its functions come next
        if text[:opening].rstrip().endswith(")"):
            position = closing(text, opening)
            yield from _block(text, opening + 1, position)


def closing(text: str, opening: int) -> int:
    """Where the bracket that opens at `opening` closes."""
    depth = 0
    for i in range(opening, len(text)):
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
    return len(text)


def _block(text: str, start: int, end: int) -> Iterator[Statement]:
    position = start
    while position < end and text[position:end].strip():
        found: list[Statement] = []
        position = _statement(text, position, end, found)
        yield from found


def _statement(text: str, position: int, end: int, found: list[Statement]) -> int:
    """Adds the statement that begins at a position and those in it; returns where it ends."""
    position = _after(_SPACE, text, position)
    word = text[position : _after(_WORD, text, position)]
    if text[position : position + 1] == "{":
        last = closing(text, position)
        found += _block(text, position + 1, last)
        return last + 1
    if word in ("else", "do"):
        return _statement(text, position + len(word), end, found)
    if word in ("if", "for", "while", "switch"):
        opening = text.index("(", position)
        last = closing(text, opening)
        found.append(Statement(word, opening + 1, last))
        return _statement(text, last + 1, end, found)
    last = position
    while last < end and text[last] != ";":
        last = closing(text, last) + 1 if text[last] in "([{" else last + 1
    if last > position:
        found.append(Statement("simple", position, last + 1))
    return last + 1


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
