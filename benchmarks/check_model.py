"""How long `check_model` takes for models of about 100,000 parameters, dropout and attention among them.

    OPENBLAS_NUM_THREADS=1 python benchmarks/check_model.py [--json] [--rounds N]

Every parameter is compared with differences of the loss of one batch, at a sample of its elements and along dense
directions; a wrong backward deep inside is planted, too, and the time until its op is named is taken. Medians of the
rounds. Exits with 1 where the budget is exceeded or an answer is wrong.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh import nn  # noqa: E402
from tinygrad_zh.check import Report, check_model  # noqa: E402

SECONDS = 2.0
VOCABULARY, WIDTH, LENGTH, CLASSES = 2500, 32, 16, 10

Batch = tuple[np.ndarray[Any, Any], ...]


class Attentive(nn.Module):
    """Two blocks of attention that classify texts of 16 tokens."""

    def __init__(self, activation: Callable[[Any], tz.Tensor] = F.relu) -> None:
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.position = nn.LearnedPosition(LENGTH, WIDTH)
        self.blocks = [nn.TransformerBlock(WIDTH, 4, 2 * WIDTH, dropout=0.1, activation=activation) for _ in range(2)]
        self.pool = nn.MeanPool()
        self.out = nn.Dense(WIDTH, CLASSES)

    def forward(self, tokens: Any) -> tz.Tensor:
        x = self.position(self.embedding(tokens))
        for block in self.blocks:
            x = block(x)
        return self.out(self.pool(x))


class Slanted(tz.Op):
    """y = tanh x, with a gradient that is a millionth too large"""

    def forward(x):
        return np.tanh(x)

    def backward(dy, y):
        return dy * (1 - y * y) * (1 + 1e-6)


def images(rng: np.random.Generator) -> Batch:
    return rng.random((32, 784), np.float32), rng.integers(0, 10, 32)


def texts(rng: np.random.Generator) -> Batch:
    return rng.integers(0, VOCABULARY, (8, LENGTH)), rng.integers(0, CLASSES, 8)


def dense() -> nn.Module:
    he = nn.init.he_uniform
    return nn.Sequential(nn.Dense(784, 128, init=he), nn.ReLU(), nn.Dense(128, 10, init=he))


CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[np.random.Generator], Batch], str | None]] = {
    "784–128–10, batch of 32": (dense, images, None),
    "embedding, 2 blocks of attention, 8 × 16 tokens": (Attentive, texts, None),
    "the same with a wrong op, to be named": (lambda: Attentive(Slanted), texts, "Slanted"),
}


def right(report: Report, wrong_op: str | None) -> bool:
    """Whether a right model passes, and of a wrong one the op is named."""
    return bool(report) if wrong_op is None else {failure.op for failure in report.failures} - {""} == {wrong_op}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="also write benchmarks/results/check_model.json")
    arguments = parser.parse_args()

    print_machine()
    print(f"\n{'check_model, s':<50}{'parameters':>12}{'compared':>10}{'median':>8}{'budget':>8}")
    results: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds, "models": {}}
    passed = True
    for name, (make, batch, wrong_op) in CASES.items():
        times = []
        for seed in range(arguments.rounds):
            tz.manual_seed(seed)
            model, data = make(), batch(np.random.default_rng(seed))
            start = time.perf_counter()
            report = check_model(model, data, F.cross_entropy, seed=seed, progress="none")
            times.append(time.perf_counter() - start)
            if not right(report, wrong_op):
                passed = False
                print(report)
        seconds, count = statistics.median(times), sum(w.size for w in model.parameters())
        within = wrong_op is not None or seconds <= SECONDS
        passed &= within
        results["models"][name] = {"parameters": count, "comparisons": len(report.comparisons),
                                   "seconds": round(seconds, 3)}
        budget = f"{SECONDS:8.2f}  {'PASS' if within else 'FAIL'}" if wrong_op is None else f"{'–':>8}"
        print(f"{name:<50}{count:>12,}{len(report.comparisons):>10}{seconds:8.2f}{budget}")
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "check_model.json"
        path.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\n{path.relative_to(ROOT)}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
