from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib import metadata
from types import ModuleType

import numpy as np
import pytest

from tinygrad_zh import doctor
from tinygrad_zh.i18n import catalogue, display_width, in_language


@pytest.fixture(autouse=True)
def english():
    with in_language("en"):
        yield


@pytest.fixture
def installed(monkeypatch):
    """Pretend that only the named packages are installed, in these versions."""

    def only(**versions):
        def version(name):
            if name not in versions:
                raise metadata.PackageNotFoundError(name)
            return versions[name]

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(doctor, "find_spec", lambda name: object() if name in versions else None)

    return only


@pytest.fixture
def nvidia_smi(monkeypatch):
    """Pretend that nvidia-smi is there and answers so."""

    def answers(returncode, stdout="", stderr=""):
        monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
        done = subprocess.CompletedProcess([], returncode, stdout, stderr)
        monkeypatch.setattr(doctor.subprocess, "run", lambda *args, **options: done)

    return answers


@pytest.fixture
def blas(monkeypatch):
    """Pretend that NumPy was built so."""

    def built(name, *features):
        configuration = {
            "Build Dependencies": {"blas": {"name": name, "version": "1.2"}},
            "SIMD Extensions": {"baseline": ["SSE"], "found": list(features)},
        }
        monkeypatch.setattr(np, "show_config", lambda mode: configuration)

    return built


def run(*, as_json, capsys):
    status = doctor.run(argparse.Namespace(json=as_json))
    return status, capsys.readouterr().out


def test_every_subject_is_reported_once_in_both_forms(capsys):
    status, printed = run(as_json=True, capsys=capsys)
    report = json.loads(printed)
    subjects = [finding.subject for finding in doctor.examine()]
    assert status == 0
    assert list(report) == subjects
    assert len(set(subjects)) == len(subjects)
    assert report["numpy"] == {"found": np.__version__, "status": "ok", "fix": None}
    _, table = run(as_json=False, capsys=capsys)
    assert sum(line[0] in "✓–✗" for line in table.splitlines()) == len(subjects)


@pytest.mark.parametrize("code", ["zh", "en"])
def test_the_columns_line_up(capsys, code):
    with in_language(code):
        _, table = run(as_json=False, capsys=capsys)
        names = [catalogue()[f"doctor.{finding.subject}"][code] for finding in doctor.examine()]
    assert max(map(display_width, names)) < 14
    firsts = [line for line in table.splitlines() if line[0] in "✓–✗"]
    for name, line in zip(names, firsts, strict=True):
        assert line[2:].startswith(name)
        assert display_width(line[: len(line) - len(line[2 + len(name) :].lstrip())]) == 16


def test_a_missing_dependency_is_broken_and_the_status_is_1(installed, capsys):
    installed(tqdm="4")
    status, table = run(as_json=False, capsys=capsys)
    assert status == 1
    assert "✗ safetensors   not installed" in table
    assert "→ saving and loading weights needs it: pip install safetensors" in table
    assert "✓ tqdm          4" in table


def test_a_missing_option_is_a_note_with_its_fix(installed):
    installed()
    notes = {finding.subject: finding for finding in doctor.examine() if finding.status == "note"}
    assert {"numba", "matplotlib", "font", "jieba", "sklearn", "cupy", "numba_cuda", "greenlet"} <= notes.keys()
    assert 'pip install "tinygrad-zh[text]"' in notes["sklearn"].fix
    assert 'pip install "tinygrad-zh[plot]"' in notes["matplotlib"].fix
    assert 'pip install "tinygrad-zh[gpu]"' in notes["cupy"].fix
    assert 'pip install "tinygrad-zh[gpu]"' in notes["numba_cuda"].fix
    assert 'pip install "tinygrad-zh[emulate]"' in notes["greenlet"].fix
    assert notes["font"].found == "cannot be checked without matplotlib"


@pytest.mark.parametrize(("font", "status"), [("Noto Sans SC", "ok"), (None, "note")])
def test_the_chinese_font(monkeypatch, installed, font, status):
    installed(matplotlib="3")
    monkeypatch.setattr("tinygrad_zh.plot.chinese_font", lambda: font)
    finding = doctor._font()
    assert finding.status == status
    assert (finding.found == font) == bool(font)
    assert ("fonts-wqy-microhei" in (finding.fix or "")) == (font is None)


@pytest.mark.parametrize("feature", ["AVX512_SKX", "AVX512F", "X86_V4"])
@pytest.mark.parametrize("core", ["Haswell", "Zen"])
def test_a_core_that_hides_avx512_is_noted(monkeypatch, installed, blas, core, feature):
    installed()
    blas("scipy-openblas", "AVX2", feature)
    monkeypatch.setenv("OPENBLAS_CORETYPE", core)
    finding = doctor._blas()
    assert (finding.status, finding.found) == ("note", f"scipy-openblas 1.2, core {core}")
    assert "unset OPENBLAS_CORETYPE" in finding.fix


