"""A text cut into tokens: single characters, or the words that jieba finds."""

from __future__ import annotations

import unicodedata
import warnings
from functools import cache
from typing import Any

INVISIBLE = {"Cc", "Cf", "Cs"}  # control characters, zero-width marks, half of a surrogate pair


def characters(text: str) -> list[str]:
    """One token for each character of the normalised text (按字切分), white space left out.

    Normalised is: Unicode NFKC, which makes full-width letters, digits and punctuation half-width, then
    lower case, then nothing that cannot be seen (line breaks and tabs count as white space). Digits and
    Latin letters stay single characters too, so that every token has one place in the text. An empty text
    has no tokens; TypeError for what is not a str.

    >>> characters("ＷｉＦｉ 满分，4.5！")
    ['w', 'i', 'f', 'i', '满', '分', ',', '4', '.', '5', '!']
    """
    return [character for character in normalized(text) if not character.isspace()]


def words(text: str) -> list[str]:
    """The words of the normalised text as jieba cuts it (分词), punctuation too, white space left out.

    The text is normalised as for `characters`. Needs jieba (``pip install "tinygrad-zh[text]"``), whose own
    dictionary is read anew in each process, about a second at the first call: nothing that another program
    left behind and no word that was added to jieba elsewhere changes the result. An empty text has no
    words; TypeError for what is not a str, ImportError where jieba is missing.
    """
    cleaned = normalized(text)
    return [word for word in _jieba().lcut(cleaned) if not word.isspace()] if cleaned else []


def normalized(text: str) -> str:
    """NFKC, lower case, without the invisible; any white space as it is or as one blank."""
    if not isinstance(text, str):
        raise TypeError(f"a text must be a str, got {type(text).__name__}: {text!r:.80}")
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(c for c in folded if c.isspace() or unicodedata.category(c) not in INVISIBLE)


@cache
def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its patterns and its use of pkg_resources are older than Python 3.11
        try:
            import jieba
        except ImportError:
            raise ImportError('cutting a text into words needs jieba: pip install "tinygrad-zh[text]"') from None
        tokenizer = jieba.Tokenizer()
        # What initialize() does, without its messages and without the file that it shares in the folder for
        # temporary files, where anyone may have put another one.
        tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
        tokenizer.initialized = True
    return tokenizer
