"""python -m benchmarks.on_gpu.smallest: every CUDA C body once, on small arguments; for compute-sanitizer.

Every array has memory of its own, so that a write beyond it is seen: CuPy's pool would round its size up.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]

import tinygrad_zh_kernels as library  # noqa: E402
from benchmarks.places import cuda  # noqa: E402


def main() -> int:
    import cupy

    cupy.cuda.set_allocator(None)
    place = cuda()
    for kernel in library.kernels().values():
        size = tuple(min(high, 33) for _, high in kernel.limits)
        for body in library.bodies(kernel).values():
            given = kernel.arguments(np.random.default_rng(0), np.dtype("float32"), size)
            if body.name.startswith("cuda-c") and body.accepts(*given.arrays, **given.keywords):
                body.run(place.launch, place.put(given))
                place.synchronize()
                print(body, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