def test_a_core_that_fits_its_cpu_is_fine(monkeypatch, installed, blas):
    installed()
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    blas("scipy-openblas", "AVX2")
    assert doctor._blas() == ("blas", "scipy-openblas 1.2, core Haswell", "ok", None)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "SkylakeX")
    blas("scipy-openblas", "AVX512_SKX")
    assert doctor._blas() == ("blas", "scipy-openblas 1.2, core SkylakeX", "ok", None)


def test_an_unknown_core_is_not_guessed_from_the_build(monkeypatch, installed, blas):
    installed()
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    blas("scipy-openblas", "AVX512_SKX")
    finding = doctor._blas()
    assert finding.found == "scipy-openblas 1.2"
    assert "pip install threadpoolctl" in finding.fix


def test_threadpoolctl_knows_the_core(monkeypatch, installed, blas):
    installed(threadpoolctl="3")
    threadpoolctl = ModuleType("threadpoolctl")
    threadpoolctl.threadpool_info = lambda: [
        {"internal_api": "openmp"},
        {"internal_api": "openblas", "architecture": "SapphireRapids"},
    ]
    monkeypatch.setitem(sys.modules, "threadpoolctl", threadpoolctl)
    blas("scipy-openblas")
    assert doctor._blas().found == "scipy-openblas 1.2, core SapphireRapids"


def test_another_blas_is_named(blas):
    blas("accelerate")
    assert doctor._blas() == ("blas", "accelerate 1.2", "ok", None)


def test_thread_limits_are_shown(monkeypatch):
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor._threads().found.endswith("  OMP_NUM_THREADS=1")
    monkeypatch.delattr(doctor.os, "sched_getaffinity", raising=False)
    assert "cores usable" in doctor._threads().found


@pytest.mark.parametrize(("layer", "status"), [("omp", "ok"), ("tbb", "ok"), ("workqueue", "note")])
def test_numba_and_what_runs_its_parallel_loops(monkeypatch, installed, layer, status):
    installed(numba="0.68.1")
    monkeypatch.setattr(doctor, "_threading_layer", lambda: (layer, 2))
    finding = doctor._numba()
    assert (finding.found, finding.status) == (f"0.68.1, threading layer {layer}, 2 threads", status)
    assert ("pip install tbb" in (finding.fix or "")) == (layer == "workqueue")


def test_numba_itself_says_its_layer_and_its_threads():
    numba = pytest.importorskip("numba", reason="Numba is not installed")
    layer, threads = doctor._threading_layer()
    assert layer in ("omp", "tbb", "workqueue")
    assert threads == numba.get_num_threads()


def test_a_numba_that_does_not_start_is_a_line_and_no_crash(monkeypatch, installed):
    installed(numba="0.68.1")

    def broken():
        raise ImportError("Numba needs NumPy 2.3\nor less")

    monkeypatch.setattr(doctor, "_threading_layer", broken)
    assert doctor._numba()[1:3] == ("Numba needs NumPy 2.3 or less", "note")


@pytest.fixture
def programs(monkeypatch, tmp_path):
    """Compiled functions are kept in a folder of the test's, where there are none of kernels."""
    monkeypatch.setattr("tinygrad_zh.kernels.warming.folders", list)
    monkeypatch.setattr("tinygrad_zh.program.native.cache.folder", lambda: tmp_path / "kept" / "here")
    return tmp_path / "kept" / "here"


def test_what_is_compiled_is_counted(programs):
    pytest.importorskip("numba", reason="Numba is not installed")
    finding = doctor._compiled()
    assert (finding.found, finding.status) == (f"0 files, 0.0 MB  {programs}", "ok")
    assert "tinygrad-zh warmup" in finding.fix
    (programs / "compiled_1.py").write_bytes(bytes(2_000_000))
    assert doctor._compiled() == ("compiled", f"1 files, 2.0 MB  {programs}", "ok", None)
    assert [path.name for path in programs.iterdir()] == ["compiled_1.py"]


def test_a_folder_where_nothing_can_be_kept_is_noted(programs):
    pytest.importorskip("numba", reason="Numba is not installed")
    programs.parent.write_text("a file, no folder")
    finding = doctor._compiled()
    assert finding.status == "note" and "NUMBA_CACHE_DIR" in finding.fix


def test_kernels_that_do_not_load_are_a_line_and_no_crash(monkeypatch):
    pytest.importorskip("numba", reason="Numba is not installed")

    def broken():
        raise RuntimeError("cannot cache function: no locator\navailable")

    monkeypatch.setattr("tinygrad_zh.kernels.warming.folders", broken)
    finding = doctor._compiled()
    assert finding[1:3] == ("cannot cache function: no locator available", "note")


