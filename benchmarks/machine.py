"""The machine that a figure was measured on. Every benchmark prints it and stores it beside its results."""

from __future__ import annotations

import os
import platform
from importlib.util import find_spec
from pathlib import Path

import numpy as np

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def machine() -> dict[str, str]:
    """Processor, cores, system, Python, NumPy, BLAS with the core it chose, and the limits on threads."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    limits = [f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if name in os.environ]
    return {
        "processor": _processor(),
        "cores": f"{usable} usable of {os.cpu_count()}",
        "system": f"{platform.system()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "numpy": np.__version__,
        "blas": _blas(),
        "threads": " ".join(limits) or "no limits set",
    }


def print_machine() -> None:
    """One line a fact."""
    for fact, value in machine().items():
        print(f"{fact:<10} {value}")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _blas() -> str:
    library = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    name = f"{library['name']} {library['version']}"
    if find_spec("threadpoolctl") is None:
        return f"{name}, core unknown (threadpoolctl is not installed)"
    from threadpoolctl import threadpool_info

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    chosen = [f"core {pool.get('architecture')}, {pool['num_threads']} threads" for pool in pools]
    return ", ".join([name, *chosen])


if __name__ == "__main__":
    print_machine()
