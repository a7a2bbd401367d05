"""Lines of source: the user's and the rule's, the current ones marked ▶. 源代码"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.stepper.panel.spans import Line, Span, line

Data = dict[str, Any]

AROUND = 1
"""So many lines before and after the user's line."""


def user_lines(data: Data, where: Any) -> list[Line]:
    """The user's line with its neighbours, under the name of the file."""
    if where is None:
        return []
    file, number, function = where
    inside = f" {function}()" if function.isidentifier() else ""
    heading = line(Span(f"{file}:{number}{inside}", "quiet"))
    return [heading, *_numbered(data, file, number - AROUND, number + AROUND, number, number)]


def rule_lines(data: Data, op: Data, part: str) -> list[Line]:
    """The lines of an op's formula: "forward", or the partial of the input of that name."""
    if part not in op["code"]:
        return []
    file, first, last = op["code"][part]
    marked = _formula(data, file, first, last)
    return [line(Span(f"{file}:{first}", "quiet")), *_numbered(data, file, first, last, *marked)]


def _formula(data: Data, file: str, first: int, last: int) -> tuple[int, int]:
    """The lines to mark: from the last `return` on."""
    lines = data["sources"].get(file, {})
    returns = [n for n in range(first, last + 1) if lines.get(str(n), "").lstrip().startswith("return")]
    return (returns[-1] if returns else first), last


def _numbered(data: Data, file: str, first: int, last: int, marked_first: int, marked_last: int) -> list[Line]:
    lines = data["sources"].get(file, {})
    shown = [(n, lines[str(n)].expandtabs(4).rstrip()) for n in range(first, last + 1) if str(n) in lines]
    indent = min((len(code) - len(code.lstrip()) for _, code in shown if code), default=0)
    digits = len(str(last))
    return [
        line(Span(f"▶ {n:>{digits}}  {code[indent:]}", "current"))
        if marked_first <= n <= marked_last
        else line(Span(f"  {n:>{digits}}  ", "quiet"), Span(code[indent:], "code"))
        for n, code in shown
    ]
