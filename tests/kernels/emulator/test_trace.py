"""Stepping into one thread of a kernel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.emulator import KernelError, Step, Thread
from tinygrad_zh_kernels.emulator.parse import plain, statements

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the emulator of CUDA C needs g++")

BAD = Path(__file__).parent / "bad.cu"
KERNEL = """#include "common.cuh"

extern "C" __global__ void walk(T* __restrict__ y, const T* __restrict__ x, int n) {
    __shared__ T room[32];
    int t = threadIdx.x, last = n - 1;
    x += blockIdx.x * n;
    A sum = 0;
    for (int i = 0; i < 2; i++) sum += x[t] * (i + 1);  // not a statement: sum += 1;
    room[t] = (T)sum;
    __syncthreads();
    if (t == last) {
        y[0] = room[0];
        return;
    } else sum = -1;
    sum += __shfl_sync(FULL & 0x7fffffff, sum, 2);
    y[t + 1] = (T)sum;
}
"""


@pytest.fixture
def walk(tmp_path: Path) -> Any:
    source = tmp_path / "walk.cu"
    source.write_text(KERNEL)

    def run(thread: Thread | None) -> tuple[Any, list[Step]]:
        launch, x, y = EmulatedLauncher(watch=thread), np.arange(64, dtype=np.float32), np.zeros(33, np.float32)
        launch.cuda_c(source, "walk", (1,), (32,), (y, x, 32), dtype=np.float32)
        return y, launch.steps

    return run


def test_the_lines_and_values_of_one_thread(walk: Any) -> None:
    _, steps = walk(Thread(thread=(3, 0, 0)))
    assert [(step.line, step.values) for step in steps] == [
        (5, {"t": 3, "last": 31}), (6, {"x": "&x[0]"}), (7, {"sum": 0.0}),
        (8, {"i": 0, "i < 2": True}), (8, {"sum": 3.0}), (8, {"i": 1, "i < 2": True}), (8, {"sum": 9.0}),
        (8, {"i": 2, "i < 2": False}), (9, {"room[t]": 9.0}), (10, {}), (11, {"t == last": False}), (14, {"sum": -1.0}),
        (15, {"sum": -2.0}), (16, {"y[t + 1]": -2.0}),
    ]  # fmt: skip
    assert {(step.launch, step.kernel, step.file) for step in steps} == {(0, "walk", "walk.cu")}
    assert steps[8].source == "room[t] = (T)sum;"
    assert [step.event for step in steps if step.event] == [
        "waits at __syncthreads()", "__shfl_sync: gives -1; receives -1 from lane 2"]


def test_a_thread_that_returns_early(walk: Any) -> None:
    _, steps = walk(Thread(thread=(31, 0, 0)))
    assert [(step.line, step.values) for step in steps[-3:]] == [
        (11, {"t == last": True}), (12, {"y[0]": 0.0}), (13, {})]


def test_watching_changes_no_result(walk: Any) -> None:
    np.testing.assert_array_equal(walk(Thread())[0], walk(None)[0])


def test_nobody_is_watched(walk: Any) -> None:
    assert walk(None)[1] == []
    assert walk(Thread(thread=(32, 0, 0)))[1] == []
    assert walk(Thread(block=(1, 0, 0)))[1] == []


def test_the_steps_before_a_mistake() -> None:
    launch = EmulatedLauncher(watch=Thread(thread=(63, 0, 0)))
    x = np.ones(64, np.float32)
    with pytest.raises(KernelError, match="element 64 of x"):
        launch.cuda_c(BAD, "reads_beyond", (1,), (64,), (x.copy(), x, 64), dtype=np.float32)
    assert [step.source for step in launch.steps] == ["int t = threadIdx.x;", "if (t < n) y[t] = x[t] + x[t + 1];"]


def test_statements_are_found_wherever_they_stand() -> None:
    text = """struct S { int a; };
int f(int x) {
    #define G 3;
    if (x) return 1; else { x = 2; }
    for (int i = 0; i < 3; i++)
        while (x < 2) x++;
    do { x--; } while (x > 0);
    int held[2] = {1, 2}; /* x = 5; */
    return g("a;b", x);
}
"""
    code = plain(text)
    found = [(s.kind, text[s.start : s.end]) for s in statements(code)]
    assert found == [
        ("if", "x"), ("simple", "return 1;"), ("simple", "x = 2;"), ("for", "int i = 0; i < 3; i++"),
        ("while", "x < 2"), ("simple", "x++;"), ("simple", "x--;"), ("while", "x > 0"),
        ("simple", "int held[2] = {1, 2};"), ("simple", 'return g("a;b", x);'),
    ]  # fmt: skip
