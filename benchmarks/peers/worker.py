"""The process of one framework: it reads what to do from standard input, a line of JSON each, and answers in kind.

    {"load": ["ours", "numba"]}           import; answers with what multiplies its matrices
    {"build": […a case], "steps": 6}      the first steps; answers with their losses and how long they took
    {"round": 0.15}                       steps for so many seconds; answers with the median, in seconds a step
    {"memory": true}                      peak of resident memory, in bytes above what the imports needed

While it waits for a line it sleeps, so that the other frameworks have the machine for themselves.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case

SAMPLE = 2e-3
"""A sample lasts at least so many seconds: what is asynchronous is waited for once a sample, not once a step."""
STATUS, REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Worker:
    """What a process remembers between two lines."""

    def __init__(self) -> None:
        self.module: Any = None
        self.variant = ""
        self.imported = 0
        self.step: Callable[[int], Any] = float
        self.done = 0
        self.repeats = 1

    def load(self, module: str, variant: str) -> dict[str, Any]:
        self.module, self.variant = import_module(f"benchmarks.peers.{module}"), variant
        product = self.module.loaded(variant) or blas()
        gc.collect()
        self.imported = resident()
        return {"product": product, "imported": self.imported}

    def build(self, case: list[Any], steps: int) -> dict[str, Any]:
        """The first steps, one by one, with their losses: until then everything has been compiled."""
        started = time.perf_counter()
        self.step, self.done = self.module.stepper(Case(*case), self.variant), 0
        losses = []
        for _ in range(steps):
            losses.append(float(self.step(self.done)))
            self.done += 1
        took = time.perf_counter() - started
        forget_peak()
        self.repeats = 1
        while (seconds := self._sample()) < SAMPLE:
            self.repeats = max(2 * self.repeats, int(1.1 * self.repeats * SAMPLE / seconds))
        return {"losses": losses, "first": took}

    def round(self, seconds: float) -> dict[str, Any]:
        started = time.perf_counter()
        self._sample()  # what the caches hold is the others'
        samples = [self._sample()]
        while time.perf_counter() < started + seconds:
            samples.append(self._sample())
        return {"median": statistics.median(samples) / self.repeats, "steps": len(samples) * self.repeats,
                "took": time.perf_counter() - started}

    def memory(self) -> dict[str, Any]:
        """The peak of the steps after the first ones."""
        return {"peak": resident("VmHWM:") - self.imported, "total": resident("VmHWM:")}

    def _sample(self) -> float:
        started = time.perf_counter()
        for i in range(self.done, self.done + self.repeats):
            loss = self.step(i)
        float(loss)
        self.done += self.repeats
        return time.perf_counter() - started


def blas() -> str:
    """NumPy's BLAS, and the core that it chose for this processor."""
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    return ", ".join(f"{pool['internal_api']} {pool['version']}, core {pool.get('architecture')}, "
                     f"{pool['num_threads']} threads" for pool in pools)


def resident(of: str = "VmRSS:") -> int:
    """Bytes of this process in memory, now or (VmHWM) at most. 0 where the system does not say."""
    if not STATUS.exists():
        return 0
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(of))
    return 1024 * int(line.split()[1])


def forget_peak() -> None:
    """From here on VmHWM counts anew (proc(5), clear_refs)."""
    if REFERENCES.exists():
        REFERENCES.write_text("5")


def pin(threads: int) -> None:
    """Run on so many cores alone, the last ones: a library that starts more threads than it was allowed gains nothing.

    Where the system cannot do that, the libraries are trusted.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def main() -> None:
    pin(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints goes where errors go
    worker = Worker()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            match asked:
                case {"load": [module, variant]}:
                    answer = worker.load(module, variant)
                case {"build": case, "steps": steps}:
                    answer = worker.build(case, steps)
                case {"round": seconds}:
                    answer = worker.round(seconds)
                case {"memory": _}:
                    answer = worker.memory()
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".partition("\n")[0]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
