"""What counting tells of a text, without any network: the measure of what a GPT has learnt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh.documents.gpt.corpus import Corpus

Array = np.ndarray[Any, Any]

LONGER = ("bigram", "trigram", "fourgram")


def guesses(corpus: Corpus) -> dict[str, float]:
    """−1/n Σ ln p(y) of the held-out characters y, in nats, for guesses p that were counted in the text to learn from.

    uniform: p(y) = 1 / V. unigram: p(y) = (n_y + 1) / (n + V). Then of what follows the 1, 2, 3 characters c before y:
    p(y|c) = (n_cy + d_c p(y|c′)) / (n_c + d_c), with d_c different characters after c, and c′ one shorter than c
    (Witten, Bell 1991). Within a window, as the GPT sees it.
    """
    ids, x, y, V = corpus.ids, corpus.x, corpus.y, len(corpus.vocabulary)
    p = ((np.bincount(ids, minlength=V) + 1) / (len(ids) + V))[y]
    losses = {"uniform": math.log(V), "unigram": float(-np.log(p).mean())}
    for k, name in enumerate(LONGER, 1):
        before, with_next = runs(ids[:-1], k, V), runs(ids, k + 1, V)
        c, shorter = runs(x, k, V), p[:, k - 1:]
        n_c, n_cy = count(before, c), count(with_next, c + V**k * y[:, k - 1:])
        d_c = count(np.unique(with_next) % V**k, c)
        np.divide(n_cy + d_c * shorter, n_c + d_c, out=shorter, where=n_c > 0)
        losses[name] = float(-np.log(p).mean())
    return losses


def runs(ids: Array, k: int, V: int) -> Array:
    """Every k ids in a row as one number: the first, + V · the second, + V² · the third, …

    >>> runs(np.array([3, 1, 2]), 2, 10).tolist()
    [13, 21]
    """
    return np.lib.stride_tricks.sliding_window_view(ids, k, axis=-1) @ V ** np.arange(k)


def count(numbers: Array, asked: Array) -> Array:
    """How often each asked number is among the numbers.

    >>> count(np.array([5, 7, 5]), np.array([7, 5, 6])).tolist()
    [1, 2, 0]
    """
    found, times = np.unique(numbers, return_counts=True)
    place = np.minimum(np.searchsorted(found, asked), len(found) - 1)
    return np.where(found[place] == asked, times[place], 0)
