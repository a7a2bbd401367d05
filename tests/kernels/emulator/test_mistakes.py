"""Every mistake in bad.cu is told, with the line, the thread and what is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.emulator import KernelError

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the emulator of CUDA C needs g++")

BAD = Path(__file__).parent / "bad.cu"
FIRST = r"thread \(0,0,0\) of block \(0,0,0\) "


def y(n: int = 64) -> np.ndarray[Any, Any]:
    return np.zeros(n, np.float32)


def x(n: int = 64) -> np.ndarray[Any, Any]:
    return np.arange(1, n + 1, dtype=np.float32)


def line_of(kernel: str, text: str) -> int:
    """Where a text first stands after the kernel's name."""
    lines = BAD.read_text(encoding="utf-8").split("\n")
    start = next(i for i, line in enumerate(lines) if f" {kernel}(" in line)
    return next(i for i in range(start, len(lines)) if text in lines[i]) + 1


def message(kernel: str, arguments: tuple[Any, ...], grid: int = 1, block: int = 64, **more: Any) -> str:
    launch = EmulatedLauncher(more.pop("order", 0))
    with pytest.raises(KernelError) as caught:
        launch.cuda_c(BAD, kernel, (grid,), (block,), arguments, dtype=np.float32, **more)
    return str(caught.value)


MISTAKES: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str]] = [
    ("never_written", (y(), x()), {}, "room[63 - t]",
     FIRST + "reads element 63 of the shared array room, which no thread of the block has written"),
    ("written_too_early", (y(), x()), {}, "T v =",
     r"thread \(32,0,0\) .* reads element 31 of the shared array room, which thread \(31,0,0\) of the same block "
     r"writes too \(bad.cu line \d+\); no barrier stands between"),
    ("no_syncwarp", (y(32), x(32)), {"block": 32}, "room[31 - t]", "no barrier stands between"),
    ("same_value_by_all", (y(),), {}, "flag = 1", r"writes element 0 of the shared array flag, which thread"),
    ("blocks_race", (y(), x()), {"grid": 2}, "y[threadIdx",
     r"thread \(0,0,0\) of block \(1,0,0\) writes element 0 of y, which thread \(0,0,0\) of block \(0,0,0\) writes too "
     r"\(bad.cu line \d+\); nothing orders the blocks of a launch: use an atomic, or a second kernel"),
    ("blocks_read_each_other", (y(), x()), {"grid": 2, "block": 1}, "+=",
     r"block \(1,0,0\) reads element 0 of y, which thread \(0,0,0\) of block \(0,0,0\) writes too"),
    ("half_atomic", (y(),), {}, "y[0] = 1",
     r"updates element 0 of y, which thread \(0,0,0\) of the same block writes too .* only one of the two is atomic"),
    ("writes_beyond", (y(60), x(), 60), {}, "y[threadIdx",
     r"thread \(60,0,0\) of block \(0,0,0\) writes element 60 of y, which has 60"),
    ("reads_beyond", (y(), x(), 64), {}, "x[t + 1]", "reads element 64 of x, which has 64"),
    ("reads_before", (y(), x()), {}, "- 1]", FIRST + "reads element -1 of x, which has 64"),
    ("far_outside", (y(), x()), {}, "<< 40", "in no argument and in no shared array"),
    ("shared_beyond", (y(),), {}, "room[threadIdx", r"uses index 8 of an array float \[8\]"),
    ("shared_beyond_through_a_pointer", (y(32),), {"block": 32}, "sum_of(room",
     "reads element 32 of the shared array room"),
    ("dynamic_beyond", (y(),), {"shared": 63 * 4}, "row[threadIdx",
     "writes element 63 of the shared array row, which has 63"),
    ("local_beyond", (y(), 4), {}, "held[i] =", r"uses index 4 of an array float \[4\]"),
    ("second_row", (y(),), {}, "% 8 + 8", r"uses index 8 of an array float \[8\]"),
    ("writes_a_constant", (y(), x()), {}, "((T*)x)", "writes element 0 of x, which the kernel takes as const"),
    ("two_barriers", (y(),), {}, "another one",
     r"waits at this barrier while thread \(0,0,0\) waits at another .* all threads of a block must come to the same"),
    ("waits_for_ever", (y(),), {}, "__shfl_sync",
     r"waits here for ever for thread \(1,0,0\), which waits elsewhere .* the mask 0xffffffff names lanes"),
    ("outside_its_mask", (y(),), {}, "__shfl_sync", r"the mask 0x00000001, which leaves out its own lane 1"),
    ("from_an_absent_lane", (y(),), {}, "__shfl_xor_sync", "receives from lane 16, which takes no part"),
    ("misaligned", (y(), x()), {}, "x + 1",
     r"reads or writes a const struct Pack at an address that is no multiple of 16"),
    ("divides_by_zero", (np.zeros(64, np.int32), 0), {}, "7 % n", "divides an integer by zero"),
    ("loops_for_ever", (y(), 1), {"block": 1}, "for (", "seems to loop for ever"),
    ("too_much_shared", (y(),), {}, "room[100]", "80000 bytes of static shared memory; the limit is 49152"),
]


