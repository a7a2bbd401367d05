"""Where one number is 0, ∞, nan or denormal, every body on the CPU has nan, ∞ and numbers where its formula has them.

One array of a call at a time gets one such number: at its beginning, in its middle and at its end, so among those that
are computed in vectors and among those that are left over. A convention is what a body does otherwise on purpose; its
room's contract says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")
import tinygrad_zh_kernels as library
from tinygrad_zh.kernels import check_call, formula
from tinygrad_zh_kernels import Arguments, Body

BODIES = [body for kernel in library.kernels().values() for body in library.bodies(kernel).values()
          if body.device == "cpu"]
VALUES = {"0": 0.0, "−0": -0.0, "∞": np.inf, "−∞": -np.inf, "nan": np.nan, "a denormal number": 0.0}

MASKED = "what the mask hides is not read, where the formula multiplies it by 0"
CONVENTIONS = {
    ("attention.blocked_forward", "numba"): MASKED,
    ("attention.blocked_backward", "numba"): MASKED,
    ("conv2d.forward", "numba-1-loops"): "padding is left out, where the formula multiplies it by 0",
    ("adam.decayed_forward", "numba"): "an infinite parameter stays so, where the formula takes ∞ from ∞",
}
SUMS = {"attention.backward", "layer_norm.backward", "attention.blocked_backward", "attention.masked_backward"}
"""Here sums of large numbers overflow in one order of their terms and not in another."""


def spoiled(body: Body, i: int, place: int, value: float) -> Any:
    """A maker of calls of a size that no vector divides, with the value in argument i at this place."""
    size = tuple(max(low, high - 1) for low, high in body.kernel.limits)

    def make(rng: np.random.Generator, dtype: np.dtype[Any]) -> Arguments:
        arrays, keywords = body.kernel.arguments(rng, dtype, size)
        arrays = tuple(x if isinstance(x, tuple) else np.array(x) for x in arrays)
        if i < len(arrays):
            arrays[i].reshape(-1)[place] = value
        return Arguments(arrays, keywords)

    return make


def places(body: Body, dtype: np.dtype[Any]) -> Iterator[tuple[int, int]]:
    """(argument, index) of the numbers that are replaced."""
    arrays = spoiled(body, len(body.kernel.limits) + 99, 0, 0)(np.random.default_rng(0), dtype).arrays
    for i, x in enumerate(arrays):
        if not isinstance(x, tuple) and x.dtype.kind == "f" and x.ndim and x.size:
            yield from ((i, place) for place in sorted({0, x.size // 2, x.size - 1}))


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_special_values_are_the_formulas(body: Body) -> None:
    for dtype in map(np.dtype, body.dtypes):
        for i, place in places(body, dtype):
            for name, value in (VALUES | {"a denormal number": float(np.finfo(dtype).smallest_subnormal)}).items():
                row = check_call(body, name, spoiled(body, i, place, value), dtype)
                by_convention = (body.kernel.name, body.name) in CONVENTIONS and not np.isfinite(value)
                assert row.problem is None or by_convention, f"{name} in argument {i}, {dtype}: {row.problem}"


@pytest.mark.parametrize("body", [b for b in BODIES if b.kernel.name not in SUMS], ids=str)
def test_the_largest_number_makes_no_other_infinity(body: Body) -> None:
    for dtype in map(np.dtype, body.dtypes):
        for i, place in places(body, dtype):
            for sign in (1, -1):
                make = spoiled(body, i, place, sign * float(np.finfo(dtype).max))
                mine, its = make(np.random.default_rng(0), dtype), make(np.random.default_rng(0), dtype)
                with np.errstate(all="ignore"):
                    results, wanted = body.run(None, mine), formula(body.kernel)(*its.arrays, **its.keywords)
                for result, want in zip(*(x if isinstance(x, tuple) else (x,) for x in (results, wanted)), strict=True):
                    if want is not None and result.shape == want.shape and result.dtype.kind == "f":
                        assert np.isfinite(result[np.isfinite(want)]).all(), f"argument {i}, {dtype}"
