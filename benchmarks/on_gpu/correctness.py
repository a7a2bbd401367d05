"""Every body on CUDA against its formula in float64, on the GPU: the checks that the tests run without one.

What a body is to write is full of poison before, so that a number that it forgets is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from benchmarks.on_gpu.work import Work
from tinygrad_zh.kernels import calls, check_call
from tinygrad_zh_kernels import Body

PROBLEMS = 5  # that are kept of one body
QUICK = 3  # calls of each body, about


class Poisoned:
    """A launcher whose empty arrays hold the bytes 0xff: nan as floats, −1 as integers."""

    def __init__(self, launch: Any) -> None:
        self._launch = launch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._launch, name)

    def empty(self, shape: Any, dtype: Any) -> Any:
        array = self._launch.empty(shape, dtype)
        if array.size:
            array.fill(np.array(b"\xff" * array.dtype.itemsize).view(array.dtype)[()])
        return array


def run(work: Work) -> dict[str, Any]:
    verdicts: dict[str, Any] = dict(work.found.get("bodies", {}))
    left_out: list[str] = []
    bodies = [body for kernel in work.kernels for body in library.bodies(kernel).values() if body.device == "cuda"]
    bodies.sort(key=lambda body: body.name.startswith("numba"))  # CUDA C first: it compiles faster
    launch = Poisoned(work.place.launch) if work.place.name == "cuda" else work.place.launch
    for body in work.in_time([body for body in bodies if str(body) not in verdicts], left_out):
        verdict = verdicts[str(body)] = {"calls": 0, "error": 0.0, "problems": ["it ended the process"]}
        work.note({"bodies": verdicts})
        _check(body, launch, work, verdict)
        wrong = verdict["problems"]
        print(f"{'✗' if wrong else '✓'} {body}: {'; '.join(wrong) or verdicts[str(body)]['calls']}", flush=True)
    failed = sorted(name for name, verdict in verdicts.items() if verdict["problems"])
    return {"bodies": verdicts, "failed": failed, "left_out": left_out}


def _check(body: Body, launch: Any, work: Work, verdict: dict[str, Any]) -> None:
    """Fill the verdict. Raises where the device is lost; the verdict then says at what."""
    worst, problems = 0.0, verdict["problems"]
    problems.clear()
    named = list(calls(body.kernel))
    if work.quick:
        named = named[:: len(named) // QUICK]
    for dtype in body.dtypes:
        for name, make in named:
            with np.errstate(all="ignore"):
                try:
                    found = check_call(body, name, make, np.dtype(dtype), launch)
                except Exception as error:
                    problems.append(f"{dtype}, {name}: {type(error).__name__}: {error}")
                    work.place.synchronize()  # raises again where the device is lost
                    continue
            if found.covered:
                verdict["calls"] += 1
                worst = max(worst, found.error)
            if found.problem:
                problems.append(f"{dtype}, {name}: {found.problem}")
    verdict["error"] = worst if np.isfinite(worst) else None
    del problems[PROBLEMS:]
