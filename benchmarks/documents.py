"""The documents' systems, measured: what they claim beside what they reach here.

    python benchmarks/documents.py                    all but full MNIST (a few minutes)
    python benchmarks/documents.py --mnist PATH       S3 on the 60,000 images too
    python benchmarks/documents.py --only s6          one system

Writes benchmarks/results/documents.json, from which benchmarks/readme.py makes the table of the READMEs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import machine  # noqa: E402
from tinygrad_zh.documents import SYSTEMS  # noqa: E402
from tinygrad_zh.documents.options import Options  # noqa: E402
from tinygrad_zh.i18n import in_language  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "documents.json"
PICTURES = RESULTS.parent / "pictures"
SEEDS = {"s3": (0, 1, 2)}
"""Systems that are run more than once; s6 itself runs over 100 seeds."""


def measure(system: str, **options: Any) -> dict[str, Any]:
    """One system's figures: every seed's, and the seconds of one run."""
    run = import_module(SYSTEMS[system]).run
    figures, seconds = [], []
    for seed in SEEDS.get(system, (0,)):
        started = time.perf_counter()
        with in_language("en"), contextlib.redirect_stdout(sys.stderr):
            figures.append(run(Options(seed=seed, **options)))
        seconds.append(round(time.perf_counter() - started, 1))
    return {"figures": figures, "seconds": statistics.median(seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="a folder or archive with the files of MNIST")
    parser.add_argument("--only", choices=tuple(SYSTEMS), help="one system")
    parser.add_argument("--out", type=Path, default=Path("tinygrad-zh-s3"), help="where S3 writes its pictures")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"systems": {}}
    for system in [arguments.only] if arguments.only else SYSTEMS:
        results["systems"][system] = measure(system, **({"out": arguments.out} if system == "s3" else {}))
        if system == "s3" and arguments.mnist:
            mnist = measure("s3", data="mnist", source=arguments.mnist, out=arguments.out / "mnist")
            results["systems"]["s3 mnist"] = mnist
    results["machine"] = machine()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    print(RESULTS)


if __name__ == "__main__":
    main()
