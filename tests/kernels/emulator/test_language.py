"""What legal CUDA C means in the emulator, on every schedule: legal.cu against NumPy."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_zh_kernels import emulator
from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.emulator import build

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the emulator of CUDA C needs g++")

LEGAL = Path(__file__).parent / "legal.cu"
Array = np.ndarray[Any, Any]


@pytest.fixture(params=range(6))
def order(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def run(order: int, name: str, grid: tuple[int, ...], block: tuple[int, ...], *arguments: Any,
        dtype: Any = np.float32, **more: Any) -> None:
    EmulatedLauncher(order).cuda_c(LEGAL, name, grid, block, arguments, dtype=dtype, **more)


def floats(n: int, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(0).standard_normal(n).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_templates_and_block_sums(order: int, dtype: Any) -> None:
    x, y = floats(256, dtype), np.zeros(256, dtype)
    run(order, "from_template", (2,), (128,), y, x, dtype=dtype)
    np.testing.assert_allclose(y, np.repeat(x.reshape(2, 128).sum(1), 128), rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dynamic_shared_memory(order: int, dtype: Any) -> None:
    x, y = floats(100, dtype), np.zeros(100, dtype)
    run(order, "reversed_in_dynamic", (1,), (100,), y, x, 100, dtype=dtype, shared=x.nbytes)
    np.testing.assert_array_equal(y, x[::-1])


def test_vectors(order: int) -> None:
    x, y = floats(256), np.zeros(256, np.float32)
    run(order, "doubled_by_four", (1,), (64,), y, x, 64)
    np.testing.assert_array_equal(y, 2 * x)


def test_atomics_in_shared_and_global_memory(order: int) -> None:
    x, counts = np.random.default_rng(0).integers(0, 16, 1000).astype(np.int32), np.zeros(16, np.int32)
    run(order, "histogram", (3,), (64,), counts, x, 1000)
    np.testing.assert_array_equal(counts, np.bincount(x, minlength=16))


def test_atomics_of_every_type(order: int) -> None:
    f, d, q = np.zeros(1, np.float32), np.zeros(1), np.array([1 << 40], np.uint64)
    run(order, "added", (3,), (50,), f, d, q)
    assert (f[0], d[0], q[0]) == (150, 75, (1 << 40) + 300)


def test_a_maximum_by_the_bits_of_floats(order: int) -> None:
    x, y = floats(200), np.zeros(1, np.int32)
    run(order, "largest", (2,), (128,), y, x, 200)
    assert y.view(np.float32)[0] == abs(x).max()


def test_the_functions_of_a_warp(order: int) -> None:
    x, y = floats(64), np.zeros((11, 64), np.uint32)
    run(order, "warp", (1,), (64,), y, x)
    lane = np.arange(64) % 32
    ballot = [sum(1 << i for i in range(32) if x[32 * w + i] > 0) for w in (0, 1)]
    expected = [
        np.repeat(ballot, 32),
        np.repeat([b.bit_count() for b in ballot], 32),
        np.full(64, 31 * 16),
        np.where(lane >= 3, lane - 3, lane),
        np.where(lane % 8 < 5, lane + 3, lane),
        lane ^ 1,
        lane // 8 * 8 + 1,
        np.full(64, 1 + 2),
        0xF << (lane // 4 * 4),
        np.full(64, -5 % 2**32),
        np.where(lane < 16, 15 - lane, 16 + 31 - lane),
    ]
    for row, (got, wanted) in enumerate(zip(y, expected, strict=True)):
        np.testing.assert_array_equal(got, wanted, f"row {row}")


def test_votes_of_a_block(order: int) -> None:
    x, y = floats(96), np.zeros(96, np.int32)
    run(order, "votes", (1,), (96,), y, x)
    assert (y == (x > 0).sum() + 10000).all()


def test_threads_may_leave_before_a_barrier(order: int) -> None:
    x, y = floats(50), np.zeros(50, np.float32)
    run(order, "some_leave_early", (1,), (128,), y, x, 50)
    np.testing.assert_array_equal(y, x[::-1])


def test_syncwarp_orders_the_memory_of_a_warp(order: int) -> None:
    x, y = floats(64), np.zeros(64, np.float32)
    run(order, "syncwarp_is_enough_for_a_warp", (1,), (64,), y, x)
    np.testing.assert_array_equal(y, x.reshape(-1, 2)[:, ::-1].reshape(-1) + 2)


def test_one_array_as_two_arguments(order: int) -> None:
    x = floats(64)
    expected = x[::-1].copy()
    run(order, "in_place", (1,), (64,), x, x, 64)
    np.testing.assert_array_equal(x, expected)


def test_constants_and_mathematics(order: int) -> None:
    y = np.zeros(4, np.float32)
    run(order, "constants", (1,), (4,), y)
    np.testing.assert_array_equal(y, np.float32([3.5, 4, 4.5, 5]))


def test_integers(order: int) -> None:
    y = np.zeros(7, np.uint32)
    a, b, c = 0x9E3779B9, 0x9E3779B97F4A7C15, -(5 << 32)
    run(order, "integers", (1,), (1,), y, np.uint32(a), np.uint64(b), np.int64(c), np.bool_(True))
    reversed_bits = int(f"{a:032b}"[::-1], 2)
    assert list(y) == [a * a >> 32, b * b >> 64 & 0xFFFFFFFF, 0 + 100, reversed_bits, (2**32 - 5 + 1), 0x40490FDB,
                       (a << 7 | a >> 25) & 0xFFFFFFFF]


def test_three_dimensions(order: int) -> None:
    y = np.zeros(2 * 3 * 4 * 5 * 3 * 2, np.int32)
    run(order, "places", (2, 3, 4), (5, 3, 2), y)
    np.testing.assert_array_equal(y, (100 * np.arange(24)[:, None] + np.arange(30)).reshape(-1))


def test_halves_round_as_numpy_does(tmp_path: Path) -> None:
    source = tmp_path / "round.cu"
    source.write_text("""#include "common.cuh"
