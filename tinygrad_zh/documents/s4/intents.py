"""S4 (b): what does a customer want? Ten intents, from the characters of real customer-service dialogues.

The document's project has this aim (001 §2.6.1) but classifies into two. Sizes and training are ours, chosen on a part
of the training turns; the test turns were not looked at for that.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.documents.s4 import ngrams
from tinygrad_zh.documents.s4.classifier import CUTS, TextClassifier, Trained, falling_rate, start_from_vectors
from tinygrad_zh.optim import Adam
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.train import History, fit, metrics, predict

Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]

LENGTH, WIDTH, DEPTH, HEADS, HIDDEN, INTENTS = 64, 64, 2, 4, 128, 10
DROPOUT, TOKEN_DROPOUT = 0.2, 0.15
EPOCHS, BATCH, RATE = 15, 32, 1e-3
STD = 0.02  # of the embedding's first values


def network(vocabulary: int, outputs: int = INTENTS) -> TextClassifier:
    """Two pre-norm blocks, learned positions, attention pooling, an output for each intent."""
    return around(nn.Embedding(vocabulary, WIDTH, init=nn.init.small_normal), outputs, TextClassifier)


def around(embedding: nn.Module, outputs: int, kind: type[TextClassifier]) -> TextClassifier:
    """The network around an embedding."""
    return kind(
        embedding=embedding,
        position=nn.LearnedPosition(LENGTH, WIDTH),
        encoder=nn.Encoder(DEPTH, WIDTH, HEADS, HIDDEN, DROPOUT, block=nn.PreNormTransformerBlock),
        pool=nn.AttentionPool(WIDTH),
        output=nn.Dense(WIDTH, outputs),
        dropout=DROPOUT,
        token_dropout=TOKEN_DROPOUT,
    )


def learn(train: data.Texts, held_out: data.Texts, pretrained: bool = False, tokens: str = "characters",
          **settings: Any) -> tuple[Trained, History]:
    """Train the network on the tokens of the training turns; pretrained: its table begins with their vectors."""
    known = list(map(CUTS[tokens], train.texts))
    vocabulary = Vocabulary.build(known)
    model = network(len(vocabulary), len(train.names))
    if pretrained:
        start_from_vectors(model.embedding, vocabulary, known, STD, settings.get("progress", "auto"))
    trained = Trained(model, vocabulary, tokens, train.names)
    seen, unseen = ((trained.read(turns.texts, LENGTH), turns.labels) for turns in (train, held_out))
    return trained, optimize(model, seen, unseen, **settings)


def learn_ngrams(train: data.Texts, held_out: data.Texts, orders: int = 2, **settings: Any) -> np.ndarray[Any, Any]:
    """The same network over characters and the longer n-grams that end at each; its logits of the held-out turns."""
    known = ngrams.vocabularies(train.texts, orders)
    model = around(ngrams.NGramEmbedding(known, WIDTH), len(train.names), ngrams.NGramClassifier)
    seen, unseen = ((ngrams.encode(known, turns.texts, LENGTH), turns.labels) for turns in (train, held_out))
    optimize(model, seen, unseen, **settings)
    return predict(model, unseen[0])


def optimize(model: nn.Module, train: Pair, held_out: Pair, epochs: int = EPOCHS, batch_size: int = BATCH,
             progress: str = "auto") -> History:
    """Adam, its rate rising and then falling along a cosine."""
    optimizer = Adam(model.parameters(), lr=RATE)
    callbacks = falling_rate(optimizer, epochs * math.ceil(len(train[0]) / batch_size))
    return fit(model, train, validation=held_out, loss=F.cross_entropy, optimizer=optimizer, epochs=epochs,
               batch_size=batch_size, metrics=[metrics.accuracy], callbacks=callbacks, progress=progress)


def logits(trained: Trained, turns: data.Texts) -> np.ndarray[Any, Any]:
    """What the network gives for each turn and each intent."""
    return predict(trained.network, trained.read(turns.texts, LENGTH))
