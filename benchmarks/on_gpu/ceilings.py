"""What the GPU can do at most, measured in this run: copying, and matrix products of every float type."""

from __future__ import annotations

from typing import Any

from benchmarks.on_gpu.work import Work
from tinygrad_zh_kernels import units
from tinygrad_zh_kernels.peaks import bandwidth, matmul_rate

COPY, CACHED, SIDE = 1 << 30, 1 << 23, 8192
QUICK = 1 << 12, 1 << 10, 16
DTYPES = ("float32", "float16", "float64")


def run(work: Work) -> dict[str, Any]:
    copy, cached, side = QUICK if work.quick else (COPY, CACHED, SIDE)
    options = {"seconds": 0.0 if work.quick else 0.3, "clock": work.place.clock}
    found: dict[str, Any] = {"memory": bandwidth(copy, work.place.xp, **options),
                             "cache": bandwidth(cached, work.place.xp, **options)}
    for dtype in DTYPES:
        smaller = 2 if dtype == "float64" else 1  # for it takes twice as long
        found[f"matmul {dtype}"] = matmul_rate(side // smaller, dtype, work.place.xp, **options)
    for name, value in found.items():
        print(f"{name}: {units.rate(value, 'FLOP' if name.startswith('matmul') else 'B')}", flush=True)
    return found
