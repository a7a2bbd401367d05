"""What skip-gram learns from: pairs of a token and a neighbour, and tokens drawn at random. Mikolov et al. 2013."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.text.vocabulary import PAD, UNKNOWN


class Pairs:
    """The pairs of some texts (中心词与上下文词), drawn anew at every call of `draw`.

    texts: rows of ids below ``size``; padding and unknown tokens are left out. ``counts`` (size,) says how often
    each id is there, ``noise`` (size,) how likely `noise_tokens` are to be it.

    Raises TypeError for ids that are no integers, IndexError for one that is not below ``size``, ValueError where no
    text has two known tokens.
    """

    def __init__(self, texts: Iterable[ArrayLike], size: int, window: int, threshold: float) -> None:
        rows = [_row(number, text, size) for number, text in enumerate(texts)]
        lengths = [len(row) for row in rows]
        if max(lengths, default=0) < 2:
            raise ValueError(f"none of the {len(rows)} texts has two known tokens, so there are no pairs to learn from")
        self.ids = np.concatenate(rows)
        self.places = np.repeat(np.arange(len(rows)), lengths)
        self.counts = np.bincount(self.ids, minlength=size)
        self.noise = self.counts**0.75 / (self.counts**0.75).sum()
        self.window = window
        frequency = self.counts / len(self.ids)
        self.kept = np.sqrt(threshold / np.maximum(frequency, threshold))

    def draw(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Every pair of one pass in random order (抽取词对): centres (n,) and their neighbours (n,).

        First each token is kept with probability √(threshold / frequency), at most 1; then each that is left takes
        as neighbours up to 1, 2, … or ``window`` tokens, drawn for each, of its text on both sides.
        """
        kept = generator.random(len(self.ids)) < self.kept[self.ids]
        ids, places = self.ids[kept], self.places[kept]
        reach = generator.integers(1, self.window, size=len(ids), endpoint=True)
        pairs = []
        for distance in range(1, min(self.window, len(ids) - 1) + 1):
            left, right = slice(None, -distance), slice(distance, None)
            same_text = places[left] == places[right]
            for centre, neighbour in ((left, right), (right, left)):
                near = same_text & (reach[centre] >= distance)
                pairs.append((ids[centre][near], ids[neighbour][near]))
        if not sum(len(centres) for centres, _ in pairs):
            raise ValueError("subsampling left no pairs; give a greater threshold (1 keeps every token)")
        centres, neighbours = map(np.concatenate, zip(*pairs, strict=True))
        order = generator.permutation(len(centres))
        return centres[order], neighbours[order]

    def noise_tokens(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n ids, each with a probability in proportion to its count^¾ (负采样)."""
        return generator.choice(len(self.noise), n, p=self.noise)


def _row(number: int, text: ArrayLike, size: int) -> np.ndarray:
    """The known ids of a text."""
    ids = np.asarray(text, dtype=None if np.size(text) else np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise TypeError(f"text {number} must be a row of integer ids, as Vocabulary.encode gives; got {text!r:.60}")
    if ids.size and not 0 <= ids.min() <= ids.max() < size:
        raise IndexError(f"text {number}: ids must be in [0, {size}), got [{ids.min()}, {ids.max()}]")
    return ids[(ids != PAD) & (ids != UNKNOWN)]
