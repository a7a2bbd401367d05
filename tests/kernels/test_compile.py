"""Every CUDA kernel compiles for an A100 and an H100, without a GPU: no spills, registers as budgeted, no float64."""

import math
import re
from pathlib import Path

import numba
import numpy as np
import pytest
from numba import cuda

from tinygrad_zh_kernels import offline
from tinygrad_zh_kernels.launcher import prelude
from tinygrad_zh_kernels.offline import budget, library
from tinygrad_zh_kernels.offline.launches import NumbaCuda, launches
from tinygrad_zh_kernels.offline.ptx import accidental_float64


@pytest.fixture(scope="module")
def compiler():
    try:
        library.library(), library.headers()
    except offline.MissingCompiler as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def numba_cuda():
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed; pip install 'tinygrad-zh[compile]'")


@pytest.fixture(scope="module")
def launched():
    return launches()


@pytest.fixture(scope="module")
def measured(compiler, launched):
    return budget.measure(launched[0])


@pytest.mark.nvrtc
def test_no_register_spills_to_memory(measured):
    assert not measured.spills, "\n".join(measured.spills)


@pytest.mark.nvrtc
def test_every_kernel_of_a_file_is_launched_by_a_body(measured):
    assert not measured.unused, "\n".join(measured.unused)


@pytest.mark.nvrtc
def test_registers_keep_to_the_budget(measured):
    found = list(budget.differences(budget.read(), measured.registers))
    print(*found, sep="\n")
    over = [str(difference) for difference in found if not difference.allowed]
    assert not over, "\n".join([*over, f"if there is a reason: {budget.WRITE}"])


@pytest.mark.nvrtc
def test_no_float32_kernel_of_numba_computes_in_float64(numba_cuda, launched):
    found = list(accidental_float64(launched[1]))
    assert not found, "\n".join(found)


# ---- which kernels there are, found without a compiler


def test_every_kernel_in_the_source_is_launched(launched):
    written = {(file, name) for file in Path(budget.HERE).glob("*/*.cu")
               for name in re.findall(r"__global__[^;{]*?\b(\w+)\((?=[^)]*\bT\b)", file.read_text(encoding="utf-8"))}
    assert written and not written - {(launch.file, launch.name) for launch in launched[0]}


def test_a_launcher_that_launches_nothing_writes_down_what_it_is_asked_for(launched):
    found = {(launch.dtype, launch.defines) for launch in launched[0] if launch.name == "matmul_warp_tiled"}
    assert found == {(dtype, (f"WIDE={wide}",)) for dtype in ("float16", "float32", "float64") for wide in (1, 4)}


# ---- the checks themselves can fail

SPILLS = """extern "C" __global__ void __launch_bounds__(1024, 2) f(T* y, int n) {  // at most 32 registers
    T held[64];
#pragma unroll
    for (int i = 0; i < 64; i++) held[i] = y[i * n + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; i++) y[i * n] = held[63 - i];
}"""


@pytest.mark.nvrtc
def test_a_spill_and_a_new_kernel_are_seen(compiler, tmp_path):
    file = tmp_path / "spills.cu"
    file.write_text(SPILLS)
    measured = budget.measure([budget.CudaC(file, "f", "float32", ())])
    assert "spills.cu f float32 sm_90: " in measured.spills[1] and " 0 bytes spilled" not in measured.spills[1]
    assert set(measured.registers) == {("spills.cu", "f", "float32", arch) for arch in ("sm_80", "sm_90")}


@pytest.mark.nvrtc
def test_what_does_not_compile_is_told_in_the_compilers_words(compiler, tmp_path):
    file = tmp_path / "wrong.cu"
    file.write_text('extern "C" __global__ void f(T* y) {\n    y[0] = z;\n}')
    with pytest.raises(offline.CompileError, match=r'wrong.cu\(2\): error: identifier "z" is undefined'):
        offline.nvrtc(file)


@pytest.mark.nvrtc
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_ptx_and_a_program_for_every_dtype(compiler, tmp_path, dtype):
    file = tmp_path / "twice.cu"
    file.write_text('#include "common.cuh"\nextern "C" __global__ void f(T* y) {\n    y[N] = (T)(2 * read(y[N]));\n}')
    compiled = offline.nvrtc(file, dtype, "sm_80", ("N=7",))
    assert ".target sm_80" in compiled.ptx and compiled.cubin.startswith(b"\x7fELF")
    assert 0 < compiled.usage["f"].registers < 20 and not compiled.usage["f"].spilled


def factory(T):
    @cuda.jit(device=True)
    def twice(x):
        return x + x

    @cuda.jit
    def good(y, x):
        y[cuda.grid(1)] = twice(math.exp(x[0]) * T(0.5))

    @cuda.jit
    def bad(y, x):
        y[cuda.grid(1)] = twice(x[0]) * 0.1

    return good, bad


@pytest.mark.nvrtc
def test_float64_by_accident_is_seen(numba_cuda):
    found = []
    for T, dtype in ((numba.float32, "float32"), (numba.float64, "float64")):
        x = np.zeros(3, dtype)
        found += accidental_float64([NumbaCuda(kernel, (x, x), dtype, "a body") for kernel in factory(T)])
        found += accidental_float64([NumbaCuda(factory(T)[1], (x, x.astype("float64")), dtype, "on purpose")])
    assert len(found) == 1 and found[0].startswith("a body: bad computes in float64 on float32 arrays: ")


@pytest.mark.nvrtc
def test_ptx_is_for_the_architecture_that_is_asked_for(numba_cuda):
    good, _ = factory(numba.float32)
    x = np.zeros(3, np.float32)
    assert ".target sm_80" in offline.ptx(good, (x, x), (8, 0))
    assert ".target sm_90" in offline.ptx(good, (x, x), (9, 0))


def test_differences_from_a_budget():
    old = {("a.cu", "f", "float32", "sm_80"): 10, ("a.cu", "g", "float32", "sm_80"): 10,
           ("a.cu", "h", "float32", "sm_80"): 10, ("a.cu", "i", "float32", "sm_80"): 10}
    new = {("a.cu", "f", "float32", "sm_80"): 10, ("a.cu", "g", "float32", "sm_80"): 11,
           ("a.cu", "h", "float32", "sm_80"): 9, ("a.cu", "j", "float32", "sm_80"): 1}
    found = [(d.place[1], str(d).split()[-1], d.allowed) for d in budget.differences(old, new)]
    assert found == [("g", "more", False), ("h", "fewer", True), ("i", "gone", True), ("j", "new", False)]


def test_a_budget_is_read_as_it_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FILE", tmp_path / "registers.json")
    registers = {("a.cu", "f", "float32", "sm_80"): 10, ("b/c.cu", "g", "float64", "sm_90"): 255}
    budget.write(registers)
    assert budget.read() == registers


def test_the_lines_before_a_source():
    assert prelude(np.float16, ("N=3",)) == ("#include <cuda_fp16.h>\n#define T_IS_HALF\n#define T __half\n"
                                             "#define A float\n#define N 3\n#line 1\n")
    assert prelude("float64") == "#define T double\n#define A double\n#line 1\n"


def test_without_nvrtc_it_says_what_to_install(monkeypatch):
    library.library.cache_clear()
    monkeypatch.setattr(library, "_wheels", lambda: iter(()))
    monkeypatch.setattr(library, "find_library", lambda name: None)
    with pytest.raises(offline.MissingCompiler, match=r"NVRTC is not installed.*tinygrad-zh\[compile\]"):
        offline.nvrtc(Path(__file__))
    library.library.cache_clear()
