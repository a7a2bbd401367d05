"""S2: text classification, word vectors and 1000–1000–10. Document 000 §4.3, case 2.

    v  ← skip-gram with negative sampling          a vector of 500 for each word and character, no label needed
    a₀ = (1/|W| Σ_w v_w, 1/|C| Σ_c v_c)            the mean over a text's words, then over its characters: 1000
    a₁ = max(0, a₀ W₁ + b₁)                        ReLU           F01, F12
    z₂ = a₁ W₂ + b₂                                the logits
    J  = −1/n Σᵢ Σ_c y_ic ln softmax(z₂)_ic        cross-entropy  F09, F10 corrected
    W  ← W − α ∂J/∂W,  b ← b − α ∂J/∂b             α = 0.01, n = 1,000, 1,000 epochs of one step  F07

The document has 1,000 news articles of about 1,000 words; these are 1,000 headlines of about 19 characters. It leaves
open how word vectors become 1,000 inputs; the means are ours, and so are the characters beside the words: of words
alone, many in a headline are in no other. Its ReLU on the output (F03) and its shapes (F06) are errata as in S1. It
gives no accuracy; naive Bayes on the same 1,000 headlines is the measure here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.baselines import logistic_regression, naive_bayes, with_pairs
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import Milestones, complete, heading, say, table
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import SGD, Adam, Optimizer
from tinygrad_zh.text import Vocabulary, characters, neighbours, skip_gram, words
from tinygrad_zh.train import evaluate, fit, metrics

WIDTH = 500
INPUT = (1, 2 * WIDTH)
HEADLINES, EPOCHS, ALPHA = 1000, 1000, 0.01
FEW = ("股市收盘上涨", "新学期大学开学", "球队赢得决赛", "游戏公司发布新作")
SHOWN = {"fund": "基金", "university": "大学", "team": "球队", "game": "游戏", "price": "房价"}


def network(inputs: int = 2 * WIDTH) -> nn.Module:
    """1000–1000–10 with a ReLU between; the softmax is in the loss."""
    return nn.Sequential(nn.Dense(inputs, 1000), nn.ReLU(), nn.Dense(1000, 10))


class Parts(NamedTuple):
    """Headlines to train on, others to test, and every text but those: the training ones and the rest."""

    train: data.Texts
    held_out: data.Texts
    unlabelled: list[str]


def split(headlines: data.Texts, seed: int, size: int = HEADLINES) -> Parts:
    """``size`` headlines to train on and as many to test, each class as often in both as in all."""
    rows = np.arange(len(headlines))
    others, held_out = data.train_test_split(rows, test_size=size, seed=seed, stratify=headlines.labels)
    _, train = data.train_test_split(others, test_size=size, seed=seed, stratify=headlines.labels[others])
    return Parts(headlines.take(train), headlines.take(held_out), [headlines.texts[row] for row in others])


class Vectors(NamedTuple):
    """A vector for each token that the vocabulary knows."""

    vocabulary: Vocabulary
    vectors: np.ndarray

    def mean(self, texts: list[list[str]]) -> np.ndarray:
        """The mean vector of each text's known tokens (n, width); zero where it has none."""
        ids = self.vocabulary.encode(texts, length=max(map(len, texts)))
        known = np.maximum(1, (ids > Vocabulary.UNKNOWN).sum(axis=1))
        return np.stack([self.vectors[row].sum(axis=0) for row in ids]) / known[:, None].astype(self.vectors.dtype)

    def inputs(self, texts: list[str]) -> np.ndarray:
        """a₀ (n, 2 width): the mean over the words beside the mean over the characters."""
        return np.hstack([self.mean([cut(one) for one in texts]) for cut in (words, characters)])


def pieces(headline: str) -> list[str]:
    """Its words, each of several characters with these behind it, so that both have the same neighbours."""
    return [piece for word in words(headline) for piece in ([word, *word] if len(word) > 1 else [word])]


def learn_vectors(texts: list[str], width: int = WIDTH, min_count: int = 3, progress: str = "auto", *,
                  threshold: float = 1e-4) -> Vectors:
    """Skip-gram on the words and characters of texts, without labels; those seen less than ``min_count`` times are
    unknown. threshold: as in `skip_gram`."""
    tokens = [pieces(one) for one in texts]
    vocabulary = Vocabulary.build(tokens, size=100_000, min_count=min_count)
    ids = vocabulary.encode(tokens, length=max(map(len, tokens)))
    return Vectors(vocabulary, skip_gram(ids, len(vocabulary), width, window=10, threshold=threshold,
                                         progress=progress))


class Recipe(NamedTuple):
    """How a network is trained; the document's way unless it says otherwise."""

    columns: slice = slice(None)
    standardized: bool = False
    optimizer: type[Optimizer] = SGD
    lr: float = ALPHA
    epochs: int = EPOCHS
    batch_size: int = HEADLINES


