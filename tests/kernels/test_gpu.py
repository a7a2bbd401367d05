"""What the GPU's launcher asks of CuPy and of Numba, on stand-ins for both: names, options, types, once each."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.support import fake_cupy
from tinygrad_zh_kernels import gpu
from tinygrad_zh_kernels.launcher import COMMON, prelude

SOURCE = 'extern "C" __global__ void twice(T* y, const T* x, int n) {}'


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> gpu.GpuLauncher:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module())
    gpu.launcher.cache_clear()
    yield gpu.launcher()
    gpu.launcher.cache_clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "twice.cu"
    path.write_text(SOURCE)
    return path


def test_without_cupy_or_a_gpu_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.launcher.cache_clear()
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r'^kernels on CUDA need CuPy: pip install "tinygrad-zh\[gpu\]"$'):
        gpu.launcher()
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module(error="cudaErrorNoDevice"))
    with pytest.raises(RuntimeError, match=r"^kernels on CUDA need an NVIDIA GPU and its driver; .* without$"):
        gpu.launcher()


def test_a_launch(launch: gpu.GpuLauncher, file: Path) -> None:
    y, x = launch.empty((4,), np.float32), launch.zeros((4,), np.float32)
    launch.cuda_c(file, "twice", (2, 1), (128,), (y, x, 4), dtype=np.float32, shared=1024, defines=("N=3",))
    [done] = launch.cupy.gpu.launched
    assert (done.name, done.grid, done.block, done.shared) == ("twice", (2, 1), (128,), 1024)
    assert done.arguments[0] is y and done.arguments[1] is x
    assert done.module.code == prelude(np.float32, ("N=3",)) + SOURCE
    assert done.module.options[:3] == ("--std=c++17", f"-I{COMMON.parent}", f"-I{file.parent}")
    assert x.get().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(("given", "dtype", "passed"), [
    (4, "float32", np.int32), (0.5, "float16", np.float32), (0.5, "float32", np.float32), (0.5, "float64", np.float64),
    (True, "float32", np.bool_), (np.int64(4), "float32", np.int64), (np.float16(1), "float64", np.float16),
])
def test_numbers_have_the_types_that_the_kernel_reads(given: Any, dtype: str, passed: Any, launch: gpu.GpuLauncher,
                                                      file: Path) -> None:
    launch.cuda_c(file, "twice", (1,), (32,), (given,), dtype=dtype)
    [argument] = launch.cupy.gpu.launched[0].arguments
    assert type(argument) is passed
    assert argument == given


def test_a_length_that_is_no_int_is_refused(launch: gpu.GpuLauncher, file: Path) -> None:
    with pytest.raises(OverflowError):
        launch.cuda_c(file, "twice", (1,), (32,), (2**31,), dtype="float32")


def test_a_file_is_compiled_once_for_each_dtype_and_each_set_of_defines(launch: gpu.GpuLauncher, file: Path) -> None:
    for _ in range(3):
        for dtype in ("float32", "float64"):
            for defines in ((), ("N=1",)):
                launch.cuda_c(file, "twice", (1,), (32,), (), dtype=dtype, defines=defines)
    assert launch.cupy.gpu.counts["get_function"] == 4
    assert len({id(done.module) for done in launch.cupy.gpu.launched}) == 4


def test_two_kernels_of_a_file_share_its_module(launch: gpu.GpuLauncher, file: Path) -> None:
    for name in ("twice", "thrice", "twice"):
        launch.cuda_c(file, name, (1,), (32,), (), dtype="float32")
    assert [done.name for done in launch.cupy.gpu.launched] == ["twice", "thrice", "twice"]
    assert len({id(done.module) for done in launch.cupy.gpu.launched}) == 1


def test_much_shared_memory_is_asked_for_and_never_taken_back(launch: gpu.GpuLauncher, file: Path) -> None:
    for shared in (0, 48_000, 100_000, 60_000):
        launch.cuda_c(file, "twice", (1,), (32,), (), dtype="float32", shared=shared)
    assert [done.most_shared for done in launch.cupy.gpu.launched] == [48 * 1024, 48_000, 100_000, 100_000]


@pytest.mark.parametrize("grid", [(0,), (3, 0), (0, 5)])
def test_an_empty_grid_launches_nothing(grid: tuple[int, ...], launch: gpu.GpuLauncher, file: Path) -> None:
    launch.cuda_c(file, "twice", grid, (32,), (), dtype="float32")
    launch.numba({}, grid, (32,), ())
    assert not launch.cupy.gpu.launched


def test_a_changed_header_compiles_anew(file: Path) -> None:
    """CuPy's cache on disk looks at the source and the options alone."""
    before = gpu.options(file)
    (file.parent / "helpers.cuh").write_text("// one more")
    assert gpu.options(file) != before
    assert gpu.options(file) == gpu.options(file)


def test_numba_launches_on_cupys_stream_and_waits_for_nobody(launch: gpu.GpuLauncher,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    config = SimpleNamespace(CUDA_ARRAY_INTERFACE_SYNC=1)
    cuda = SimpleNamespace(api=SimpleNamespace(config=config),
                           external_stream=lambda pointer: asked.append(pointer) or ("stream", pointer))
    monkeypatch.setitem(sys.modules, "numba", SimpleNamespace(cuda=cuda))
    launch.cupy.cuda.Stream(non_blocking=True).use()
    pointer = launch.cupy.cuda.get_current_stream().ptr

    class Kernel:
        launched: list[Any] = []  # noqa: RUF012

        def __getitem__(self, how: Any) -> Any:
            return lambda *arguments: self.launched.append((how, arguments))

    kernel, x = Kernel(), launch.zeros((3,), np.float32)
    for _ in range(2):
        launch.numba(kernel, (2,), (64,), (x, 3), shared=256)
    assert kernel.launched[0][0] == ((2,), (64,), ("stream", pointer), 256)
    assert kernel.launched[0][1][0] is x
    assert asked == [pointer]
    assert config.CUDA_ARRAY_INTERFACE_SYNC == 0


def test_it_has_as_many_multiprocessors_as_the_device_says(launch: gpu.GpuLauncher) -> None:
    assert launch.multiprocessors == 132
