"""What watching a training costs: processor time a step, unwatched, watched, and with viewers.

The same training (same seed, same batches) runs unwatched, with a page that nobody looks at, and with viewers in a
process of their own that read all they are sent; interleaved, and the median of the rounds' ratios is taken. Counted is
the processor time of the whole process, the threads of the server included, from the first step to the last: the
page's document of the last step is built after the training.

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


class Begin(Callback):
    """Notes the processor time when training begins."""

    def on_begin(self, run: Any) -> None:
        self.time = time.process_time()


class End(Callback):
    """Notes the processor time when training ends."""

    def on_end(self, run: Any) -> None:
        self.time = time.process_time()


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


class Viewers(Callback):
    """They come when the page is there."""

    def __init__(self, watch: Watch, viewers: int) -> None:
        self.watch, self.viewers = watch, viewers

    def on_begin(self, run: Any) -> None:
        self.block = looking(self.watch.url, self.viewers)
        self.block.__enter__()

    def on_end(self, run: Any) -> None:
        self.block.__exit__(None, None, None)


def seconds(case: Case, watched: bool, viewers: int) -> tuple[float, int]:
    """Processor seconds of one training, and how often it was measured."""
    tz.manual_seed(0)
    model, watch, begin, end = case.make(), Watch(), Begin(), End()
    between = [watch, Viewers(watch, viewers)] if watched else []
    fit(model, (case.x, case.y), loss=F.cross_entropy, optimizer=tz.optim.Adam(model.parameters()),
        epochs=case.epochs, callbacks=[end, *between, begin], progress="none")
    watch.close()
    curve = watch.film.curves.get("weight/1.W") or watch.film.curves.get("weight/0.W")
    return end.time - begin.time, 0 if curve is None else len(curve.steps)


def measure(case: Case, rounds: int) -> dict[str, float]:
    ways = {"unwatched": (False, 0), "watched": (True, 0), "with viewers": (True, VIEWERS)}
    found: dict[str, list[float]] = {way: [] for way in ways}
    looks = []
    for _ in range(rounds):
        for way, (watched, viewers) in ways.items():
            once, measured = seconds(case, watched, viewers)
            found[way].append(once)
            looks.append(measured)
    steps = case.epochs * -(-len(case.x) // 32)
    shares = {f"{way}, %": 100 * statistics.median(a / b - 1 for a, b in zip(spent, found["unwatched"], strict=True))
              for way, spent in found.items() if way != "unwatched"}
    return {"steps": steps, "µs a step, unwatched": 1e6 * statistics.median(found["unwatched"]) / steps, **shares,
            "points of a curve": max(looks)}


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
            within = not figure.endswith("%") or value <= PERCENT
            passed &= within
            verdict = ("  PASS" if within else "  FAIL") if figure.endswith("%") else ""
            print(f"  {figure:<24}{value:>10.2f}{verdict}")
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "live.json"
        path.write_text(json.dumps({"machine": machine(), "budget, %": PERCENT, "results": results}, indent=2,
                                   ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
