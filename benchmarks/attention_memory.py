"""The memory and the time of attention's forward and backward, plain and in blocks, by the length of the sequence.

Plain attention makes n × n scores; in blocks nothing is larger than the inputs. Each figure is from a process of its
own. The peak is what NumPy had allocated at the worst moment, beyond Q, K and V (tracemalloc); the time is the
processor's, which other programs disturb less than the clock's, the best of three passes without tracing. The exponent
is the slope of the bytes against the length, both as logarithms.

    python benchmarks/attention_memory.py [--json] [--longest N]

Exits with 1 where the memory of blocks grows faster than its budget.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402

WAYS: dict[str, Callable[..., Any]] = {"plain": F.scaled_dot_product_attention, "blocked": F.blocked_attention}
SHORTEST = 256
WIDTH = 64
MOST = 3e9
EXPONENT = 1.1


def one_pass(way: str, length: int) -> Callable[[], Any]:
    rng = np.random.default_rng(0)
    leaves = [tz.tensor(rng.normal(size=(length, WIDTH)), np.float32, requires_grad=True) for _ in range(3)]
    seed = np.ones((length, WIDTH), np.float32)
    return lambda: tz.grad(WAYS[way](*leaves), leaves, seed)


def seconds(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(way: str, length: int) -> dict[str, float]:
    """The peak in bytes and the time in seconds of one forward and backward."""
    one_pass(way, SHORTEST)()  # what is made once, at the first call of all
    run = one_pass(way, length)
    best = min(seconds(run) for _ in range(3))
    tracemalloc.start()
    run()
    _, peak = tracemalloc.get_traced_memory()
    return {"bytes": peak, "seconds": round(best, 4)}


def exponent(by_length: dict[int, dict[str, float]]) -> float:
    """k of bytes ∝ lengthᵏ."""
    peaks = [figures["bytes"] for figures in by_length.values()]
    return float(np.polyfit(np.log(list(by_length)), np.log(peaks), 1)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--longest", type=int, default=8192, help="the last length; each is twice the one before")
    parser.add_argument("--json", action="store_true", help="also write benchmarks/results/attention.json")
    arguments = parser.parse_args()

    print_machine()
    print(f"\none head of width {WIDTH}, float32, forward and backward")
    print(f"{'length':>8}" + "".join(f"{way + ', MB':>14}{'s':>10}" for way in WAYS))
    results: dict[str, dict[int, dict[str, float]]] = {way: {} for way in WAYS}
    length = SHORTEST
    while length <= arguments.longest:
        line = f"{length:>8}"
        for way, by_length in results.items():
            before = by_length.get(length // 2)
            if way == "plain" and before and 4 * before["bytes"] > MOST:
                line += f"{'over 3 GB':>14}{'–':>10}"
                continue
            with get_context("spawn").Pool(1) as process:
                by_length[length] = process.apply(measure, (way, length))
            line += f"{by_length[length]['bytes'] / 1e6:>14.2f}{by_length[length]['seconds']:>10.4f}"
        print(line, flush=True)
        length *= 2

    exponents = {way: round(exponent(by_length), 3) for way, by_length in results.items()}
    passed = exponents["blocked"] <= EXPONENT
    for way, k in exponents.items():
        print(f"{way}: bytes ∝ length^{k:.2f}")
    print(f"budget of blocked: length^{EXPONENT}  {'PASS' if passed else 'FAIL'}")
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "attention.json"
        found = {"machine": machine(), "width": WIDTH, "exponents": exponents, "by_length": results}
        path.write_text(json.dumps(found, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\n{path.relative_to(ROOT)}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
