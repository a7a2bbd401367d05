"""Writing with a trained GPT: one character after another, each drawn from what the network expects."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.core import default_generator
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.gpt.model import FOLDER, GPT, Trained, read_file
from tinygrad_zh.documents.report import say
from tinygrad_zh.i18n import text, visible, wrap
from tinygrad_zh.nn.layers import check_lengths
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.train import Callback, Run
from tinygrad_zh.train.evaluate import inference

TEMPERATURE, TOP_K = 0.8, 40
COLUMNS = 76


def write(model: GPT, vocabulary: Vocabulary, prompt: str, length: int, temperature: float = TEMPERATURE,
          top_k: int = TOP_K, generator: np.random.Generator | None = None) -> str:
    """c ~ softmax(z / τ) over the k likeliest characters; then the next, with c in its window. 中文：逐字生成。

    Returns `length` characters that go on from the prompt. τ = 0: always the likeliest character; τ = 1: as the
    network expects them; greater: more daring. Unknown characters of the prompt are read as such, and never written.
    generator: the context's unless given. Raises ValueError for an empty prompt, τ < 0 or a length or k below 1.
    """
    check_lengths("write", length=length, top_k=top_k)
    if not prompt:
        raise ValueError("there is nothing to go on from in an empty prompt; give it at least one character")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"the temperature is a finite number ≥ 0, not {temperature}")
    generator = default_generator() if generator is None else generator
    ids = vocabulary.encode([list(prompt)], len(prompt))[0].tolist()
    with inference(model):
        for _ in range(length):
            z = model(np.array([ids[-model.sizes["window"]:]])).numpy()[0, -1]
            ids.append(_draw(z.astype(np.float64), temperature, top_k, generator))
    return "".join(vocabulary.tokens[i] for i in ids[len(prompt):])


def _draw(z: Any, temperature: float, top_k: int, generator: np.random.Generator) -> int:
    z[[Vocabulary.PAD, Vocabulary.UNKNOWN]] = -np.inf
    if not temperature:
        return int(z.argmax())
    likeliest = np.argsort(-z, kind="stable")[:top_k]
    p = F.softmax((z[likeliest] - z.max()) / temperature)
    return int(generator.choice(likeliest, p=p))


def quote(words: str) -> None:
    """Print what was written, set in from the margin; control characters of the text would upset the terminal.

    Of several empty lines one is shown.
    """
    safe = "".join(c if c.isprintable() or c == "\n" else "�" for c in words.expandtabs(4))
    for line in wrap(re.sub(r"\n{3,}", "\n\n", safe), COLUMNS):
        print(f"  │ {line}".rstrip())
    print(flush=True)


class Samples(Callback):
    """What the network writes before the first epoch, and after 1, 2, 4, 8, … epochs: noise becomes language."""

    def __init__(self, trained: Trained, prompt: str, seed: int, length: int = 60) -> None:
        self.trained, self.prompt, self.seed, self.length = trained, prompt, seed, length

    def on_begin(self, run: Run) -> None:
        if run.epoch & (run.epoch - 1) == 0:
            # A generator of its own: looking must not change what is learnt.
            written = write(*self.trained, self.prompt, self.length, generator=philox(self.seed))
            print(text("gpt.sample" if run.epoch else "gpt.untrained", epoch=run.epoch))
            quote(self.prompt + written)

    on_epoch = on_begin


def answer(words: str, folder: Path | None = None) -> None:
    """Print how a trained GPT goes on from the words: the likeliest way, as it is trained to, and more daringly."""
    trained = read_file(folder or FOLDER)
    if unknown := [c for c in dict.fromkeys(words) if c not in trained.vocabulary]:
        say("gpt.unknown", characters=" ".join(map(visible, unknown)))
    for key, temperature in (("gpt.likeliest", 0.0), ("gpt.usual", TEMPERATURE), ("gpt.daring", 1.2)):
        written = write(*trained, words, 100, temperature, generator=philox(0))
        print(text(key, temperature=temperature))
        quote(words + written)
