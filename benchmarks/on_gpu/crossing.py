"""From which size on a GPU pays: the CPU's formula and Numba's body; the GPU's without and with the transfers."""

from __future__ import annotations

from typing import Any

import tinygrad_zh_kernels as library
from benchmarks.bodies import measure
from benchmarks.on_gpu.work import Work
from benchmarks.places import cpu
from tinygrad_zh.bench import Row
from tinygrad_zh_kernels import Kernel

KERNELS = ("softmax.forward", "activation.tanh_forward", "layer_norm.forward", "matmul.forward", "attention.forward",
           "adam.forward")
CPU_BODIES, GPU_BODY = ("numpy", "numba"), "cuda-c"
SIZES: dict[int, tuple[tuple[int, ...], ...]] = {
    1: tuple((4**i,) for i in range(3, 13)),
    2: tuple((2**i, 4 * 2**i) for i in range(2, 11)),
    3: tuple((2**i, 2**i, 2**i) for i in range(3, 11)),
    4: tuple((2**i, 2 * 2**i, 2 * 2**i, 32) for i in range(1, 8)),
}
"""By the number of lengths that a kernel's size has, small to large."""


def run(work: Work) -> dict[str, Any]:
    left_out: list[str] = []
    problems: dict[str, str] = {}
    plan = [(kernel, size) for kernel in work.kernels if kernel.name in KERNELS
            for size in SIZES[len(kernel.limits)][: 1 if work.quick else None]]
    for kernel, size in work.in_time(plan, left_out):
        try:
            work.rows += _rows(kernel, size, work)
        except Exception as error:
            problems[f"{kernel} {size}"] = f"{type(error).__name__}: {error}"
            work.place.synchronize()  # raises again where the device is lost
        work.note({"left_out": left_out, "problems": problems})
    print(f"{len(work.rows)} times", flush=True)
    return {"left_out": left_out, "problems": problems}


def _rows(kernel: Kernel, size: tuple[int, ...], work: Work) -> list[Row]:
    on_cpu = measure(kernel, size, "float32", cpu(), seconds=work.seconds, only=CPU_BODIES)
    body = GPU_BODY if GPU_BODY in library.bodies(kernel) else work.place.formula  # matmul's is cuBLAS
    on_gpu = [row for transfers in (False, True) for row in measure(
        kernel, size, "float32", work.place, seconds=work.seconds, transfers=transfers, only=(body,))]
    return [Row({"crossing": True, **row.of}, row.seconds, row.figures) for row in on_cpu + on_gpu]
