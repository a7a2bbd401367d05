"""The table: every kernel by every body at every size, CuPy's composed formula and PyTorch eager among them."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.bodies import Size, sizes
from benchmarks.bodies import rows as rows_of
from benchmarks.on_gpu import torch_ways
from benchmarks.on_gpu.work import Work
from tinygrad_zh.bench import Row
from tinygrad_zh.kernels.ways import ways
from tinygrad_zh_kernels import Kernel, timing, units

CLOSE = {"float16": 2e-2, "float32": 1e-3, "float64": 1e-6}


def run(work: Work) -> dict[str, Any]:
    left_out: list[str] = []
    problems: dict[str, str] = {}
    for kernel, size, dtype in work.in_time(plan(work), left_out):
        try:
            rows = _measure(kernel, size, dtype, work, problems)
        except Exception as error:
            problems[f"{kernel} {size} {dtype}"] = _shortly(error)
            work.place.synchronize()  # raises again where the device is lost
            continue
        work.rows += rows
        work.note({"left_out": left_out, "problems": problems})
        best = min(rows, key=lambda row: row.seconds)
        print(f"{kernel} {'×'.join(map(str, size))} {dtype}: {best.of['body']} {units.duration(best.seconds)}",
              flush=True)
    return {"left_out": left_out, "problems": problems}


def plan(work: Work) -> list[tuple[Kernel, Size, str]]:
    """The largest sizes of all kernels first, in float32; then the others; then float16 where a body covers it."""
    wanted = []
    for back in range(1, 1 + max(len(kernel.sizes) for kernel in work.kernels)):
        for kernel in work.kernels:
            at = sizes(kernel, True) if work.quick else kernel.sizes
            if back <= len(at):
                wanted.append((kernel, at[-back], "float32"))
    half = [(kernel, size, "float16") for kernel, size, _ in wanted
            if any("float16" in body.dtypes for body in kernel.own.values())]
    return wanted + half


def _measure(kernel: Kernel, size: Size, dtype: str, work: Work, problems: dict[str, str]) -> list[Row]:
    place = work.place
    given = kernel.arguments(np.random.default_rng(0), np.dtype(dtype), size)
    copies = place.copies(given)
    calls = ways(kernel, copies, place.device, place.launch, place.formula)
    exact = calls[place.formula]()
    calls = _running(f"{kernel} {size} {dtype}", calls, problems)
    with torch_ways.same_stream(place):
        if torch_ways.known(kernel, place):
            eager = torch_ways.eager(kernel, copies)
            calls |= agreeing(f"{kernel} {size} {dtype}", eager, place.get(exact)[0], problems)
        cost = timing.cost(kernel, given, exact)
        took = timing.interleaved(calls, seconds=work.seconds, clock=place.clock)
    return rows_of({"kernel": kernel.name, "size": list(size), "dtype": dtype}, took, cost)


def _running(what: str, calls: dict[str, timing.Call], problems: dict[str, str]) -> dict[str, timing.Call]:
    """The ways that can be run; a body that cannot does not end the others."""
    found = {}
    for name, call in calls.items():
        try:
            call()
            found[name] = call
        except Exception as error:
            problems[f"{what} {name}"] = _shortly(error)
    return found


def agreeing(what: str, calls: dict[str, timing.Call], exact: Any, problems: dict[str, str]) -> dict[str, timing.Call]:
    """PyTorch's ways that can be run and compute the same as the formula."""
    found = {}
    for name, call in calls.items():
        try:
            result = call()
            first = (result[0] if isinstance(result, tuple) else result).float().cpu().numpy()
            scale = float(np.abs(exact).max(initial=1e-30))
            np.testing.assert_allclose(first, exact.astype(np.float32), atol=CLOSE[exact.dtype.name] * scale, rtol=0)
            found[name] = call
        except Exception as error:  # not this kernel's function, or what PyTorch cannot do here
            problems[f"{what} {name}"] = _shortly(error)
    return found


def _shortly(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
