"""The GPU's memory: its figures, and what happens when it is full."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.device import memory

MIB = 2**20


def ones(count: int, **settings: Any) -> tz.Tensor:
    """`count` MiB of float32."""
    return tz.tensor(np.ones((count, MIB // 4), np.float32), device="cuda", **settings)


def test_the_figures(cupy: Any) -> None:
    tz.tensor([1.0], device="cuda")
    gc.collect()
    before = memory()
    x = ones(3)
    assert memory().used - before.used == 3 * MIB
    del x
    after = memory()
    assert after.used == before.used
    assert after.reserved >= 3 * MIB  # the pool keeps it for the next array
    assert (after.free, after.total) == (70 * 2**30, 80 * 2**30)


def test_without_cuda_the_figures_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r'^device "cuda" needs CuPy'):
        memory()


def test_a_formula_that_finds_no_room_is_tried_again_when_room_was_made(cupy: Any) -> None:
    x = ones(2)
    spare = ones(5)
    del spare  # the pool still holds it, of another size than what is needed next
    cupy.gpu.default.limit = cupy.gpu.default.total_bytes() + MIB
    y = x * 2.0
    assert (y.data[0, 0].item(), memory().used) == (2.0, 4 * MIB)


def test_what_only_the_garbage_collector_finds_is_given_back_too(cupy: Any) -> None:
    cycle: list[Any] = [ones(5)]
    cycle.append(cycle)
    del cycle
    x = ones(2)
    cupy.gpu.default.limit = cupy.gpu.default.total_bytes() + MIB
    assert (x * 2.0).shape == x.shape


def test_the_intermediate_arrays_of_what_failed_are_given_back(cupy: Any) -> None:
    """The formula holds 4 MiB when it asks for 4 more: with these alive a second try would find no room either."""
    class Twice(tz.Op):
        """y = 2 (x + 1)"""

        tries = 0

        def forward(x):
            Twice.tries += 1
            if Twice.tries == 2:
                return x * 2.0
            first = x + 1.0
            cupy.gpu.default.limit = cupy.gpu.default.total_bytes()
            return first * 2.0

    x = ones(4)
    assert Twice(x).shape == x.shape
    assert Twice.tries == 2


def test_when_there_is_no_room_at_all_it_says_what_is_alive(cupy: Any) -> None:
    x = ones(4, requires_grad=True)
    gone = weakref.proxy(set())  # it refuses to say what it is
    cupy.gpu.default.limit = memory().used + MIB
    with pytest.raises(MemoryError) as caught:
        x * 2.0
    del gone
    said = str(caught.value)
    assert said.startswith("Mul (y = a · b) cannot take a: float32 (4, 262144), b: 2.0: Out of memory allocating")
    assert "4.0 MiB of the GPU's 80.0 GiB are in use" in said
    assert "1 × float32 (4, 262144) = 4.0 MiB" in said
    assert said.endswith("use smaller batches, or no_grad() where nothing is learnt")
    with pytest.raises(MemoryError, match="arrays are alive"):
        ones(4)
    cupy.gpu.default.limit = np.inf
    assert (x * 2.0).shape == x.shape  # and all is well again


def test_a_backward_that_finds_no_room(cupy: Any) -> None:
    x = ones(2, requires_grad=True)
    y = F.tanh(x)
    loss = y.sum()
    spare = ones(5)
    del spare
    pool = cupy.gpu.default
    pool.limit = pool.used_bytes() + 5 * MIB
    pool.kept.clear()
    spare = ones(4)
    del spare
    loss.backward()
    assert x.grad.shape == x.shape


def test_an_error_of_another_kind_is_explained_as_ever(cupy: Any) -> None:
    with pytest.raises(ValueError, match=r"^Add \(y = a \+ b\) cannot take"):
        tz.tensor([1.0, 2.0], device="cuda") + tz.tensor([1.0, 2.0, 3.0], device="cuda")