extern "C" __global__ void there(T* y, const float* x) { y[threadIdx.x] = (T)x[threadIdx.x]; }
extern "C" __global__ void back(float* y, const T* x) { y[threadIdx.x] = read(x[threadIdx.x]); }
""")
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    launch = EmulatedLauncher()
    for part in halves[(halves.view(np.uint16) != 0x7DA5)].reshape(-1)[:65024].reshape(-1, 1024 - 8):
        wide, again = np.zeros(part.size, np.float32), np.zeros(part.size, np.float16)
        launch.cuda_c(source, "back", (1,), (part.size,), (wide, part), dtype=np.float16)
        np.testing.assert_array_equal(wide, part.astype(np.float32))
        launch.cuda_c(source, "there", (1,), (part.size,), (again, wide), dtype=np.float16)
        np.testing.assert_array_equal(again, part)
    between = np.float32(np.concatenate([floats(1000) * s for s in (1e-8, 1e-6, 1e-3, 1, 1e3, 1e5)]))
    ties = np.float32([1 + 2**-11, 1 + 3 * 2**-11, 65519.99, 65520, 2**-25, 3 * 2**-25, 0.0, -0.0, np.inf, -np.inf])
    for x in (*between.reshape(-1, 1000), ties):
        y = np.zeros(x.size, np.float16)
        launch.cuda_c(source, "there", (1,), (x.size,), (y, x), dtype=np.float16)
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(y.view(np.uint16), x.astype(np.float16).view(np.uint16))


def test_a_changed_file_is_compiled_again(tmp_path: Path) -> None:
    source, header = tmp_path / "changes.cu", tmp_path / "number.cuh"
    source.write_text('#include "common.cuh"\n#include "number.cuh"\n'
                      'extern "C" __global__ void number(int* y) { y[0] = NUMBER; }\n')
    for number in (1, 22, 333):
        header.write_text(f"#define NUMBER {number}\n")
        y = np.zeros(1, np.int32)
        EmulatedLauncher().cuda_c(source, "number", (1,), (1,), (y,), dtype=np.float32)
        assert y[0] == number


def test_the_compilers_words_and_the_files_line(tmp_path: Path) -> None:
    source = tmp_path / "wrong.cu"
    source.write_text('#include "common.cuh"\n\nextern "C" __global__ void wrong(T* y) { y[0] = nothing; }\n')
    with pytest.raises(emulator.CompileError, match=r"wrong\.cu:3:.*nothing"):
        EmulatedLauncher().cuda_c(source, "wrong", (1,), (1,), (floats(1),), dtype=np.float32)


def test_an_include_that_is_not_there(tmp_path: Path) -> None:
    source = tmp_path / "lonely.cu"
    source.write_text('#include "nowhere.cuh"\n')
    with pytest.raises(FileNotFoundError, match=r'lonely\.cu includes "nowhere\.cuh"'):
        EmulatedLauncher().cuda_c(source, "k", (1,), (1,), (), dtype=np.float32)


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(RuntimeError, match=r"g\+\+, which is not installed: `apt install g\+\+`"):
        build.compiler.__wrapped__()


def test_two_processes_may_compile_at_once(tmp_path: Path) -> None:
    script = (f"import numpy as np\nfrom pathlib import Path\n"
              f"from tinygrad_zh_kernels.emulated import EmulatedLauncher\n"
              f"y = np.zeros(4, np.float32)\n"
              f"EmulatedLauncher().cuda_c(Path({str(LEGAL)!r}), 'constants', (1,), (4,), (y,), dtype=np.float32)\n"
              f"print(y)")
    environment = {**build.os.environ, "TINYGRAD_ZH_CACHE": str(tmp_path), "PYTHONPATH": str(build.HERE.parents[1])}
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment)
            for _ in range(2)]
    assert [process.communicate()[0] for process in both] == ["[3.5 4.  4.5 5. ]\n"] * 2
    assert len(list((tmp_path / "emulator").glob("legal-*.so"))) == 1
