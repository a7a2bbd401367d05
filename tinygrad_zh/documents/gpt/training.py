"""Training the GPT, and what it learns beside what counting characters tells."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from threadpoolctl import threadpool_limits

from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.gpt.corpus import Corpus, Windows, cut, read
from tinygrad_zh.documents.gpt.counting import guesses
from tinygrad_zh.documents.gpt.model import FOLDER, GPT, WINDOW, Trained, network, write_file
from tinygrad_zh.documents.gpt.writing import Samples, quote, write
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import heading, say, table
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text, visible
from tinygrad_zh.optim import AdamW, CosineAnnealingLR, WarmUp
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.train import ClippedNorm, History, ScheduledSteps, evaluate, fit

EPOCHS, BATCH, RATE, DECAY, CLIP = 12, 8, 2e-3, 0.1, 1.0
FEW = ("模型从前面的字猜下一个字。", "梯度从后面的层传回前一层。")


def train(options: Options, corpus: Corpus, progress: str = "auto") -> tuple[Trained, History]:
    """AdamW on windows of the text; a twentieth of the steps warms up. Writes samples on the way."""
    trained = Trained(network(len(corpus.vocabulary)), corpus.vocabulary)
    epochs, batch_size = options.epochs or EPOCHS, options.batch_size or BATCH
    windows = Windows(corpus.ids, WINDOW)
    steps = epochs * math.ceil(len(windows.x) / batch_size)
    warm_up = math.ceil(steps / 20)
    optimizer = adam(trained.network)
    schedule = WarmUp(optimizer, warm_up, CosineAnnealingLR(optimizer, max(steps - warm_up, 1), RATE / 20))
    history = fit(trained.network, (windows.x, windows.y), validation=(corpus.x, corpus.y), loss=F.cross_entropy,
                  optimizer=optimizer, epochs=epochs, batch_size=batch_size, progress=progress,
                  callbacks=[windows, ScheduledSteps(schedule), ClippedNorm(CLIP),
                             Samples(trained, corpus.prompt, options.seed)])
    return trained, history


def adam(model: GPT) -> AdamW:
    """AdamW at its full rate."""
    return AdamW(model.parameters(), RATE, betas=(0.9, 0.99), weight_decay=DECAY)


def first_step() -> Callable[[], None]:
    """A step at the full rate on two sentences, which are ours, for the stepper."""
    manual_seed(0)
    vocabulary = Vocabulary.build(map(list, FEW))
    ids, model = vocabulary.encode(map(list, FEW), len(FEW[0])), network(len(vocabulary))
    return partial(step, model, tensor(ids[:, :-1]), ids[:, 1:], F.cross_entropy, adam(model), CLIP)


# As in S3: where another program wants the second core, a BLAS that waits for it is far slower than one thread.
@threadpool_limits.wrap(limits=1, user_api="blas")
def run(options: Options) -> dict[str, float]:
    """Learn to write, say how well beside the guesses, show it, and keep the network."""
    options = options.only("GPT", "text", "epochs", "batch_size", "out")
    manual_seed(options.seed)
    corpus = cut(read(options.text), WINDOW)
    figures = guesses(corpus)
    best = min(figures.values())
    heading("gpt", train=len(corpus.ids), held_out=corpus.y.size, characters=len(corpus.vocabulary) - 2,
            window=WINDOW)
    say("gpt.guesses", uniform=figures["uniform"], bigram=figures["bigram"], best=best)
    trained, history = train(options, corpus)
    if history.stopped:
        say("train.stopped", epochs=len(history.get("loss", ())))
    figures["loss"] = evaluate(trained.network, (corpus.x, corpus.y), F.cross_entropy, batch_size=64)["loss"]
    show(figures)
    say("gpt.why", perplexity=math.exp(figures["loss"]))
    say("gpt.against", pairs=figures["loss"] - figures["bigram"], best=figures["loss"] - best)
    say("gpt.writes", prompt=visible(corpus.prompt))
    quote(corpus.prompt + write(*trained, corpus.prompt, 200, generator=philox(options.seed)))
    say("train.written", files=write_file(trained, options.out or FOLDER))
    say("gpt.next", prompt=visible(corpus.prompt))
    return figures


def show(figures: dict[str, float]) -> None:
    """Print the losses as nats a character and as perplexities."""
    table([text("gpt.guesser"), text("gpt.nats"), text("gpt.perplexity")],
          *([text(f"gpt.{name}"), f"{loss:.3f}", f"{math.exp(loss):,.1f}"] for name, loss in figures.items()))
