"""What word vectors know: which tokens are near a token."""

from __future__ import annotations

import numpy as np

from tinygrad_zh.text.vocabulary import Vocabulary


def neighbours(vectors: np.ndarray, vocabulary: Vocabulary, word: str, n: int = 5) -> list[tuple[str, float]]:
    """The n tokens w of the greatest cosine v·w / (‖v‖ ‖w‖), the nearest first (最近邻的词): [(token, cosine)].

    Neither the word itself nor a token whose vector is zero is among them.

    Raises KeyError for a word that the vocabulary has not or whose vector is zero; ValueError where there is not one
    vector for each token, or n is below 1.

    >>> vocabulary = Vocabulary.build([["猫", "狗", "船"]])
    >>> vectors = np.array([[0, 0], [0, 0], [3, 4], [8, 6], [-4, 3]])
    >>> neighbours(vectors, vocabulary, vocabulary.tokens[2], n=1) == [(vocabulary.tokens[3], 0.96)]
    True
    """
    if np.ndim(vectors) != 2 or len(vectors) != len(vocabulary):
        raise ValueError(f"{len(vocabulary)} tokens need vectors ({len(vocabulary)}, width), got {np.shape(vectors)}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    lengths = np.linalg.norm(vectors, axis=1)
    place = vocabulary.encode([[word]], length=1).item()
    if word not in vocabulary or lengths[place] == 0:
        raise KeyError(f"{word!r} has no vector: it was not among the tokens that the vectors were trained on")
    cosines = vectors @ vectors[place] / np.maximum(lengths * lengths[place], np.finfo(np.float32).tiny)
    cosines[lengths == 0] = cosines[place] = -np.inf
    nearest = np.argsort(-cosines, kind="stable")[:n]
    return [(vocabulary.tokens[i], float(cosines[i])) for i in nearest if np.isfinite(cosines[i])]
