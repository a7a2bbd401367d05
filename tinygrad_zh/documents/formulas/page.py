"""The formulas as pages: `python -m tinygrad_zh.documents.formulas.page` writes notebooks/pages/formulas.md and
formulas.zh.md anew, from the clone's root; another folder may follow. 生成公式页"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tinygrad_zh.documents.formulas import FORMULAS, Finding, Formula, Line
from tinygrad_zh.documents.formulas.terminal import mark, verdict
from tinygrad_zh.i18n import in_language, language, text

FOLDER = Path("notebooks/pages")
FILES = {"en": "formulas.md", "zh": "formulas.zh.md"}
OTHER = {"en": "[中文](formulas.zh.md)", "zh": "[English](formulas.md)"}
COLUMNS = ("formula", "verdict", "checked", "places", "code")


def page() -> str:
    """The whole page, in the language in force, with what the checks find now."""
    findings = {row.id: row.findings() for row in FORMULAS}
    errata = sum(row.verdict == "erratum" for row in FORMULAS)
    lines = [text("formulas.page.introduction", errata=errata), "", OTHER[language()], "", *table(findings)]
    for row in FORMULAS:
        lines.extend(section(row, findings[row.id]))
    return "\n".join(lines) + "\n"


def table(findings: dict[str, tuple[Finding, ...]]) -> Iterator[str]:
    """A line a formula."""
    yield "| | " + " | ".join(text(f"formulas.page.{column}") for column in COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for row in FORMULAS:
        cells = (f"[{row.id}](#{row.id.lower()})", row.formula, verdict(row), mark(all(findings[row.id])),
                 ", ".join(row.places), link(row.lines[0]))
        yield "| " + " | ".join(cells) + " |"


def section(row: Formula, findings: tuple[Finding, ...]) -> Iterator[str]:
    """One formula: both versions, what is wrong, our lines, and what was found."""
    yield from ("", f"## {row.id}", "", f"{verdict(row)} · {', '.join(row.places)}", "")
    yield from (label("named" if row.verdict == "named" else "printed"), "", *math(row.latex))
    if row.corrected:
        yield from (label("corrected"), "", *math(row.corrected_latex))
    yield from (row.words, "", label("code"), "")
    yield from (f"- {link(line)}: `{line.code}`" for line in row.lines)
    yield from ("", label("found"), "")
    yield from (f"- {mark(bool(finding))} {finding}" for finding in findings)


def label(name: str) -> str:
    return f"**{text(f'formulas.{name}')}**"


def math(latex: str) -> list[str]:
    """A fenced block, a line a formula: between dollars, Markdown would take the backslash off `\\,`."""
    parts = latex.split(r",\quad ")
    if len(parts) == 1:
        return ["```math", latex, "```", ""]
    return ["```math", r"\begin{aligned}", " \\\\\n".join(f"& {part}" for part in parts), r"\end{aligned}", "```", ""]


def link(line: Line) -> str:
    """The file and the line, where the code stands beside the page."""
    place = line.place
    return f"[{Path(place.file).name}:{place.number}](../../{place.file}#L{place.number})"


def main(folder: Path = FOLDER) -> None:
    """Write both pages."""
    for code, name in FILES.items():
        with in_language(code):
            (folder / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
