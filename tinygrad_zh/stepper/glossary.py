"""The Chinese–English glossary: the terms that a learner of backpropagation meets, and where each is met. 术语表

glossary.json, which the page embeds too, has the terms in the order in which they are best read, subject by subject,
each with related terms and other words for it; and which of them explain a step of some phase, or of some op. What a
term is called and what it means are in the catalogue, under glossary.<term>.name and glossary.<term>.means.
"""

from __future__ import annotations

import difflib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from tinygrad_zh.i18n import LANGUAGES, catalogue, language, text


class Term(NamedTuple):
    """One term: its key, its subject, the keys of related terms, and other words for it. 中文：一个术语。"""

    key: str
    subject: str
    related: tuple[str, ...]
    spellings: tuple[str, ...]

    @property
    def names(self) -> dict[str, str]:
        """{language: what it is called}."""
        return {code: catalogue()[f"glossary.{self.key}.name"][code] for code in LANGUAGES}

    @property
    def title(self) -> str:
        """What it is called, and beside it the name in the other language: "gradient (梯度)"."""
        name = text(f"glossary.{self.key}.name")
        other = self.names["en" if language() == "zh" else "zh"]
        return name if name == other else text("glossary.title", name=name, other=other)

    @property
    def means(self) -> str:
        """One to three sentences in the language in force."""
        return text(f"glossary.{self.key}.means")


def table() -> dict[str, Any]:
    """glossary.json: {"subjects": {subject: {term: {"related", "spellings"}}}, "phases", "ops": {name: terms}}."""
    file = files("tinygrad_zh.stepper").joinpath("glossary.json")
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return data


_TABLE = table()

TERMS = {
    key: Term(key, subject, tuple(row["related"]), tuple(row["spellings"]))
    for subject, rows in _TABLE["subjects"].items()
    for key, row in rows.items()
}
"""{key: term}, in the order in which they are best read."""


def terms_of(phase: str, op: str = "") -> list[Term]:
    """The terms that explain a step of this phase and op, those of the op last.

    >>> [term.key for term in terms_of("sum_to", "Add")]
    ['undo_broadcast', 'broadcasting', 'elementwise']
    """
    keys = [*_TABLE["phases"].get(phase, ()), *_TABLE["ops"].get(op, ())]
    return [TERMS[key] for key in dict.fromkeys(keys)]


# ---- looking up


def lookup(word: str) -> Term | None:
    """The term that the word names, in either language, or None. 中文：查术语。

    >>> lookup("Upstream-Gradient").key, lookup("上游梯度").key, lookup("gradient tape").key, lookup("cat")
    ('upstream_gradient', 'upstream_gradient', 'tape', None)
    """
    return _words().get(_plain(word))


def search(word: str) -> list[Term]:
    """The terms with this word in one of their names or spellings, in the glossary's order. 中文：搜索术语。"""
    part = _plain(word)
    hits = {term.key for spelling, term in _words().items() if part and part in spelling}
    return [term for key, term in TERMS.items() if key in hits]


def near(word: str) -> list[Term]:
    """Up to three terms that are spelled like the word."""
    close = [_words()[spelling].key for spelling in difflib.get_close_matches(_plain(word), _words(), 6, 0.5)]
    return [TERMS[key] for key in dict.fromkeys(close)][:3]


def _plain(word: str) -> str:
    """A word as it is compared: capitals, spaces, hyphens and underscores make no difference."""
    return re.sub(r"[\s_–-]+", "", word).casefold()


@cache
def _words() -> dict[str, Term]:
    """{every word for a term, in both languages: the term}."""
    return {_plain(word): term for term in TERMS.values() for word in (term.key, *term.names.values(), *term.spellings)}


# ---- finding them in a passage


class Link(NamedTuple):
    """Where a passage speaks of a term: passage[start:end]. 中文：文中出现的术语。"""

    start: int
    end: int
    term: Term


def links(passage: str) -> list[Link]:
    """Every word of a passage that the glossary explains; the longest one where they overlap. 中文：找出文中的术语。

    >>> [(link.term.key, link.start) for link in links("the upstream gradient of ReLU")]
    [('upstream_gradient', 4), ('relu', 25)]
    """
    pattern, terms = _linked()
    return [Link(found.start(), found.end(), terms[found[0].casefold()]) for found in pattern.finditer(passage)]


@cache
def _linked() -> tuple[re.Pattern[str], dict[str, Term]]:
    """One pattern for all the words, and what each stands for. A single Chinese character is not looked for: 轮 and 批
    are parts of too many other words."""
    terms = {
        word.casefold(): term
        for term in TERMS.values()
        for word in (*term.names.values(), *term.spellings)
        if len(word) > 1
    }
    longest_first = sorted(terms, key=len, reverse=True)
    return re.compile("|".join(map(_whole, longest_first)), re.IGNORECASE), terms


def _whole(word: str) -> str:
    """A pattern for the word that does not find it inside a longer Western word."""
    before = r"(?<![A-Za-z0-9_])" if word[0].isascii() else ""
    after = r"(?![A-Za-z0-9_])" if word[-1].isascii() else ""
    return before + re.escape(word) + after
