"""Everything that only a GPU can tell, in one run: is every body right there, and how fast is it?

    python -m benchmarks gpu                                        all sections, in at most some 8 minutes
    python -m benchmarks gpu --section table --section crossover    some of them, into the same file
    python -m benchmarks gpu --kernels softmax,matmul               some kernels
    python -m benchmarks gpu --quick --device emulated --out x.json without a GPU: tries the program, measures nothing

The results are benchmarks/results/gpu.json. Every section writes what it has found when it ends, and while it works; a
section that fails is recorded with its reason, and the others go on, in a new process if a kernel has ended this one's
device. `python -m benchmarks gpu_page` then writes GPU.md and GPU.zh.md. The exit status is 1 if a section failed or a
body is wrong.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

from benchmarks.on_gpu.work import Work  # noqa: E402
from benchmarks.places import PLACES  # noqa: E402
from tinygrad_zh.bench import Row  # noqa: E402
from tinygrad_zh.disk import whole_file  # noqa: E402
from tinygrad_zh.kernels.commands.choosing import chosen  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
SECTIONS: dict[str, tuple[str, float]] = {
    "environment": ("benchmarks.on_gpu.environment", 10),
    "correct": ("benchmarks.on_gpu.correctness", 120),
    "sanitizer": ("benchmarks.on_gpu.sanitizer", 75),
    "launches": ("benchmarks.on_gpu.launches", 15),
    "ceilings": ("benchmarks.on_gpu.ceilings", 15),
    "table": ("benchmarks.on_gpu.table", 90),
    "crossover": ("benchmarks.on_gpu.crossing", 35),
    "training": ("benchmarks.on_gpu.training", 45),
    "compiled": ("benchmarks.on_gpu.compiled_torch", 60),
}
"""{name: (module, seconds after which it leaves out the rest)}, in the order in which they run."""


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    wanted = [name for name in SECTIONS if not options.section or name in options.section]
    document = _read(options.out) if options.section or options.resume else {}
    document.setdefault("machine", {})
    document.setdefault("sections", {})
    document.setdefault("rows", [])
    try:
        place = PLACES[options.device]()
        kernels = chosen(options.kernels)
    except (RuntimeError, ImportError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for i, name in enumerate(wanted):
        found = document["sections"].get(name, {}).get("found", {}) if options.resume and i == 0 else {}
        work = Work(place, kernels, options.quick, SECTIONS[name][1] * options.patience, found=found)
        if not run(name, work, document, options.out) and lost(work):
            return _in_a_new_process(wanted[i:], options)
    print(f"\n{options.out}")
    return status(document, wanted)


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     prog="python -m benchmarks gpu")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this one; may be given again")
    parser.add_argument("--kernels", type=lambda names: names.split(","), default=[], help="rooms or kernels")
    parser.add_argument("--device", choices=("cuda", "emulated"), default="cuda")
    parser.add_argument("--patience", type=float, default=1.0, metavar="2", help="so many times the sections' time")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: to try the program, not to measure")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--resume", action="store_true", help="go on with the first section where a process ended")
    return parser.parse_args(argv)


def run(name: str, work: Work, document: dict[str, Any], out: Path) -> bool:
    """One section, whatever comes of it; written whenever it has something to say. Whether it ended by itself."""
    print(f"\n== {name}", flush=True)
    others = [row for row in document["rows"] if row["of"].get("section") != name]

    def note(found: dict[str, Any], **more: Any) -> None:
        document["sections"][name] = {"found": found, "seconds": time.monotonic() - work.started, **more}
        document["rows"] = others + [_as_json(name, row) for row in work.rows]
        if name == "environment":
            document["machine"] = found.get("machine", {})
        _write(document, out)

    work.note = note
    try:
        found = import_module(SECTIONS[name][0]).run(work)
        note(found)
        if "skipped" in found:
            print(f"skipped: {found['skipped']}", flush=True)
    except Exception as error:
        traceback.print_exc()
        before = document["sections"].get(name, {}).get("found", {})
        note(before, error=f"{type(error).__name__}: {error}")
        return False
    return True


def lost(work: Work) -> bool:
    """Whether a kernel has ended the device for this process: from then on every call fails."""
    try:
        work.place.synchronize()
    except Exception:
        return True
    return False


def _in_a_new_process(sections: list[str], options: argparse.Namespace) -> int:
    """What is left, with a device that works again. The section that ended it goes on after what it had found; if it
    found nothing, with the one after it."""
    found = _read(options.out)["sections"].get(sections[0], {}).get("found")
    left = sections if found and "bodies" in found else sections[1:]
    if not left:
        return 1
    print(f"\nthe device is lost to this process; {', '.join(left)} in a new one", flush=True)
    command = [sys.executable, "-m", "benchmarks", "gpu", "--resume", "--device", options.device, "--out",
               str(options.out.resolve()), "--patience", str(options.patience), *(["--quick"] if options.quick else []),
               *(["--kernels", ",".join(options.kernels)] if options.kernels else [])]
    return subprocess.run([*command, *(word for name in left for word in ("--section", name))], cwd=ROOT,
                          check=False).returncode or 1


def status(document: dict[str, Any], wanted: list[str]) -> int:
    """1 if a section failed or a body is wrong."""
    sections = [document["sections"].get(name, {"error": "did not run"}) for name in wanted]
    return int(any("error" in each or each.get("found", {}).get("failed") for each in sections))


def _as_json(section: str, row: Row) -> dict[str, Any]:
    return {"of": {"section": section, **row.of}, "seconds": row.seconds, **row.figures}


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _write(document: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        beside.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
