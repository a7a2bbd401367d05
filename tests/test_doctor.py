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
    assert {"numba", "matplotlib", "font", "jieba", "sklearn", "cupy"} <= notes.keys()
    assert 'pip install "tinygrad-zh[text]"' in notes["sklearn"].fix
    assert 'pip install "tinygrad-zh[plot]"' in notes["matplotlib"].fix
    assert 'pip install "tinygrad-zh[gpu]"' in notes["cupy"].fix
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
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert doctor._threads().found.endswith("  OMP_NUM_THREADS=1")
    monkeypatch.delattr(doctor.os, "sched_getaffinity", raising=False)
    assert "cores usable" in doctor._threads().found


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
