"""The classifier of S4: characters → embedding → Transformer blocks → one row → a dense layer. And its file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, load, nn, save
from tinygrad_zh.core import Tensor, default_generator
from tinygrad_zh.core.tensor import values_of
from tinygrad_zh.documents.baselines import with_pairs
from tinygrad_zh.ops.regularization import check_probability
from tinygrad_zh.optim import CosineAnnealingLR, Optimizer, WarmUp
from tinygrad_zh.serialization import load_metadata
from tinygrad_zh.text import Vocabulary, characters, skip_gram, words
from tinygrad_zh.train import Callback, ClippedNorm, ScheduledSteps, metrics

FOLDER = Path("tinygrad-zh-s4")
SKIP_GRAM: dict[str, Any] = {"window": 5, "negatives": 5.0, "epochs": 3, "threshold": 1e-3}


class TokenDropout(nn.Module):
    """t ← unknown with probability p, in training, so that no single character decides. 中文：词元随机失活。

    Padding stays padding. Iyyer et al. 2015 ("word dropout").
    """

    def __init__(self, p: float) -> None:
        check_probability("TokenDropout", p)
        self.p = p

    def forward(self, tokens: Any) -> Any:
        tokens = values_of(tokens)
        if not (self.training and self.p):
            return tokens
        dropped = np.asarray(default_generator().random(tokens.shape) < self.p, like=tokens)
        return np.where(dropped & (tokens != Vocabulary.PAD), Vocabulary.UNKNOWN, tokens)

    def describe(self) -> str:
        return f"p={self.p}"


class TextClassifier(nn.Module):
    """z = pool(Encoder(E[t] + P)) W + b; padding is neither attended to nor pooled. 中文：文本分类器。

    Tokens (n, length) → logits (n, outputs). A text of padding alone gives z = b.
    """

    def __init__(self, embedding: nn.Module, position: nn.Module, encoder: nn.Encoder, pool: nn.Module,
                 output: nn.Dense, dropout: float = 0.0, token_dropout: float = 0.0) -> None:
        self.token_dropout = TokenDropout(token_dropout)
        self.embedding = embedding
        self.position = position
        self.dropout = nn.Dropout(dropout)
        self.encoder = encoder
        self.pool = pool
        self.output = output

    def forward(self, tokens: Any) -> Tensor:
        tokens = self.token_dropout(tokens)
        return self.read(self.embedding(tokens), nn.padding_mask(tokens))

    def read(self, x: Tensor, allowed: np.ndarray[Any, Any]) -> Tensor:
        """From the embedded tokens to the logits."""
        x = self.dropout(self.position(x))
        return self.output(self.pool(self.encoder(x, mask=allowed), allowed[..., 0, :]))


CUTS = {"characters": characters, "words": words}
"""The ways to cut a text into tokens."""


class Trained(NamedTuple):
    """A network with what it takes to use it: its vocabulary, how it cuts texts, and the names of its classes."""

    network: TextClassifier
    vocabulary: Vocabulary
    tokens: str
    classes: tuple[str, ...]

    def read(self, texts: list[str], length: int) -> np.ndarray[Any, Any]:
        """Texts as the ids of their first `length` tokens."""
        return self.vocabulary.encode(map(CUTS[self.tokens], texts), length)


def falling_rate(optimizer: Optimizer, steps: int) -> list[Callback]:
    """The rate rises for a tenth of the steps, then falls to 0 along a cosine; no gradient is longer than 1."""
    warm_up = math.ceil(steps / 10)
    schedule = WarmUp(optimizer, warm_up, CosineAnnealingLR(optimizer, max(1, steps - warm_up)))
    return [ScheduledSteps(schedule), ClippedNorm(1.0)]


def start_from_vectors(embedding: Any, vocabulary: Vocabulary, texts: Sequence[list[str]], std: float,
                       progress: str) -> None:
    """Let the table begin with vectors that the skip-gram learns from texts, lists of tokens without labels.

    They are scaled to a standard deviation; rows without a vector keep their first values.
    """
    table = embedding.W.numpy().copy()
    ids = vocabulary.encode(texts, max(map(len, texts)))
    vectors = skip_gram(ids, len(vocabulary), table.shape[1], progress=progress, **SKIP_GRAM)
    learnt = np.flatnonzero(vectors.any(axis=1))
    table[learnt] = vectors[learnt] * (std / vectors[learnt].std())
    embedding.W.assign(table)


def counted(baseline: Callable[..., Any], train: data.Texts, test: data.Texts, length: int,
            tokens: str = "characters") -> float:
    """The accuracy of a baseline that counts the tokens which the network reads, and their pairs."""
    known, asked = ([with_pairs(CUTS[tokens](each)[:length]) for each in part.texts] for part in (train, test))
    return metrics.accuracy(baseline(known, train.labels, asked), test.labels)


def store(trained: Trained, path: Path) -> Path:
    """Write the weights, with all that goes with them in the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notes = {"vocabulary": trained.vocabulary.to_json(), "tokens": trained.tokens,
             "classes": json.dumps(trained.classes, ensure_ascii=False)}
    save(trained.network.state_dict(), path, metadata=notes)
    return path


def restore(path: Path, network: Callable[[int, int], TextClassifier]) -> Trained:
    """Read what `store` wrote into network(rows of the embedding, outputs).

    Raises ValueError for a file that is damaged, or that holds another network.
    """
    weights, notes = load(path), load_metadata(path)
    if notes.get("tokens") not in CUTS or not {"embedding.W", "output.b"} <= weights.keys():
        raise ValueError(f"{path} is no network of S4; train one with: tinygrad-zh train s4")
    model = network(len(weights["embedding.W"]), len(weights["output.b"]))
    model.load_state_dict(weights)
    return Trained(model, Vocabulary.from_json(notes["vocabulary"]), notes["tokens"],
                   tuple(json.loads(notes["classes"])))
