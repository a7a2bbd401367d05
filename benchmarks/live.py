"""What watching a training costs: its share of the processor time, with a page nobody looks at and with viewers.

The same training (same seed, same batches) runs unwatched, watched, and with viewers in processes of their own that
read all they are sent; interleaved, and the median of the rounds is taken. The share is the time within the watch and
in the server's threads, over the rest, from the first step to the last: what the page gets at the end is made after
the training. Beside it, how much longer the whole took than unwatched: there the caches that are cold after a look
count too, and so does whatever else the machine did.

    python benchmarks/live.py [--json] [--rounds N]

Exits with 1 where a budget is exceeded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from tinygrad_zh import data, nn  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh.documents import s3  # noqa: E402
from tinygrad_zh.documents.options import Options  # noqa: E402
from tinygrad_zh.stepper import Watch  # noqa: E402
from tinygrad_zh.train import Callback, fit  # noqa: E402

PERCENT = 5.0
VIEWERS = 3
READ = "import sys, urllib.request\nfor _ in urllib.request.urlopen(sys.argv[1] + 'events'): pass"


class Case(NamedTuple):
    """A network, its data, and how long it learns."""

    make: Any
    x: Any
    y: Any
    epochs: int


def cases() -> dict[str, Case]:
    images = s3.images(Options())[0]
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(320, 4)).astype(np.float32), draw.integers(3, size=320)
    small = Case(lambda: nn.Sequential(nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3)), x, y, 1000)
    return {"S3, 784–128–10": Case(s3.network, data.to_unit(images.pixels), images.labels, 20), "4–8–3": small}


class Timed(Callback):
    """A callback in its place, and the processor time that passes in it, in other threads, and in all."""

    def __init__(self, watch: Watch | None, viewers: int) -> None:
        self.watch, self.viewers = watch, viewers
        self.inside = self.outside = self.all = 0.0

    def on_begin(self, run: Any) -> None:
        if self.watch is not None:
            self.watch.on_begin(run)
            self.block = looking(self.watch.url, self.viewers)
            self.block.__enter__()
        self.began = time.thread_time(), time.process_time()

    def on_step(self, run: Any) -> None:
        if self.watch is not None:
            began = time.thread_time()
            self.watch.on_step(run)
            self.inside += time.thread_time() - began

    def on_epoch(self, run: Any) -> None:
        if self.watch is not None:
            began = time.thread_time()
            self.watch.on_epoch(run)
            self.inside += time.thread_time() - began

    def on_end(self, run: Any) -> None:
        thread, self.all = (now - began for now, began in
                            zip((time.thread_time(), time.process_time()), self.began, strict=True))
        self.outside = self.all - thread
        if self.watch is not None:
            self.watch.on_end(run)
            self.block.__exit__(None, None, None)


@contextmanager
def looking(url: str | None, viewers: int) -> Iterator[None]:
    """Within the block so many other processes read the page's events."""
    readers = [subprocess.Popen([sys.executable, "-c", READ, str(url)], stderr=subprocess.DEVNULL)
               for _ in range(viewers)]
    try:
        yield
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


class Cost(NamedTuple):
    """Of one training: all its processor seconds, the share that watching took, and the points of a curve."""

    seconds: float
    share: float
    points: int


def cost(case: Case, watched: bool, viewers: int) -> Cost:
    tz.manual_seed(0)
    model, timed = case.make(), Timed(Watch() if watched else None, viewers)
    fit(model, (case.x, case.y), loss=F.cross_entropy, optimizer=tz.optim.Adam(model.parameters()),
        epochs=case.epochs, callbacks=[timed], progress="none")
    if timed.watch is None:
        return Cost(timed.all, 0.0, 0)
    timed.watch.close()
    points = max(len(curve.steps) for name, curve in timed.watch.film.curves.items() if name.startswith("gradient/"))
    return Cost(timed.all, (timed.inside + timed.outside) / (timed.all - timed.inside - timed.outside), points)


def measure(case: Case, rounds: int) -> dict[str, float]:
    ways = {"unwatched": (False, 0), "watched": (True, 0), "with viewers": (True, VIEWERS)}
    found: dict[str, list[Cost]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, (watched, viewers) in ways.items():
            found[way].append(cost(case, watched, viewers))
    steps = case.epochs * -(-len(case.x) // 32)
    plain = [each.seconds for each in found.pop("unwatched")]
    figures: dict[str, float] = {"steps": steps, "µs a step": 1e6 * statistics.median(plain) / steps}
    for way, costs in found.items():
        figures[f"{way}, %"] = 100 * statistics.median(each.share for each in costs)
        figures[f"{way}, longer by %"] = 100 * statistics.median(
            each.seconds / before - 1 for each, before in zip(costs, plain, strict=True))
    figures["points of a curve"] = statistics.median(each.points for each in found["watched"])
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="write results/live.json")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    print_machine()
    results = {name: measure(case, arguments.rounds) for name, case in cases().items()}
    passed = True
    for name, figures in results.items():
        print(f"\n{name}")
        for figure, value in figures.items():
            within = figure != "watched, %" or value <= PERCENT  # viewers are not paced
            passed &= within
            verdict = ("  PASS" if within else "  FAIL") if figure == "watched, %" else ""
            print(f"  {figure:<28}{value:>10.2f}{verdict}")
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "live.json"
        path.write_text(json.dumps({"machine": machine(), "budget, %": PERCENT, "results": results}, indent=2,
                                   ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
