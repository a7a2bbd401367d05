"""`tinygrad-zh glossary`: all terms, or what one of them means. 术语表命令"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from tinygrad_zh.i18n import text, wrap
from tinygrad_zh.stepper.glossary import TERMS, Term, lookup, near, search

WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("term", nargs="*", help=text("cli.glossary.term"))


def run(arguments: argparse.Namespace) -> int:
    word = " ".join(arguments.term)  # upstream gradient, without quotation marks
    if not word:
        print(listed(TERMS.values()) + "\n\n" + text("glossary.more", number=len(TERMS)))
    elif term := lookup(word):
        print(described(term))
    elif hits := search(word):
        print(text("glossary.several", word=word) + "\n" + listed(hits))
    else:
        close = ", ".join(each.title for each in near(word)) or "–"
        raise ValueError(text("glossary.unknown", word=word, near=close))
    return 0


def described(term: Term) -> str:
    """The term, what it means and what is related, as plain text in the language in force. 中文：一个术语的说明。"""
    related = text("glossary.between").join(TERMS[key].title for key in term.related)
    meaning = [f"  {line}" for line in wrap(term.means, WIDTH - 2)]
    return "\n".join([term.title, "", *meaning, "", *wrap(text("glossary.related", terms=related), WIDTH)])


def listed(terms: Iterable[Term]) -> str:
    """The terms, a line each, subject by subject."""
    lines = []
    subject = ""
    for term in terms:
        if term.subject != subject:
            subject = term.subject
            lines += ["", text(f"glossary.group.{subject}")]
        lines.append(f"  {term.title}")
    return "\n".join(lines)
