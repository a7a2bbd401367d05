"""S4: an intelligent customer service, a Transformer that reads Chinese characters. Document 001 §2.6.

    X = E[t] + P                            100 tokens → 100 × 128; E 10000 × 128; P sines and cosines (ours)
    Z = X + A(LN(X)),  X ← Z + F(LN(Z))     twice; A: self-attention (4 heads: ours), F: 128–128–128 with ReLU   F25
    z = mean_i(LN(X)_i) W + b               over the characters, not the padding (ours)
    ŷ = σ(z),  L = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ))                                                          F11
    W ← Adam(W, ∂L/∂W)                      α = 0.001, batches of 32, 10 epochs                                   F27

Two tasks on real texts: `reviews` is the document's network and training, two classes; `intents` is what its project
is for, telling ten things that customers want. What it leaves out and we add: heads, where the norms stand, positions,
the masked mean (as written, its Dense(1) gives a number for every position). It prints 0.835 on its training texts and
0.778 on 1,000 others, without data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tinygrad_zh import data
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents.baselines import naive_bayes
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import complete, heading, say, table
from tinygrad_zh.documents.s4 import intents, reviews
from tinygrad_zh.documents.s4.answering import answer, class_name
from tinygrad_zh.documents.s4.classifier import CUTS, FOLDER, counted, store
from tinygrad_zh.i18n import text
from tinygrad_zh.train import metrics

__all__ = ["INPUT", "INPUT_DTYPE", "answer", "first_step", "network", "run"]

INPUT, INPUT_DTYPE = (1, reviews.LENGTH), np.int64
CLAIMED = (0.835, 0.778)  # on the training texts, on 1,000 others

network, first_step = reviews.network, reviews.first_step


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in S3
def run(options: Options) -> dict[str, float]:
    """Train on the dialogues, then on the reviews (or one of them), and write networks that can be asked."""
    options = options.only("S4", "data", "source", "tokens", "epochs", "batch_size", "out")
    if options.data not in (None, *TASKS):
        raise ValueError(f'S4 has data "dialogues" and "reviews", not {options.data!r}')
    if options.tokens not in (None, *CUTS):
        raise ValueError(f"S4 reads the tokens {' or '.join(CUTS)}, not {options.tokens!r}")
    if options.source and not options.data:
        raise ValueError("--source is one set of texts; say with --data whether dialogues or reviews")
    folder = options.out or FOLDER
    figures: dict[str, float] = {}
    for name in [options.data] if options.data else TASKS:
        manual_seed(options.seed)
        figures |= TASKS[name](options, folder)
    say("s4.next")
    return figures


def _dialogues(options: Options, folder: Path) -> dict[str, float]:
    """(b) What does a customer want?"""
    train, test = data.dialogues(source=options.source)
    heading("s4_dialogues", train=len(train), held_out=len(test), intents=len(train.names))
    trained, history = intents.learn(train, test, **_given(options))
    complete(history)
    store(trained, folder / "dialogues.safetensors")
    read = intents.logits(trained, test).argmax(axis=1)
    figures = {"accuracy": metrics.accuracy(read, test.labels),
               "macro_accuracy": float(metrics.recall(read, test.labels, "macro"))}
    say("s4.dialogues.accuracy", **figures)
    _baseline(train, test, intents.LENGTH, trained.tokens)
    say("s4.dialogues.misread")
    for i in np.flatnonzero(read != test.labels)[:5]:
        print(f"  {test.texts[i]}  {class_name(test.names[test.labels[i]])} → {class_name(test.names[read[i]])}")
    return {f"dialogues_{name}": value for name, value in figures.items()}


def _reviews(options: Options, folder: Path) -> dict[str, float]:
    """(a) Is a review kind or not? As the document has it, then with what closes the gap."""
    parts = reviews.split(data.reviews(source=options.source), options.seed)
    heading("s4_reviews", train=len(parts.train), held_out=len(parts.held_out), rest=len(parts.rest))
    rows, figures = [], {}
    for name, recipe in reviews.RECIPES.items():
        say(f"s4.reviews.{name}")
        trained, history = reviews.learn(parts, recipe, **_given(options))
        complete(history)
        figures[name] = history["validation_accuracy"][-1]
        rows.append([text(f"s4.reviews.{name}"), f"{history['accuracy'][-1]:.3f}", f"{figures[name]:.3f}"])
    store(trained, folder / "reviews.safetensors")
    table([text("s4.reviews.network"), text("train.figure.accuracy"), text("train.figure.validation_accuracy")],
          [text("s4.reviews.claimed"), *(f"{accuracy:.3f}" for accuracy in CLAIMED)], *rows)
    _baseline(parts.train, parts.held_out, reviews.LENGTH, trained.tokens)
    return {f"reviews_{name}": value for name, value in figures.items()}


def _baseline(train: data.Texts, test: data.Texts, length: int, tokens: str) -> None:
    """What counting tells, from the same tokens and their pairs; it has no part in the network's figure."""
    try:
        say("s4.baseline", accuracy=counted(naive_bayes, train, test, length, tokens))
    except ImportError as error:
        print(error, end="\n\n")


def _given(options: Options) -> dict[str, Any]:
    """The settings that were given; the others are as the task has them."""
    given = {"tokens": options.tokens, "epochs": options.epochs, "batch_size": options.batch_size}
    return {name: value for name, value in given.items() if value is not None}


TASKS: dict[str, Callable[[Options, Path], dict[str, float]]] = {"dialogues": _dialogues, "reviews": _reviews}
