"""torch.compile of the kernels that PyTorch has, at their largest sizes: a section of its own, for that takes long."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bodies import rows, sizes
from benchmarks.on_gpu import torch_ways
from benchmarks.on_gpu.table import agreeing
from benchmarks.on_gpu.work import Work
from tinygrad_zh.kernels.ways import ways
from tinygrad_zh_kernels import Kernel, timing, units


def run(work: Work) -> dict[str, Any]:
    if not torch_ways.usable(work.place):
        return {"skipped": "PyTorch is not here, or does not see the GPU"}
    if work.place.name != "cuda":
        return {"skipped": f"there is no GPU, only {work.place.name}"}
    left_out: list[str] = []
    problems: dict[str, str] = {}
    for kernel in work.in_time([each for each in work.kernels if torch_ways.known(each, work.place)], left_out):
        _measure(kernel, work, problems)
        work.note({"left_out": left_out, "problems": problems})
    return {"left_out": left_out, "problems": problems}


def _measure(kernel: Kernel, work: Work, problems: dict[str, str]) -> None:
    place, size = work.place, sizes(kernel, work.quick)[-1]
    given = kernel.arguments(np.random.default_rng(0), np.dtype("float32"), size)
    copies = place.copies(given)
    exact = ways(kernel, copies, place.device, place.launch, place.formula)[place.formula]()
    cost = timing.cost(kernel, given, exact)
    with torch_ways.same_stream(place):
        calls = agreeing(f"{kernel} {size}", torch_ways.compiled(kernel, copies), place.get(exact)[0], problems)
        took = timing.interleaved(calls, seconds=work.seconds, clock=place.clock)
    for row in rows({"kernel": kernel.name, "size": list(size), "dtype": "float32"}, took, cost):
        work.rows.append(row)
        print(f"{row.key}: {units.duration(row.seconds)}", flush=True)
