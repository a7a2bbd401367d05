"""The text that the GPT learns from: read, cut in two, seen through windows."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.train import Callback, Run

Array = np.ndarray[Any, Any]

LONGEST = 2_000_000  # characters: as training is set out, it sees 1.8 million
WINDOWS, OFTEN = 1200, 8  # an epoch has 1,200 windows, but sees no short text more than 8 times
HELD_OUT_WINDOWS = 64


def read(source: Path | None) -> str:
    """The text of a file, or of all .txt files in a folder: at most LONGEST characters.

    Without a source: of the folder that the environment variable TINYGRAD_ZH_DOCUMENTS names.
    """
    named = source or os.environ.get("TINYGRAD_ZH_DOCUMENTS")
    if not named:
        raise ValueError("a GPT learns from a text: give one with --text FILE (or a folder of .txt files), "
                         "or name the folder of the documents in the environment variable TINYGRAD_ZH_DOCUMENTS")
    return data.read_text(named)[:LONGEST]


class Corpus(NamedTuple):
    """ids (n): the text to learn from. x, y (windows, window): held-out characters, and the one after each."""

    vocabulary: Vocabulary
    ids: Array
    x: Array
    y: Array
    prompt: str


def cut(text: str, window: int) -> Corpus:
    """The last tenth is held out, in whole windows, at most HELD_OUT_WINDOWS that lie evenly; it is never trained on.

    The vocabulary is that of the text to learn from. Raises ValueError for a text that is too short, or one
    character.
    """
    held_out = len(text) // 10
    if held_out <= window:
        raise ValueError(f"the text has {len(text):,} characters; it takes at least {10 * (window + 1):,}, of which "
                         f"the last tenth is held out")
    learn, rest = list(text[:-held_out]), list(text[-held_out:])
    if len(set(learn)) == 1:
        raise ValueError(f"the text is {learn[0]!r} over and over; there is nothing to learn from one character")
    vocabulary = Vocabulary.build([learn])
    ids, ids_out = (vocabulary.encode([part], len(part))[0] for part in (learn, rest))
    n = (held_out - 1) // window
    x, y = (ids_out[i: i + n * window].reshape(n, window) for i in (0, 1))
    rows = np.linspace(0, n - 1, min(n, HELD_OUT_WINDOWS)).astype(int)
    return Corpus(vocabulary, ids, x[rows], y[rows], frequent(text[:-held_out]))


def frequent(text: str, length: int = 3) -> str:
    """The letters or Chinese characters that come most often in a row; of a text without any, its beginning.

    >>> frequent("大模型，大模型；模型")
    '大模型'
    """
    rows = Counter(row for i in range(len(text) - length + 1) if (row := text[i: i + length]).isalpha())
    return rows.most_common(1)[0][0] if rows else text[:length]


class Windows(Callback):
    """Windows that begin anywhere in the text, others for every epoch: x (n, window), and y, one character on."""

    def __init__(self, ids: Array, window: int) -> None:
        self.every = np.lib.stride_tricks.sliding_window_view(ids, window + 1)
        count = min(WINDOWS, OFTEN * len(ids) // window)
        self.x, self.y = np.zeros((2, count, window), ids.dtype)

    def on_begin(self, run: Run) -> None:
        """Fill x and y, which fit reads batch by batch and does not copy."""
        windows = self.every[run.generator.integers(len(self.every), size=len(self.x))]
        self.x[:], self.y[:] = windows[:, :-1], windows[:, 1:]

    on_epoch = on_begin