@pytest.mark.parametrize(("kernel", "arguments", "more", "at", "told"), MISTAKES, ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told(kernel: str, arguments: tuple[Any, ...], more: dict[str, Any], at: str, told: str) -> None:
    said = message(kernel, arguments, **more)
    assert re.search(told, said), said
    assert f"bad.cu line {line_of(kernel, at) if at != 'sum_of(room' else line_of('sum_of', 'room[i]')}" in said
    assert said.startswith(f"{kernel}, ") and "\n" not in said


def test_a_function_is_told_with_its_caller() -> None:
    said = message("through_a_function", (y(),))
    inside, outside = line_of("block_total", "return room"), line_of("through_a_function", "block_total(")
    assert f"bad.cu line {inside}, called from bad.cu line {outside}: " in said


def test_memory_from_empty_must_be_written_first() -> None:
    launch = EmulatedLauncher()
    for dtype in (np.float32, np.float64, np.float16):
        with pytest.raises(KernelError, match="reads element 0 of x, which is not initialised"):
            launch.cuda_c(BAD, "writes_beyond", (1,), (64,), (np.zeros(64, dtype), launch.empty((64,), dtype), 64),
                          dtype=dtype)


def test_a_variable_that_is_not_initialised_spoils_the_result() -> None:
    out = y()
    EmulatedLauncher().cuda_c(BAD, "never_initialised", (1,), (64,), (out, x(), 4), dtype=np.float32)
    assert not np.isclose(out, 10).any()


@pytest.mark.parametrize("order", range(6))
@pytest.mark.parametrize("kernel", ["written_too_early", "no_syncwarp", "same_value_by_all"])
def test_a_race_is_found_on_every_schedule(kernel: str, order: int) -> None:
    arguments = (y(), x()) if kernel != "same_value_by_all" else (y(),)
    assert "no barrier stands between" in message(kernel, arguments, block=32 if kernel == "no_syncwarp" else 64,
                                                  order=order)


def test_what_was_right_before_a_mistake_is_written() -> None:
    out = y(60)
    message("writes_beyond", (out, x(), 60))
    assert out[0] == 1 and not np.isnan(out).any()


A = np.float32
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("writes_beyond", (y(), x()), {}, r"writes_beyond takes 3 arguments \(y, x, n\), got 2"),
    ("writes_beyond", (y(), x(), 64.0), {}, r"argument 2 of writes_beyond, n, is int32, but 64.0 is passed as float32"),
    ("writes_beyond", (y(), x(), np.int64(64)), {}, r"is int32, but np.int64\(64\) is passed as int64"),
    ("writes_beyond", (y(), x(), 2**31), {}, r"n, is 2147483648, which fits no int; take it as Long"),
    ("writes_beyond", (y(), x().astype(np.float64), 64), {}, r"x, points to float32, but the array is of float64"),
    ("writes_beyond", (y(), 3, 64), {}, r"x, is a pointer: it takes an array, not int"),
    ("writes_beyond", (y(), x(), x()), {}, r"n, is a value: it takes a number, not ndarray"),
    ("writes_beyond", (y(), x(128)[::2], 64), {}, r"x, must be contiguous, but has strides \(8,\)"),
    ("writes_beyond", (np.frombuffer(bytes(256), A), x(), 64), {}, r"y, is not const, but the array is read-only"),
    ("no_such_kernel", (y(),), {}, r"bad.cu has no kernel no_such_kernel; it has never_written, "),
    ("at_most_64", (y(65),), {"block": 65}, r"a block of 65 threads, but its __launch_bounds__ says at most 64"),
    ("same_value_by_all", (y(),), {"block": 1025}, r"has 1025 threads; 1 to 1024 are possible"),
    ("same_value_by_all", (y(),), {"shared": 300 << 10}, r"307200 bytes of dynamic shared memory; an H100 has 232448"),
]


@pytest.mark.parametrize(("kernel", "arguments", "more", "told"), WRONG)
def test_wrong_arguments(kernel: str, arguments: tuple[Any, ...], more: dict[str, Any], told: str) -> None:
    assert re.search(told, said := message(kernel, arguments, **more)), said


def test_an_empty_grid_does_nothing() -> None:
    EmulatedLauncher().cuda_c(BAD, "writes_beyond", (0,), (64,), (y(0), x(0), 0), dtype=np.float32)
