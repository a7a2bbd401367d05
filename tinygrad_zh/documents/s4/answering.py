"""`tinygrad-zh ask s4`: what the trained networks read out of a sentence, and where they looked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn, plot
from tinygrad_zh.documents.report import say
from tinygrad_zh.documents.s4 import intents, reviews
from tinygrad_zh.documents.s4.classifier import CUTS, FOLDER, Trained, restore
from tinygrad_zh.i18n import pad, text
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.text.shading import shade
from tinygrad_zh.train.evaluate import inference

PARTS = {"dialogues": intents, "reviews": reviews}
BAR = 30


class Answer(NamedTuple):
    """What a network says of one text.

    tokens: what it read; probabilities: one a class; heads: the last block's weights (heads, n, n);
    received (n): how much of it each token gets, the mean over heads and rows.
    """

    tokens: list[str]
    probabilities: dict[str, float]
    heads: np.ndarray[Any, Any]
    received: np.ndarray[Any, Any]


def ask(trained: Trained, words: str, length: int) -> Answer:
    """Read one text. Raises ValueError for a text without a token to read."""
    tokens = CUTS[trained.tokens](words)[:length]
    if not tokens:
        raise ValueError("there is nothing to read in an empty text; ask with a sentence")
    with inference(trained.network), nn.attention_maps(trained.network) as maps:
        logits = trained.network(trained.vocabulary.encode([tokens], length=len(tokens)))
    heads = [layer[0] for layer in maps.values() if layer.ndim == 4][-1]
    return Answer(tokens, _probabilities(logits.numpy()[0], trained.classes), heads, heads.mean(axis=(0, 1)))


def _probabilities(logits: Any, classes: tuple[str, ...]) -> dict[str, float]:
    """softmax over many outputs; σ of a single one, which is the second class's."""
    if len(logits) == 1:
        p = float(F.sigmoid(logits)[0])
        return dict(zip(classes, (1 - p, p), strict=True))
    return dict(zip(classes, F.softmax(logits).tolist(), strict=True))


def answer(words: str, folder: Path | None = None) -> None:
    """Print what each trained network makes of the words, draw what it attends to, and write that as a picture."""
    folder = folder or FOLDER
    found = {name: folder / f"{name}.safetensors" for name in PARTS if (folder / f"{name}.safetensors").exists()}
    if not found:
        raise FileNotFoundError(f"there is no trained network in {folder}; run: tinygrad-zh train s4")
    written = []
    for name, path in found.items():
        part = PARTS[name]
        trained = restore(path, part.network)
        reply = ask(trained, words, part.LENGTH)
        say(f"s4.{name}.asked")
        _notices(len(CUTS[trained.tokens](words)), reply.tokens, trained.vocabulary)
        print(chart(reply.probabilities), end="\n\n")
        say("s4.attention")
        print(shade(reply.tokens, reply.received), end="\n\n")
        written += _pictures(reply, folder / name)
    if written:
        say("train.written", files="  ".join(str(path) for path in written))


def _notices(whole: int, tokens: list[str], vocabulary: Vocabulary) -> None:
    """What the network cannot see: tokens that it never met, and the end of a long text."""
    unknown = [token for token in dict.fromkeys(tokens) if token not in vocabulary]
    if unknown:
        say("s4.unknown", tokens=" ".join(unknown))
    if whole > len(tokens):
        say("s4.cut", length=len(tokens), whole=whole)


def chart(probabilities: dict[str, float]) -> str:
    """A bar a class, the most probable one first."""
    ordered = sorted(probabilities.items(), key=lambda item: -item[1])
    return "\n".join(f"  {pad(class_name(name), 30)} {p:6.1%}  {'█' * round(BAR * p)}".rstrip() for name, p in ordered)


CLASSES = {
    "求推荐": "recommendation", "补充条件": "condition", "致谢": "thanks",
    "问地址": "address", "问电话": "telephone", "问评分": "rating", "问营业时间": "hours",
    "问周边景点": "sights", "问周边餐馆": "restaurants", "问周边酒店": "hotels",
    "negative": "negative", "positive": "positive",
}
"""{class in the data: its name in the catalogue, under s4.class}"""


def class_name(name: str) -> str:
    """A class in the reader's language; as it is called in the data, where that has classes of its own."""
    return text(f"s4.class.{CLASSES[name]}") if name in CLASSES else name


def _pictures(reply: Answer, folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [plot.attention_map(reply.heads, reply.tokens, folder / "attention_map.png"),
                plot.attention_over_text(reply.received, reply.tokens, folder / "attention.png")]
    except ImportError as error:
        print(error)
        return []
