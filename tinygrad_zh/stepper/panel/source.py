"""Lines of source: the user's and the rule's, the current ones marked ▶. 源代码"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.stepper.panel.spans import Line, Span, line, paragraph, shortened

Data = dict[str, Any]

AROUND = 1
"""So many lines before and after the user's line."""


def user_lines(data: Data, where: Any, room: int) -> list[Line]:
    """The user's line with its neighbours, under the name of the file."""
    if where is None:
        return []
    file, number, function = where
    inside = f" {function}()" if function.isidentifier() else ""
    shown = _lines(data, file, number - AROUND, number + AROUND)
    return paragraph(f"{file}:{number}{inside}", room, "quiet") + _numbered(shown, (number, number), room)


def rule_lines(data: Data, span: Any, room: int) -> list[Line]:
    """The lines of a formula: [file, first, last]."""
    if span is None:
        return []
    file, first, last = span
    shown = _lines(data, file, first, last)
    returns = [n for n, code in shown.items() if code.lstrip().startswith("return")]
    marked = (returns[-1] if returns else first), last
    return paragraph(f"{file}:{first}", room, "quiet") + _numbered(shown, marked, room)


def _lines(data: Data, file: str, first: int, last: int) -> dict[int, str]:
    """{number: line}, of those that the document has."""
    lines = {int(n): code.expandtabs(4).rstrip() for n, code in data["sources"].get(file, {}).items()}
    return {n: lines[n] for n in sorted(lines) if first <= n <= last}


def _numbered(lines: dict[int, str], marked: tuple[int, int], room: int) -> list[Line]:
    indent = min((len(code) - len(code.lstrip()) for code in lines.values() if code), default=0)
    digits = len(str(max(lines, default=0)))
    rows = [(n, f"{n:>{digits}}  ", shortened(code[indent:], room - digits - 4)) for n, code in lines.items()]
    return [
        line(Span(f"▶ {front}{code}", "current"))
        if marked[0] <= n <= marked[1]
        else line(Span(f"  {front}", "quiet"), Span(code, "code"))
        for n, front, code in rows
    ]
