"""Which language: an explicit choice, then TINYGRAD_ZH_LANG, then the locale. 语言的选择"""

from __future__ import annotations

import locale
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

LANGUAGES = ("zh", "en")
"""The languages of the catalogue."""

_chosen: ContextVar[str | None] = ContextVar("tinygrad_zh_language", default=None)


def language() -> str:
    """The language in force, "zh" or "en". 当前语言

    The first of these that speaks decides: `use_language` or `in_language`; the variable TINYGRAD_ZH_LANG,
    if it names one of the two; the locale, in gettext's order LANGUAGE, LC_ALL, LC_MESSAGES, LANG; the
    operating system's locale, where Windows keeps it. Any Chinese locale gives "zh", everything else "en".

    >>> with in_language("zh"):
    ...     language()
    'zh'
    """
    return chosen() or _from_locale()


def chosen() -> str | None:
    """The language that was asked for, by `use_language`, `in_language` or TINYGRAD_ZH_LANG; None if none was. 所选语言

    A page that is read elsewhere follows its reader's locale, unless one was asked for here.
    """
    return _chosen.get() or _asked_for(os.environ.get("TINYGRAD_ZH_LANG", ""))


def use_language(code: str) -> None:
    """Speak `code`, "zh" or "en", from here on in this context. 设定语言

    Raises ValueError for any other code.
    """
    _chosen.set(_checked(code))


@contextmanager
def in_language(code: str) -> Iterator[None]:
    """Speak `code`, "zh" or "en", inside the `with` block. 临时切换语言

    Raises ValueError for any other code.

    >>> with in_language("en"):
    ...     language()
    'en'
    """
    token = _chosen.set(_checked(code))
    try:
        yield
    finally:
        _chosen.reset(token)


def _checked(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"the language is {code!r}, but the catalogue has only 'zh' and 'en'")
    return code


def _asked_for(name: str) -> str | None:
    return next((code for code in LANGUAGES if name.lower().startswith(code)), None)


def _from_locale() -> str:
    variables = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    names = (os.environ.get(variable) for variable in variables)
    first = next(filter(None, names), None) or locale.getlocale()[0] or ""
    return "zh" if first.lower().startswith(("zh", "chinese")) else "en"
