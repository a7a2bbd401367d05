"""The glossary as pages: `python -m tinygrad_zh.stepper.glossary_page` writes notebooks/pages/glossary.md and
glossary.zh.md anew, from the clone's root; another folder may follow. 生成术语页"""

from __future__ import annotations

import sys
from pathlib import Path

from tinygrad_zh.i18n import in_language, language, text
from tinygrad_zh.stepper.glossary import TERMS, Term, table

FOLDER = Path("notebooks/pages")
FILES = {"en": "glossary.md", "zh": "glossary.zh.md"}
OTHER = {"en": "[中文](glossary.zh.md)", "zh": "[English](glossary.md)"}


def page() -> str:
    """The whole page, in the language in force."""
    lines = [text("glossary.page.introduction"), "", OTHER[language()]]
    for subject, terms in table()["subjects"].items():
        lines += ["", f"## {text(f'glossary.group.{subject}')}"]
        for key in terms:
            lines += section(TERMS[key])
    return "\n".join(lines) + "\n"


def section(term: Term) -> list[str]:
    """One term, with an anchor that both pages share."""
    related = text("glossary.between").join(f"[{TERMS[key].title}](#{key})" for key in term.related)
    return ["", f'<a id="{term.key}"></a>', "", f"**{term.title}**  ", term.means + "  ",
            f"*{text('glossary.related', terms=related)}*"]


def main(folder: Path = FOLDER) -> None:
    """Write both pages."""
    for code, name in FILES.items():
        with in_language(code):
            (folder / name).write_text(page(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
