"""What one launch costs the host: by CuPy's ufunc, its RawKernel, Numba, and within a replayed graph."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.on_gpu.work import Work
from tinygrad_zh.bench import Row

SOURCE = 'extern "C" __global__ void add_one(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x] + 1; }'
THREADS = 32
ROUNDS = 9


def run(work: Work) -> dict[str, Any]:
    if work.place.name != "cuda":
        return {"skipped": f"there is no GPU, only {work.place.name}"}
    count = 5 if work.quick else 500
    problems: dict[str, str] = {}
    for name, make in WAYS.items():
        try:
            seconds = _per_launch(make(work), count, work)
        except Exception as error:  # one way that fails does not end the others
            problems[name] = f"{type(error).__name__}: {error}"
            continue
        work.rows.append(Row({"launch": name}, seconds))
        print(f"{name}: {seconds * 1e6:.2f} µs", flush=True)
    return {"problems": problems, "launches": count}


def _per_launch(launch: Callable[[int], None], count: int, work: Work) -> float:
    """Median seconds a launch, of `count` in a row, until all have run."""
    launch(count)
    work.place.synchronize()
    took = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        launch(count)
        work.place.synchronize()
        took.append((time.perf_counter() - started) / count)
    return float(np.median(took))


def _arrays(work: Work) -> tuple[Any, Any]:
    return work.place.xp.zeros(THREADS, dtype=np.float32), work.place.xp.zeros(THREADS, dtype=np.float32)


def _repeated(once: Callable[[], Any]) -> Callable[[int], None]:
    def launch(count: int) -> None:
        for _ in range(count):
            once()

    return launch


def ufunc(work: Work) -> Callable[[int], None]:
    y, x = _arrays(work)
    add = work.place.xp.add
    return _repeated(lambda: add(x, x, out=y))


def raw_kernel(work: Work) -> Callable[[int], None]:
    y, x = _arrays(work)
    kernel = work.place.xp.RawKernel(SOURCE, "add_one")
    return _repeated(lambda: kernel((1,), (THREADS,), (y, x)))


def numba_kernel(work: Work) -> Callable[[int], None]:
    from numba import cuda

    y, x = _arrays(work)

    @cuda.jit
    def add_one(y, x):
        y[cuda.threadIdx.x] = x[cuda.threadIdx.x] + np.float32(1)

    return _repeated(lambda: work.place.launch.numba(add_one, (1,), (THREADS,), (y, x)))


def graph(work: Work) -> Callable[[int], None]:
    """All launches recorded once, and replayed as one."""
    y, x = _arrays(work)
    cuda = work.place.xp.cuda
    kernel = work.place.xp.RawKernel(SOURCE, "add_one")
    kernel((1,), (THREADS,), (y, x))  # compiled before the capture
    stream = cuda.get_current_stream()
    recorded: dict[int, Any] = {}

    def launch(count: int) -> None:
        if count not in recorded:
            stream.begin_capture()
            for _ in range(count):
                kernel((1,), (THREADS,), (y, x))
            recorded[count] = stream.end_capture()
        recorded[count].launch(stream)

    return launch


WAYS: dict[str, Callable[[Work], Callable[[int], None]]] = {
    "CuPy ufunc": ufunc, "CuPy RawKernel": raw_kernel, "Numba CUDA": numba_kernel, "CUDA graph": graph}
