"""Which tokens a model knows, and the number of each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

PAD, UNKNOWN = 0, 1
SPECIAL = ("〈pad〉", "〈unknown〉")


class Vocabulary:
    """The tokens that have an id (词表): ``tokens[id]``, with 0 for padding and 1 for every unknown token.

    ``Vocabulary.build`` counts them in texts; ``Vocabulary(tokens)`` takes them as they are, the two special
    ones first. It cannot be changed, compares by its tokens, and is kept with a model as JSON:
    ``save(state, path, metadata={"vocabulary": vocabulary.to_json()})``.

    Raises TypeError for a token that is not a str; ValueError when the special ones are missing, a token is
    there twice, or cannot be written as UTF-8.

    >>> vocabulary = Vocabulary.build([["你", "好"], ["好", "吗"]], size=4)
    >>> vocabulary
    Vocabulary of 4 tokens: 〈pad〉, 〈unknown〉, 好, 你
    >>> vocabulary.encode([["你", "好", "吗"], []], length=4)
    array([[3, 2, 1, 0],
           [0, 0, 0, 0]])
    """

    PAD = PAD
    UNKNOWN = UNKNOWN

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = tuple(tokens)
        _check_strings(self.tokens)
        if self.tokens[:2] != SPECIAL:
            raise ValueError(f"the first two tokens must be {SPECIAL}, got {self.tokens[:2]}")
        if len(set(self.tokens)) < len(self.tokens):
            [(twice, count)] = Counter(self.tokens).most_common(1)
            raise ValueError(f"the token {twice!r} is there {count} times; each token has one id")
        if strange := [token for token in self.tokens if not _is_unicode(token)]:
            raise ValueError(f"the token {strange[0]!r} cannot be written as UTF-8")
        # A special token has no entry: a text that spells 〈pad〉 must not be able to hide what it says.
        self._ids = {token: number for number, token in enumerate(self.tokens) if number > UNKNOWN}

    @classmethod
    def build(cls, texts: Iterable[Sequence[str]], size: int = 10_000, min_count: int = 1) -> Vocabulary:
        """The most frequent tokens of texts that are lists of tokens (建立词表), ``size`` with the special two.

        Tokens seen fewer than ``min_count`` times are left out; equally frequent ones are in the order of
        their code points. Count the training texts alone, or the vocabulary knows the test set.

        Raises ValueError for a size below 2 or a min_count below 1; TypeError where these are not integers,
        or where a text is not a list of strings.
        """
        for name, number, least in (("size", size, len(SPECIAL)), ("min_count", min_count, 1)):
            _check_integer(name, number, least)
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(_checked(text))
        known = [token for token in counts if counts[token] >= min_count and token not in SPECIAL]
        known.sort(key=lambda token: (-counts[token], token))
        return cls((*SPECIAL, *known[: size - len(SPECIAL)]))

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """What `to_json` wrote (读回词表); ValueError when it is damaged or no vocabulary."""
        try:
            tokens = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"the vocabulary is not JSON ({error})") from error
        if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
            raise ValueError("the vocabulary must be a JSON list of strings")
        return cls(tokens)

    def to_json(self) -> str:
        """The tokens as a JSON list (保存词表)."""
        return json.dumps(self.tokens, ensure_ascii=False)

    def encode(self, texts: Iterable[Sequence[str]], length: int) -> np.ndarray:
        """The ids of n texts, int64 (n, length) (编码): the first ``length`` tokens of each, then padding.

        A token that is not known becomes 1, an empty text is all padding. Raises ValueError for a length
        below 1; TypeError where it is not an integer, or where a text is not a list of strings.
        """
        _check_integer("length", length, 1)
        rows = [[self._ids.get(token, UNKNOWN) for token in _checked(text)[:length]] for text in texts]
        ids = np.full((len(rows), length), PAD, dtype=np.int64)
        for place, row in zip(ids, rows, strict=True):
            place[: len(row)] = row
        return ids

    def decode(self, ids: ArrayLike) -> list[list[str]]:
        """The tokens of n rows of ids (n, length) without the padding (解码).

        Raises TypeError for ids that are not integers; ValueError where they are not rows; IndexError for an
        id that no token has.
        """
        rows = np.asarray(ids)
        if rows.ndim != 2:
            raise ValueError(f"the ids must have shape (n, length), got {rows.shape}")
        if rows.size and rows.dtype.kind not in "iu":
            raise TypeError(f"the ids must be integers, got {rows.dtype}")
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"ids must be in [0, {len(self)}), got [{rows.min()}, {rows.max()}]")
        return [[self.tokens[number] for number in row if number != PAD] for row in rows.tolist()]

    def coverage(self, texts: Iterable[Sequence[str]]) -> float:
        """The share of all tokens of the texts that are known (覆盖率); ValueError when there are no tokens."""
        known = [token in self for text in texts for token in _checked(text)]
        if not known:
            raise ValueError("the texts hold no tokens, so there is no share to give")
        return sum(known) / len(known)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __len__(self) -> int:
        return len(self.tokens)

    def __eq__(self, other: object) -> bool:
        return self.tokens == other.tokens if isinstance(other, Vocabulary) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.tokens)

    def __repr__(self) -> str:
        shown = ", ".join(self.tokens[:10]) + ", …" * (len(self) > 10)
        return f"Vocabulary of {len(self)} tokens: {shown}"


def _checked(text: Sequence[str]) -> Sequence[str]:
    if isinstance(text, str):
        raise TypeError(f"a text must be a list of tokens, got the str {text!r:.40}; cut it with text.characters")
    _check_strings(text)
    return text


def _check_strings(tokens: Sequence[str]) -> None:
    for token in tokens:
        if not isinstance(token, str):
            raise TypeError(f"a token must be a str, got {type(token).__name__}: {token!r:.40}")


def _check_integer(name: str, number: int, least: int) -> None:
    if isinstance(number, bool) or not isinstance(number, int | np.integer):
        raise TypeError(f"{name} must be an int, got {number!r}")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}")


def _is_unicode(token: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in token)
