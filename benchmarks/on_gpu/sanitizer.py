"""compute-sanitizer on small sizes: memory accesses, races in shared memory, barriers that not all threads reach."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.on_gpu.work import Work

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("memcheck", "racecheck", "synccheck")
TAIL = 2000  # characters of a tool's last words


def run(work: Work) -> dict[str, Any]:
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {"skipped": "compute-sanitizer is not on the path"}
    if work.place.name != "cuda":
        return {"skipped": f"there is no GPU, only {work.place.name}"}
    found: dict[str, Any] = {}
    for tool in TOOLS:
        found[tool] = _run(program, tool, work.limit / len(TOOLS))
        work.note(found)
        print(f"{tool}: {found[tool]['summary']}", flush=True)
    return found


def _run(program: str, tool: str, seconds: float) -> dict[str, Any]:
    command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, "-m", "benchmarks.on_gpu.smallest"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, cwd=ROOT, check=False)
    except subprocess.TimeoutExpired as stopped:
        out = stopped.stdout if isinstance(stopped.stdout, str) else (stopped.stdout or b"").decode(errors="replace")
        summary = f"stopped after {seconds:.0f} s"
        return {"status": None, "bodies": _bodies(out), "summary": summary, "tail": out[-TAIL:]}
    said = done.stdout + done.stderr
    summary = re.findall(r"(?:ERROR|RACECHECK) SUMMARY: .*", said)
    return {"status": done.returncode, "bodies": _bodies(done.stdout), "summary": summary[-1] if summary else "none",
            "tail": said[-TAIL:] if done.returncode else ""}


def _bodies(out: str) -> int:
    """How many bodies had been run."""
    return len(re.findall(r"^\w+\.\w+ cuda-c", out, re.MULTILINE))
