"""argparse in two languages: its own words, and help that wraps Chinese. 命令行解析的双语"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from tinygrad_zh.i18n.catalog import catalogue
from tinygrad_zh.i18n.choice import language
from tinygrad_zh.i18n.columns import wrap


class BilingualHelp(argparse.RawDescriptionHelpFormatter):
    """Help whose lines are measured in terminal cells; description and examples keep their line breaks."""

    def _format_action(self, action: argparse.Action) -> str:
        lines = super()._format_action(action)
        # argparse repeats the metavar above the list of commands.
        return lines.partition("\n")[2] if action.nargs == argparse.PARSER else lines

    def _split_lines(self, text: str, width: int) -> list[str]:
        return wrap(text, width)


@contextmanager
def translated_argparse() -> Iterator[None]:
    """Inside the block argparse's own words ("usage:", "error:", …) are in the language in force.

    argparse looks each of its messages up through the module-level names `_` and `ngettext`. They are not a
    documented interface; tests pin what is used here. A message that the catalogue lacks stays English.
    """
    words = {
        entry["en"]: entry[language()] for key, entry in catalogue().items() if key.startswith("argparse.")
    }

    def translate(message: str) -> str:
        return words.get(message, message)

    def translate_number(singular: str, plural: str, number: int) -> str:
        return translate(singular if number == 1 else plural)

    names = vars(argparse)
    before = {name: names[name] for name in ("_", "ngettext")}
    names.update(_=translate, ngettext=translate_number)
    try:
        yield
    finally:
        names.update(before)