ADAM = Recipe(standardized=True, optimizer=Adam, lr=0.001, epochs=10, batch_size=32)
RECIPES = {
    "document": Recipe(),
    "standardized": Recipe(standardized=True),
    "adam": ADAM,
    "words": ADAM._replace(columns=slice(0, WIDTH)),
    "characters": ADAM._replace(columns=slice(WIDTH, None)),
}


def train_once(recipe: Recipe, train: tuple[np.ndarray, np.ndarray], held_out: tuple[np.ndarray, np.ndarray],
               ) -> tuple[float, float]:
    """Accuracy on the training texts and on the others."""
    x, x_out = train[0][:, recipe.columns], held_out[0][:, recipe.columns]
    if recipe.standardized:
        x, x_out = data.standardize(x, x_out)
    model = network(x.shape[1])
    milestones = (Milestones(recipe.epochs),) if recipe.epochs >= 100 else ()
    complete(fit(model, (x, train[1]), loss=F.cross_entropy, optimizer=recipe.optimizer(model.parameters(), recipe.lr),
                 epochs=recipe.epochs, batch_size=recipe.batch_size, metrics=[metrics.accuracy],
                 callbacks=milestones, progress="none"))
    figures = [evaluate(model, part, F.cross_entropy, [metrics.accuracy])["accuracy"]
               for part in ((x, train[1]), (x_out, held_out[1]))]
    return figures[0], figures[1]


def first_step() -> Callable[[], None]:
    """The first step on four headlines of four classes, which are ours, for the stepper."""
    manual_seed(0)
    vectors = learn_vectors(list(FEW), min_count=1, progress="none", threshold=1)
    model, recipe = network(), RECIPES["document"]
    x, y = tensor(vectors.inputs(list(FEW))), np.arange(len(FEW))
    return partial(step, model, x, y, F.cross_entropy, recipe.optimizer(model.parameters(), recipe.lr))


BASELINES: dict[str, tuple[Callable[..., np.ndarray], Callable[[str], list[str]]]] = {
    "bayes_words": (naive_bayes, words),
    "bayes_pieces": (naive_bayes, pieces),
    "bayes_pairs": (naive_bayes, lambda one: with_pairs(characters(one))),
    "logistic_pairs": (logistic_regression, lambda one: with_pairs(characters(one))),
}


def counted(name: str, train: data.Texts, held_out: data.Texts) -> tuple[float, float]:
    """A baseline's accuracy on the training texts and on the others."""
    baseline, cut = BASELINES[name]
    tokens, tokens_out = [cut(one) for one in train.texts], [cut(one) for one in held_out.texts]
    found = baseline(tokens, train.labels, tokens + tokens_out) == np.concatenate([train.labels, held_out.labels])
    return float(found[: len(train)].mean()), float(found[len(train):].mean())


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in S3
def run(options: Options) -> dict[str, float]:
    """Learn word vectors without labels, show what is near what, then train the document's network on them."""
    options = options.only("S2", "source", "epochs")
    manual_seed(options.seed)
    parts = split(data.headlines(source=options.source), options.seed)
    heading("s2", train=len(parts.train), held_out=len(parts.held_out), texts=len(parts.unlabelled),
            classes=len(parts.train.names), width=WIDTH)
    vectors = learn_vectors(parts.unlabelled)
    _show_neighbours(vectors)
    train, held_out = ((vectors.inputs(part.texts), part.labels) for part in (parts.train, parts.held_out))
    found = {}
    for name, recipe in RECIPES.items():
        recipe = recipe._replace(epochs=options.epochs or EPOCHS) if recipe.epochs == EPOCHS else recipe
        say("s2.training", network=text(f"s2.{name}"))
        found[name] = train_once(recipe, train, held_out)
    try:
        found |= {name: counted(name, parts.train, parts.held_out) for name in BASELINES}
    except ImportError as error:
        print(error)
    table([text("s2.method"), text("train.figure.accuracy"), text("s2.held_out")],
          *([text(f"s2.{name}"), *(f"{accuracy:.3f}" for accuracy in accuracies)]
            for name, accuracies in found.items()))
    say("s2.why")
    say("s2.next")
    return {name: accuracy for name, (_, accuracy) in found.items()}


def _show_neighbours(vectors: Vectors) -> None:
    """The words nearest to a few words; single characters, above all the word's own, would tell less."""
    say("s2.neighbours", tokens=len(vectors.vocabulary))
    for name, word in SHOWN.items():
        near = [pair for pair in neighbours(vectors.vectors, vectors.vocabulary, word, n=50) if len(pair[0]) > 1][:5]
        print("", text(f"s2.word.{name}", word=word), *(f"{token} {cosine:.2f}" for token, cosine in near), sep="  ")
    print(flush=True)
