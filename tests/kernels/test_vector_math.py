"""vector_math: as exact as the library's functions, at the edges too, and in vector instructions."""

from __future__ import annotations

import platform
import re
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")
from tinygrad_zh_kernels import vector_math as vm  # noqa: E402


def over(function: Any) -> Any:
    """The function of every element, compiled as the bodies are."""

    @vm.kernel(cache=False)
    def loop(x, y):
        vm.use_widest_vectors()
        for i in range(x.size):
            y[i] = function(x[i])

    return loop


LOOPS = {name: over(getattr(vm, name)) for name in ("exp", "tanh", "sigmoid", "log", "log1p")}
EXACT = {"exp": np.exp, "tanh": np.tanh, "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-np.abs(x))),
         "log": np.log, "log1p": np.log1p}


def computed(name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    LOOPS[name](x, y)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "units"), [("exp", 1), ("tanh", 5), ("sigmoid", 3)])
def test_within_a_few_units_in_the_last_place(name: str, units: float, dtype: type) -> None:
    rng = np.random.default_rng(0)
    end = 87 if dtype == np.float32 else 708
    x = np.concatenate([rng.uniform(-end, end, 20000), rng.standard_normal(20000), rng.standard_normal(2000) * 1e-3])
    x = x.astype(dtype)
    exact = EXACT[name](x.astype(np.longdouble))
    error = np.abs(computed(name, x) - exact) / np.spacing(np.abs(exact).astype(dtype))
    assert error.max() <= units


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms_within_a_few_units_in_the_last_place(dtype: type) -> None:
    rng = np.random.default_rng(0)
    small = np.finfo(dtype).tiny * rng.uniform(0, 2, 1000)  # below the normal numbers, and just above
    wide = np.exp(rng.uniform(-80, 80, 20000))
    near = rng.uniform(-0.3, 0.3, 20000)
    for name, x, units in (("log", np.concatenate([wide, 1 + near, small]), 1),
                           ("log1p", np.concatenate([wide, near, small, -small, np.exp(-wide) - 1]), 2)):
        x = x.astype(dtype)
        x = x[x > -1]
        exact = EXACT[name](x.astype(np.longdouble))
        rounded = np.where(exact == 0, 1, np.abs(exact)).astype(dtype)
        assert (np.abs(computed(name, x) - exact) / np.spacing(rounded)).max() <= units


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithms_at_the_edges(dtype: type) -> None:
    x = np.array([0.0, -0.0, 1.0, -1.0, -2.0, np.inf, -np.inf, np.nan], dtype)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(computed("log", x), np.log(x))
        np.testing.assert_array_equal(computed("log1p", x)[[0, 1, 3, 4, 5, 6, 7]], np.log1p(x)[[0, 1, 3, 4, 5, 6, 7]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_the_edges(dtype: type) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1e4, -1e4], dtype)
    np.testing.assert_array_equal(computed("exp", x), np.array([np.nan, np.inf, 0, 1, np.inf, 0], dtype))
    np.testing.assert_array_equal(computed("sigmoid", x), np.array([np.nan, 1, 0, 0.5, 1, 0], dtype))
    near_one = 1 if dtype == np.float64 else np.float32(1) - np.float32(2) ** -22
    np.testing.assert_array_equal(computed("tanh", x), np.array([np.nan, near_one, -near_one, 0, near_one, -near_one],
                                                                dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maximum_finds_the_largest_and_passes_nan_on(dtype: type) -> None:
    @vm.kernel(cache=False)
    def largest(x):
        top = x[0]
        for i in range(x.size):
            top = vm.maximum(top, x[i])
        return top

    x = np.random.default_rng(0).standard_normal(1003).astype(dtype)
    assert largest(x) == x.max()
    for place in (0, 500, 1002):
        assert np.isnan(largest(np.where(np.arange(1003) == place, np.nan, x).astype(dtype)))
    assert largest(np.full(5, -np.inf, dtype)) == -np.inf


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads the assembly of x86-64")
@pytest.mark.parametrize("name", LOOPS)
def test_the_loop_is_in_vector_instructions(name: str) -> None:
    computed(name, np.zeros(8, np.float32))
    text = LOOPS[name].inspect_asm((numba.float32[::1], numba.float32[::1]))
    packed = len(re.findall(r"\bv?(?:fmadd\d+|mul)ps\b", text))
    alone = len(re.findall(r"\bv?(?:fmadd\d+|mul)ss\b", text))
    assert packed >= 5, "the arithmetic is not packed: a branch or a call keeps the loop scalar"
    assert packed >= alone, f"{alone} scalar operations beside {packed} packed ones"
