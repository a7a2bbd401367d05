"""The ways to compute one kernel, the formula among them, as calls that can be timed in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.core.mode import using
from tinygrad_zh.kernels.binding import formula
from tinygrad_zh_kernels import Arguments, Kernel
from tinygrad_zh_kernels.timing import in_turn

FORMULA = {"cpu": "numpy", "cuda": "cupy"}
"""What the formula is called as a body among others: by the library that runs it there."""


def ways(kernel: Kernel, copies: Sequence[Arguments], device: str = "cpu", launch: Any = None,
         formula_name: str | None = None) -> dict[str, Callable[[], Any]]:
    """{name: call}: the formula first, then every body for a device that covers the arguments. 中文：各种算法。

    copies: of the same arguments, which the calls take in turn. launch: for bodies on CUDA.
    """
    plain = formula(kernel)

    def by_formula(given: Arguments) -> Any:
        with using(grad=False, tape=None, kernels=None), np.errstate(all="ignore"):
            return plain(*given.arrays, **given.keywords)

    found = {formula_name or FORMULA[device]: in_turn(by_formula, copies)}
    for name, body in library.bodies(kernel).items():
        if body.device == device and body.accepts(*copies[0].arrays, **copies[0].keywords):
            found[name] = in_turn(lambda given, body=body: body.run(launch, given), copies)  # type: ignore[misc]
    return found
