"""Beside the characters, the pairs and triples that end at each of them: what an n-gram baseline counts.

A learner's question: is the gap between the Transformer and counted n-grams in the attention, or in what it reads?
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh import nn
from tinygrad_zh.core import Tensor
from tinygrad_zh.documents.s4.classifier import TextClassifier
from tinygrad_zh.text import Vocabulary, characters

START = "^"  # stands before the first character; the normalised texts may hold it too, which does no harm


class NGramEmbedding(nn.Module):
    """Y = Σ_k E_k[t_k], a table for single characters, one for pairs, … 中文：n 元字嵌入。

    Tokens (…, orders) → Y (…, width).
    """

    def __init__(self, vocabularies: list[Vocabulary], width: int) -> None:
        self.tables = [nn.Embedding(len(each), width, init=nn.init.small_normal) for each in vocabularies]

    def forward(self, tokens: Any) -> Tensor:
        first, *others = (table(tokens[..., k]) for k, table in enumerate(self.tables))
        return sum(others, first)


class NGramClassifier(TextClassifier):
    """TextClassifier over tokens (n, length, orders): what is padding, the characters say."""

    def forward(self, tokens: Any) -> Tensor:
        tokens = self.token_dropout(tokens)
        return self.read(self.embedding(tokens), nn.padding_mask(tokens[..., 0]))


def ngrams(text: str, order: int) -> list[str]:
    """For each character of a text, the `order` characters that end with it.

    >>> ngrams("你好吗", 2)
    ['^你', '你好', '好吗']
    """
    read = [START] * (order - 1) + characters(text)
    return ["".join(read[i:i + order]) for i in range(len(read) - order + 1)]


def vocabularies(texts: list[str], orders: int, size: int = 100_000) -> list[Vocabulary]:
    """Every character, and the longer n-grams that occur twice, `size` of each at most."""
    return [Vocabulary.build((ngrams(text, order) for text in texts), size, min_count=1 if order == 1 else 2)
            for order in range(1, orders + 1)]


def encode(known: list[Vocabulary], texts: list[str], length: int) -> np.ndarray[Any, Any]:
    """Texts as ids (n, length, orders)."""
    return np.stack([vocabulary.encode((ngrams(text, order) for text in texts), length)
                     for order, vocabulary in enumerate(known, 1)], axis=-1)
