"""Every body of every kernel does what its formula does. A body is tested by existing: nothing is listed here.

Those on the CPU run as they are; those on CUDA run in the emulator of CUDA C and in the simulator of Numba's CUDA,
under several schedules of their threads, which must not matter.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tinygrad_zh_kernels as library
from tests.support.cuda import emulated_launcher
from tinygrad_zh.kernels import Checked, calls, check, check_call, formula
from tinygrad_zh_kernels import Arguments, Body, Kernel

KERNELS = library.kernels()
BODIES = [body for kernel in KERNELS.values() for body in library.bodies(kernel).values()]
ON_CPU = [body for body in BODIES if body.device == "cpu"]
ON_CUDA = [body for body in BODIES if body.device == "cuda"]
SCHEDULES = range(1, 4)

simulated_slowly = [pytest.param(body, marks=pytest.mark.slow if body.name.startswith("numba") else (), id=str(body))
                    for body in ON_CUDA]
"""Thread after thread in Python takes a minute for all calls; their corners, on every schedule, are quick."""


def assert_all_right(rows: list[Checked]) -> None:
    wrong = [f"{row.body} {row.dtype}, {row.call}: {row.problem}" for row in rows if row.problem]
    assert not wrong, "\n".join(wrong)
    for dtype in {row.dtype for row in rows}:
        assert any(row.covered for row in rows if row.dtype == dtype), f"{rows[0].body} covers no call in {dtype}"


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=str)
def test_a_kernel_replaces_a_function_of_the_engine(kernel: Kernel) -> None:
    assert callable(formula(kernel))
    rng = np.random.default_rng(0)
    for size in kernel.sizes[:1]:
        arguments = kernel.arguments(rng, np.dtype(np.float32), size)
        assert kernel.flops(arguments) >= 0
        assert kernel.least_bytes(arguments, ()) > 0
    assert list(kernel.sizes) == sorted(kernel.sizes, key=np.prod) and len(kernel.sizes) >= 2, "small to large"


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=str)
def test_a_kernel_has_a_body_on_the_cpu_and_one_on_cuda(kernel: Kernel) -> None:
    assert {body.device for body in library.bodies(kernel).values()} == {"cpu", "cuda"}


@pytest.mark.parametrize("room", sorted({kernel.room for kernel in KERNELS.values()}))
def test_a_room_has_bodies_by_numba_by_numba_cuda_and_in_cuda_c(room: str) -> None:
    names = {body.name for body in BODIES if body.kernel.room == room}
    for kind in (r"numba(-\d.*)?", r"numba-cuda(-\d.*)?", r"cuda-c(-\d.*)?"):
        assert any(re.fullmatch(kind, name) for name in names), f"{room} has {names}"


@pytest.mark.parametrize("body", ON_CPU, ids=str)
def test_a_body_on_the_cpu_equals_the_formula(body: Body) -> None:
    assert_all_right(check(body))


@pytest.mark.parametrize("body", simulated_slowly)
def test_a_body_on_cuda_equals_the_formula(body: Body) -> None:
    assert_all_right(check(body, emulated_launcher(body)))


@pytest.mark.parametrize("body", ON_CUDA, ids=str)
def test_the_schedule_of_the_threads_does_not_matter(body: Body) -> None:
    corners = list(calls(body.kernel))[: 2 ** len(body.kernel.limits)]
    assert_all_right([check_call(body, f"{name}, schedule {order}", make, np.dtype(np.float32),
                                 emulated_launcher(body, order)) for name, make in corners for order in SCHEDULES])


@pytest.mark.parametrize("body", ON_CPU, ids=str)
@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_size_and_any_numbers(body: Body, data: Any) -> None:
    size = data.draw(st.tuples(*(st.integers(low, high) for low, high in body.kernel.limits)))
    dtype = np.dtype(data.draw(st.sampled_from(body.dtypes)))
    seed = data.draw(st.integers(0, 2**32 - 1))

    def make(rng: np.random.Generator, dtype: Any) -> Arguments:
        return body.kernel.arguments(rng, dtype, size)

    row = check_call(body, str(size), make, dtype, seed=seed)
    assert row.problem is None, row.problem
