"""catalog.json holds every text a learner reads, under one key, in both languages. 文本目录"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from tinygrad_zh.i18n.choice import language


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """The whole catalogue as {key: {"zh": …, "en": …}}, read at the first use. 文本目录"""
    texts: dict[str, dict[str, str]] = json.loads(
        files("tinygrad_zh.i18n").joinpath("catalog.json").read_text(encoding="utf-8")
    )
    return texts


def text(key: str, /, **values: object) -> str:
    """The text filed under `key` in the language in force, its {placeholders} filled from `values`. 取文本

    Raises KeyError, naming the key, if the catalogue has no such text or a placeholder has no value.

    >>> from tinygrad_zh.i18n import in_language
    >>> with in_language("en"):
    ...     text("cli.error", message="the file is empty")
    'error: the file is empty'
    >>> with in_language("zh"):
    ...     text("cli.error", message="the file is empty")
    '错误：the file is empty'
    """
    try:
        template = catalogue()[key][language()]
    except KeyError:
        raise KeyError(f"catalog.json has no text under {key!r}") from None
    try:
        return template.format(**values)
    except KeyError as missing:
        raise KeyError(f"text({key!r}) needs a value for its placeholder {missing}") from None
