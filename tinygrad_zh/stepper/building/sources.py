"""The lines of code that a document refers to, and a few around each."""

from __future__ import annotations

import inspect
import linecache
import os
from functools import cache
from pathlib import Path
from typing import Any

AROUND = 6
_PACKAGE = Path(__file__).parents[2]


class Sources:
    """The mapping "sources": {file: {number: text}}. Files are named as their reader knows them, never in full."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, str]] = {}

    def line(self, where: tuple[str, int, str] | None) -> list[Any] | None:
        """[file, line, function] of a line of the user's program; it and its surroundings are kept."""
        if where is None:
            return None
        path, number, function = where
        self._keep(path, number - AROUND, number + AROUND)
        return [shown(path), number, function]

    def function(self, function: Any) -> list[Any] | None:
        """[file, first line, last line] of a function or its code, kept whole; None where there is no source."""
        span = _span(function)
        if span is None:
            return None
        path, first, last = span
        self._keep(path, first - 1, last + 1)
        return [shown(path), first, last]

    def _keep(self, path: str, first: int, last: int) -> None:
        lines = self.files.setdefault(shown(path), {})
        for number in range(max(first, 1), last + 1):
            text = linecache.getline(path, number)
            if text and str(number) not in lines:
                lines[str(number)] = text.rstrip("\n")


@cache
def _span(function: Any) -> tuple[str, int, int] | None:
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        return None
    return getattr(function, "__code__", function).co_filename, first, first + len(lines) - 1


@cache
def shown(path: str) -> str:
    """A file's name for its reader: from the package, from the current folder, or the bare name."""
    if path.startswith("<"):
        return path
    given = Path(path)
    if given.is_relative_to(_PACKAGE):
        return given.relative_to(_PACKAGE.parent).as_posix()
    here = Path(os.getcwd())
    return given.relative_to(here).as_posix() if given.is_relative_to(here) else given.name
