"""The GPU, its driver and clocks, the versions of the libraries, and the hash of the sources that were measured."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.on_gpu.work import Work

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "numba", "numba-cuda", "cupy-cuda12x", "cupy-cuda13x", "torch", "triton")
QUERIES = ("driver_version", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "power.limit",
           "temperature.gpu")
SOURCES = ("kernels/tinygrad_zh_kernels", "tinygrad_zh")


def run(work: Work) -> dict[str, Any]:
    return {"machine": machine() | gpu(work), "libraries": libraries(), "clocks": clocks(), "sources": source_hash()}


def gpu(work: Work) -> dict[str, str]:
    """The device's own facts."""
    if work.place.name != "cuda":
        return {"gpu": f"none: {work.place.name}"}
    runtime = work.place.xp.cuda.runtime
    device = work.place.xp.cuda.Device()
    facts = runtime.getDeviceProperties(device.id)
    name = facts["name"]
    return {"gpu": name.decode() if isinstance(name, bytes) else str(name),
            "compute capability": str(device.compute_capability),
            "multiprocessors": str(facts["multiProcessorCount"]),
            "memory": f"{facts['totalGlobalMem'] / 2**30:.0f} GiB", "cache": f"{facts['l2CacheSize'] / 2**20:.0f} MiB",
            "cuda": f"driver {runtime.driverGetVersion()}, runtime {runtime.runtimeGetVersion()}"}


def libraries() -> dict[str, str]:
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def clocks() -> dict[str, str]:
    """What nvidia-smi says of clocks, power and temperature; nothing where it is missing."""
    if shutil.which("nvidia-smi") is None:
        return {}
    done = subprocess.run(["nvidia-smi", f"--query-gpu={','.join(QUERIES)}", "--format=csv,noheader"],
                          capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        return {}
    return dict(zip(QUERIES, done.stdout.splitlines()[0].split(", "), strict=False))


def source_hash() -> str:
    """SHA-256 over the names and contents of the kernels and the engine: whether a result is of this state."""
    total = hashlib.sha256()
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".cu", ".cuh"):
                total.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()
