"""How long `tinygrad-zh train s3` takes from its start to its first steps, with and without anything compiled on disk.

    python -m benchmarks startup [--json]

Each start is a process of its own. "Cold": Numba's cache and the programs that the engine keeps on disk are in an empty
folder; "warm": in one that a run before has filled. The clock starts before Python does; the steps are those of the
training itself, so the reading of data and the check of its gradients come before them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks.machine import THREAD_VARIABLES, machine  # noqa: E402
from tinygrad_zh import cli, train  # noqa: E402
from tinygrad_zh.bench import Results, Row, write  # noqa: E402
from tinygrad_zh.i18n import aligned  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "startup.json"
BUDGET = 1.0
STEPS = 10
WAYS = {"as it comes": (), "formulas": ("--compile", "off"), "numba": ("--compile", "off", "--kernels", "numba"),
        "compiled": ("--compile", "on")}
"""Arguments of `train s3`."""
ROUNDS = 5


class Clock(train.Callback):
    """Writes when training begins and when each of the first steps has its gradients, then ends the process."""

    observer = True

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_begin(self, run: Any) -> None:
        self.times = [time.time()]

    def on_step(self, run: Any) -> None:
        self.times.append(time.time())
        if len(self.times) > STEPS:
            print(json.dumps(self.times), file=sys.stderr, flush=True)
            os._exit(0)


def child(way: str) -> None:
    """What the process does: `tinygrad-zh train s3`, watched by the clock."""
    with train.observed(Clock()):
        cli.main(["train", "s3", *WAYS[way]])


def start(way: str, cache: str) -> list[float]:
    """Seconds until training begins, then until each of the first steps has its gradients."""
    environment = {**os.environ, **{name: "1" for name in THREAD_VARIABLES}, "NUMBA_CACHE_DIR": cache,
                   "XDG_CACHE_HOME": cache, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "kernels")))}
    began = time.time()
    done = subprocess.run([sys.executable, "-m", "benchmarks.startup", "--child", way], cwd=cache, check=False,
                          env=environment, capture_output=True, text=True, encoding="utf-8")
    try:
        return [moment - began for moment in json.loads(done.stderr.strip().splitlines()[-1])]
    except (IndexError, ValueError):
        raise RuntimeError(f"train s3 by {way} reached no step: {done.stderr.strip()[-300:]}") from None


def measure(ways: list[str], rounds: int) -> list[Row]:
    """Cold, then warm; the quietest of the rounds."""
    rows = []
    for way in ways:
        found: dict[str, list[list[float]]] = {"cold": [], "warm": []}
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as cache:
                for kind in found:
                    found[kind].append(start(way, cache))
        for kind, runs in found.items():
            begins, first, *_, last = min(runs, key=lambda run: run[1])
            rows.append(Row({"way": way, "start": kind}, first, {"begins": begins, "steps": last}))
    return rows


def table(rows: list[Row]) -> list[str]:
    """A line a start: seconds until training begins, until the first step and until the last."""
    return aligned([["train s3", "start", "training begins", "first step", f"{STEPS} steps"],
                    *([row.of["way"], row.of["start"], f"{row.figures['begins']:.2f} s", f"{row.seconds:.2f} s",
                       f"{row.figures['steps']:.2f} s"] for row in rows)])


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="python -m benchmarks startup")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS} by default; the quietest counts")
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        child(options.child)
        return 1  # training ended before the clock did
    facts = machine()
    print("\n".join(f"{fact:<10} {value}" for fact, value in facts.items()))
    rows = measure(list(WAYS), options.rounds)
    print("\n".join(["", *table(rows)]))
    slowest = max(row.seconds for row in rows if row.of["start"] == "warm")
    print(f"\nwarm start to the first step: {slowest:.2f} s, budget {BUDGET:g} s: "
          f"{'PASS' if slowest <= BUDGET else 'FAIL'}")
    if options.json:
        print(write(Results(facts, rows), RESULTS))
    return slowest > BUDGET


if __name__ == "__main__":
    sys.exit(main())
