"""S4 (a): is a review kind or not? The document's network, with its exact training, on real Chinese reviews.

Document 001 §2.6.3: 2,000 texts to train on, 1,000 to validate, batches of 32, 10 epochs, Adam at 1e-3. It shows no
data; these are the reviews of data.reviews.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.s4 import ngrams
from tinygrad_zh.documents.s4.classifier import CUTS, TextClassifier, Trained, falling_rate, start_from_vectors
from tinygrad_zh.documents.training import step
from tinygrad_zh.optim import AdamW
from tinygrad_zh.text import Vocabulary, characters
from tinygrad_zh.train import History, fit, metrics

Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

VOCABULARY, LENGTH, WIDTH, DEPTH, HIDDEN = 10_000, 100, 128, 2, 128
HEADS = 4  # the document gives none
STD = 1.0  # of the vectors that the embedding may begin with, as of its first values otherwise
TRAIN, HELD_OUT, EPOCHS, BATCH, RATE = 2_000, 1_000, 10, 32, 1e-3
FEW = data.Texts(["房间干净，服务很好。", "电池坏了，不推荐。", "书很好看！"], np.array([1, 0, 1]),
                 names=("negative", "positive"))


class Recipe(NamedTuple):
    """What is added to the document's training: nothing, unless said."""

    dropout: float = 0.0
    weight_decay: float = 0.0
    pretrained: bool = False
    falling: bool = False


DOCUMENT = Recipe()
CLOSER = Recipe(dropout=0.1, weight_decay=0.1, pretrained=True, falling=True)
RECIPES = {"document": DOCUMENT, "closer": CLOSER}


class Split(NamedTuple):
    """Reviews to learn from, reviews to be judged by, and the rest, at whose labels nobody looks."""

    train: data.Texts
    held_out: data.Texts
    rest: list[str]


def split(reviews: data.Texts, seed: int) -> Split:
    """2,000, 1,000, and the rest; of texts that differ by white space and punctuation alone, only the first."""
    rows = list({_letters(text): i for i, text in reversed(list(enumerate(reviews.texts)))}.values())
    rest, chosen = data.train_test_split(np.sort(rows), test_size=TRAIN + HELD_OUT, seed=seed,
                                         stratify=reviews.labels[np.sort(rows)])
    train, held_out = data.train_test_split(chosen, test_size=HELD_OUT, seed=seed, stratify=reviews.labels[chosen])
    return Split(reviews.take(train), reviews.take(held_out), reviews.take(rest).texts)


def _letters(text: str) -> str:
    return "".join(character for character in characters(text) if character.isalnum())


def network(vocabulary: int = VOCABULARY, outputs: int = 1, dropout: float = 0.0) -> TextClassifier:
    """10000 × 128, two pre-norm blocks with 128 hidden units, one output."""
    return around(nn.Embedding(vocabulary, WIDTH), outputs, dropout, TextClassifier)


def around(embedding: nn.Module, outputs: int, dropout: float, kind: type[TextClassifier]) -> TextClassifier:
    """The network around an embedding; what goes into it has twice the dropout."""
    return kind(
        embedding=embedding,
        position=nn.SinusoidalPosition(WIDTH),
        encoder=nn.Encoder(DEPTH, WIDTH, HEADS, HIDDEN, dropout, block=nn.PreNormTransformerBlock),
        pool=nn.MeanPool(),
        output=nn.Dense(WIDTH, outputs),
        dropout=2 * dropout,
    )


def learn(parts: Split, recipe: Recipe = DOCUMENT, tokens: str = "characters", **settings: Any,
          ) -> tuple[Trained, History]:
    """The document's training of the document's network, and what the recipe adds."""
    known = [CUTS[tokens](text) for text in parts.train.texts + (parts.rest if recipe.pretrained else [])]
    vocabulary = Vocabulary.build(known, VOCABULARY)
    model = network(dropout=recipe.dropout)
    trained = Trained(model, vocabulary, tokens, parts.train.names)
    if recipe.pretrained:
        start_from_vectors(model.embedding, vocabulary, known, STD, settings.get("progress", "auto"))
    seen, unseen = ((trained.read(part.texts, LENGTH), targets(part)) for part in (parts.train, parts.held_out))
    return trained, optimize(model, seen, unseen, recipe, **settings)


def learn_ngrams(parts: Split, recipe: Recipe, orders: int = 2, **settings: Any) -> History:
    """The same, over characters and the longer n-grams that end at each; all tables begin with vectors."""
    texts = parts.train.texts + parts.rest
    known = ngrams.vocabularies(texts, orders, size=2 * VOCABULARY)
    embedding = ngrams.NGramEmbedding(known, WIDTH)
    for order, (table, vocabulary) in enumerate(zip(embedding.tables, known, strict=True), 1):
        tokens = [ngrams.ngrams(text, order) for text in texts]
        start_from_vectors(table, vocabulary, tokens, STD, settings.get("progress", "auto"))
    model = around(embedding, 1, recipe.dropout, ngrams.NGramClassifier)
    seen, unseen = ((ngrams.encode(known, part.texts, LENGTH), targets(part)) for part in (parts.train, parts.held_out))
    return optimize(model, seen, unseen, recipe, **settings)


def optimize(model: nn.Module, train: Pair, held_out: Pair, recipe: Recipe, epochs: int = EPOCHS,
             batch_size: int = BATCH, progress: str = "auto") -> History:
    """The recipe's Adam on the binary cross-entropy."""
    optimizer = adam(model, recipe)
    steps = epochs * math.ceil(len(train[0]) / batch_size)
    callbacks = falling_rate(optimizer, steps) if recipe.falling else []
    return fit(model, train, validation=held_out, loss=F.binary_cross_entropy_with_logits, optimizer=optimizer,
               epochs=epochs, batch_size=batch_size, metrics={"accuracy": accuracy}, callbacks=callbacks,
               progress=progress)


def adam(model: nn.Module, recipe: Recipe) -> AdamW:
    """AdamW, which is Adam where the recipe has no weight decay."""
    return AdamW(model.parameters(), lr=RATE, weight_decay=recipe.weight_decay)


def first_step() -> Callable[[], None]:
    """The first step of the document's training on three reviews, which are ours, for the stepper."""
    manual_seed(0)
    known = list(map(characters, FEW.texts))
    model, vocabulary = network(), Vocabulary.build(known)
    tokens = tensor(vocabulary.encode(known, max(map(len, known))))
    return partial(step, model, tokens, targets(FEW), F.binary_cross_entropy_with_logits, adam(model, DOCUMENT))


def accuracy(logits: Any, labels: Any) -> float:
    """The share of texts on whose side of 0 the logit is: ŷ = σ(z) > 0.5 where z > 0."""
    return metrics.accuracy(np.asarray(logits) > 0, labels)


def targets(texts: data.Texts) -> np.ndarray[Any, Any]:
    """The labels as a column of 0 and 1."""
    return texts.labels[:, None].astype(np.float32)