@pytest.mark.parametrize(("driver", "runtime", "found", "status"), [
    (0, None, "no NVIDIA driver; kernels on CUDA run in the emulator", "note"),
    (0, 12090, "no NVIDIA driver; kernels on CUDA run in the emulator", "note"),
    (13000, None, "the driver knows CUDA up to 13.0", "ok"),
    (13000, 12090, "the driver knows CUDA up to 13.0, CuPy brings 12.9", "ok"),
    (12020, 12090, "the driver knows CUDA up to 12.2, CuPy brings 12.9", "ok"),  # minor versions are compatible
    (12090, 13000, "the driver knows CUDA up to 12.9, CuPy brings 13.0", "note"),
])
def test_cuda_of_the_driver_and_of_cupy(monkeypatch, driver, runtime, found, status):
    monkeypatch.setattr(doctor, "_driver", lambda: driver)
    monkeypatch.setattr(doctor, "_runtime", lambda: runtime)
    finding = doctor._cuda()
    assert (finding.found, finding.status) == (found, status)
    assert ("a CuPy for CUDA 12" in (finding.fix or "")) == (runtime == 13000)


def test_the_driver_is_asked_without_cupy(monkeypatch):
    class Driver:
        @staticmethod
        def cuDriverGetVersion(version):
            version._obj.value = 13000
            return 0

    monkeypatch.setattr(doctor.ctypes, "CDLL", lambda name: Driver)
    assert doctor._driver() == 13000

    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(doctor.ctypes, "CDLL", absent)
    assert doctor._driver() == 0


def test_a_cupy_that_does_not_load_leaves_the_driver_alone(monkeypatch, installed):
    installed(cupy="14")
    monkeypatch.setitem(sys.modules, "cupy", ModuleType("cupy"))
    assert doctor._runtime() is None


def test_nvrtc(monkeypatch):
    library = pytest.importorskip("tinygrad_zh_kernels.offline.library")

    class NVRTC:
        @staticmethod
        def nvrtcVersion(major, minor):
            major._obj.value, minor._obj.value = 12, 9

    monkeypatch.setattr(library, "library", lambda: NVRTC)
    assert doctor._nvrtc() == ("nvrtc", "12.9", "ok", None)

    def missing():
        raise library.MissingCompiler("NVRTC is not installed")

    monkeypatch.setattr(library, "library", missing)
    assert 'pip install "tinygrad-zh[compile]"' in doctor._nvrtc().fix


def test_the_compiler_of_the_emulator(monkeypatch):
    from tinygrad_zh_kernels.emulator import build

    monkeypatch.setattr(build, "compiler", lambda: sys.executable)
    assert doctor._compiler() == ("compiler", f"Python {sys.version.split()[0]}  {sys.executable}", "ok", None)

    def missing():
        raise RuntimeError("g++ is not installed")

    monkeypatch.setattr(build, "compiler", missing)
    finding = doctor._compiler()
    assert finding.status == "note"
    assert "apt-get install g++" in finding.fix


def test_no_gpu_is_one_clear_sentence(monkeypatch):
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    finding = doctor._gpu()
    assert finding.status == "note"
    assert finding.found == "no NVIDIA GPU (nvidia-smi was not found); everything runs on the CPU"


def test_a_gpu_is_named_with_its_driver(nvidia_smi):
    nvidia_smi(0, "NVIDIA H100, 81559 MiB, 580.1\nNVIDIA H100, 81559 MiB, 580.1\n")
    assert doctor._gpu().found == "NVIDIA H100, 81559 MiB, 580.1; NVIDIA H100, 81559 MiB, 580.1"


def test_a_driver_that_fails_is_quoted(nvidia_smi):
    nvidia_smi(9, "NVIDIA-SMI has failed because it\ncouldn't communicate with the driver.\n")
    finding = doctor._gpu()
    assert (finding.status, finding.fix) == ("note", "install or update the NVIDIA driver")
    assert "has failed because it couldn't communicate" in finding.found


@pytest.mark.parametrize(("usable", "status"), [(True, "ok"), (False, "note")])
def test_cupy(monkeypatch, installed, usable, status):
    installed(cupy="14")
    cupy = ModuleType("cupy")
    cupy.__version__, cupy.is_available = "14.2.0", lambda: usable
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    finding = doctor._cupy()
    assert finding.status == status
    assert finding.found.startswith("14.2.0")


def test_a_broken_cupy_is_a_line_and_no_crash(monkeypatch, installed):
    installed(cupy="14")
    cupy = ModuleType("cupy")
    cupy.__version__ = "14.2.0"

    def is_available():
        raise RuntimeError("libcudart.so.12:\ncannot open shared object file")

    cupy.is_available = is_available
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    finding = doctor._cupy()
    assert (finding.found, finding.status) == ("libcudart.so.12: cannot open shared object file", "note")


def test_the_cache_folder_is_the_readers_own(monkeypatch, tmp_path):
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path))
    assert doctor._cache().found == str(tmp_path)
