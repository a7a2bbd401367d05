"""`tinygrad-zh doctor`: what this machine has, what is missing, and the fix for each. 环境检查

It reads versions from the packages' metadata and imports only what it must ask, so that a broken optional
library is a line of the report and not a crash.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_zh._version import __version__
from tinygrad_zh.i18n import language, pad, text


class Finding(NamedTuple):
    """One line of the report: a subject, what was found, its status, and the fix if there is one."""

    subject: str
    found: str
    status: str = "ok"
    """ok; note: could be better, but what is there works; broken: the package needs it."""
    fix: str | None = None


_MARKS = {"ok": "✓", "note": "–", "broken": "✗"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=text("cli.json.help"))


def run(arguments: argparse.Namespace) -> int:
    """Print the report; 1 if something that the package needs is broken, else 0."""
    findings = list(examine())
    print(_as_json(findings) if arguments.json else _as_table(findings))
    return int(any(finding.status == "broken" for finding in findings))


def examine() -> Iterator[Finding]:
    """Every finding about this machine, in the order of the report. 检查这台机器"""
    yield Finding("tinygrad_zh", f"{__version__}  {Path(__file__).parent}")
    yield Finding("python", f"{platform.python_version()}  {sys.executable}")
    yield Finding("system", f"{platform.system()} {platform.machine()}")
    yield Finding("language", language())
    yield _package("numpy", needed=True)
    yield _blas()
    yield _threads()
    yield _package("safetensors", needed=True)
    yield _package("tqdm", needed=True)
    yield _numba()
    yield _package("matplotlib", needed=False)
    yield _font()
    yield _package("jieba", needed=False)
    yield _package("sklearn", needed=False, distribution="scikit-learn")
    yield _package("mpmath", needed=False)
    yield _gpu()
    yield _cuda()
    yield _cupy()
    yield _package("numba_cuda", needed=False, distribution="numba-cuda")
    yield _nvrtc()
    yield _compiler()
    yield _package("greenlet", needed=False)
    yield _cache()
    yield _compiled()


def _package(name: str, *, needed: bool, distribution: str | None = None) -> Finding:
    if version := _version(distribution or name):
        return Finding(name, version)
    status = "broken" if needed else "note"
    return Finding(name, text("doctor.absent"), status, text(f"doctor.{name}.fix"))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> Finding:
    import numpy as np

    configuration: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
    library = configuration["Build Dependencies"]["blas"]
    name = f"{library['name']} {library['version']}"
    if "openblas" not in name:
        return Finding("blas", name)
    core = _openblas_core()
    if core is None:
        return Finding("blas", name, "note", text("doctor.blas.unknown_core"))
    # Named by hand, such a core runs AVX2 code; GEMM in AVX-512 is about twice as fast.
    found = text("doctor.blas.core", library=name, core=core)
    if core.lower() in ("haswell", "zen") and _has_avx512(configuration):
        return Finding("blas", found, "note", text("doctor.blas.hidden", core=core))
    return Finding("blas", found)


def _openblas_core() -> str | None:
    """The core that OpenBLAS chose when it was loaded. Its build configuration names another one."""
    if find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_info

        cores = (pool.get("architecture") for pool in threadpool_info() if pool["internal_api"] == "openblas")
        return next(cores, None)
    return os.environ.get("OPENBLAS_CORETYPE")


def _has_avx512(configuration: dict[str, Any]) -> bool:
    simd = configuration.get("SIMD Extensions", {})
    features = [*simd.get("baseline", ()), *simd.get("found", ())]
    return any(feature == "X86_V4" or feature.startswith("AVX512") for feature in features)


def _threads() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    limits = "".join(f"  {name}={os.environ[name]}" for name in variables if name in os.environ)
    return Finding("threads", text("doctor.cores", usable=usable, cores=os.cpu_count()) + limits)


def _numba() -> Finding:
    version = _version("numba")
    if version is None:
        return Finding("numba", text("doctor.absent"), "note", text("doctor.numba.fix"))
    try:
        layer, threads = _threading_layer()
    except Exception as error:  # a Numba that does not fit its llvmlite or NumPy may raise anything
        return Finding("numba", " ".join(str(error).split()), "note", text("doctor.numba.fix"))
    found = text("doctor.numba.found", version=version, layer=layer, threads=threads)
    if layer == "workqueue":
        return Finding("numba", found, "note", text("doctor.numba.workqueue"))
    return Finding("numba", found)


def _threading_layer() -> tuple[str, int]:
    """What runs Numba's parallel loops, chosen when its threads are started, and how many there are."""
    import numba
    from numba.np.ufunc.parallel import _launch_threads

    _launch_threads()
    return numba.threading_layer(), numba.get_num_threads()


def _font() -> Finding:
    if find_spec("matplotlib") is None:
        return Finding("font", text("doctor.font.unknown"), "note", text("doctor.matplotlib.fix"))
    from tinygrad_zh.plot import chinese_font

    if font := chinese_font():
        return Finding("font", font)
    return Finding("font", text("doctor.absent"), "note", text("doctor.font.fix"))


def _gpu() -> Finding:
    if shutil.which("nvidia-smi") is None:
        return Finding("gpu", text("doctor.gpu.absent"), "note")
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, timeout=30, check=False)
    if answer.returncode != 0 or not answer.stdout.strip():
        problem = " ".join((answer.stderr or answer.stdout).split())
        return Finding("gpu", text("doctor.gpu.failed", problem=problem), "note", text("doctor.gpu.fix"))
    return Finding("gpu", "; ".join(answer.stdout.strip().splitlines()))


def _cuda() -> Finding:
    driver, runtime = _driver(), _runtime()
    if not driver:
        return Finding("cuda", text("doctor.cuda.absent"), "note")
    if runtime is None:
        return Finding("cuda", text("doctor.cuda.driver", driver=_dotted(driver)))
    found = text("doctor.cuda.both", driver=_dotted(driver), runtime=_dotted(runtime))
    if driver // 1000 < runtime // 1000:
        return Finding("cuda", found, "note", text("doctor.cuda.fix", major=driver // 1000))
    return Finding("cuda", found)


def _driver() -> int:
    """The newest CUDA that the NVIDIA driver knows, as 13000; 0 without a driver. No CuPy is needed to ask."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0
    version = ctypes.c_int()
    return 0 if driver.cuDriverGetVersion(ctypes.byref(version)) else version.value


def _runtime() -> int | None:
    """The CUDA that CuPy was built for, as 12090."""
    if find_spec("cupy") is None:
        return None
    try:
        import cupy

        return int(cupy.cuda.runtime.runtimeGetVersion())
    except Exception:  # the line about CuPy says which
        return None


def _dotted(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _cupy() -> Finding:
    if find_spec("cupy") is None:
        return Finding("cupy", text("doctor.absent"), "note", text("doctor.cupy.fix"))
    try:
        import cupy

        version, usable = cupy.__version__, cupy.is_available()
    except Exception as error:  # a CuPy that does not fit its driver or toolkit may raise anything
        return Finding("cupy", " ".join(str(error).split()), "note", text("doctor.cupy.fix"))
    if usable:
        return Finding("cupy", version)
    return Finding("cupy", text("doctor.cupy.idle", version=version), "note", text("doctor.gpu.fix"))


def _nvrtc() -> Finding:
    from tinygrad_zh_kernels.offline.library import library

    try:
        nvrtc = library()
    except (RuntimeError, OSError):
        return Finding("nvrtc", text("doctor.absent"), "note", text("doctor.nvrtc.fix"))
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvrtc.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return Finding("nvrtc", f"{major.value}.{minor.value}")


def _compiler() -> Finding:
    from tinygrad_zh_kernels.emulator.build import compiler

    try:
        path = compiler()
    except RuntimeError:
        return Finding("compiler", text("doctor.absent"), "note", text("doctor.compiler.fix"))
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    return Finding("compiler", f"{answer.stdout.partition(chr(10))[0]}  {path}")


def _cache() -> Finding:
    from tinygrad_zh.data.download import cache_folder

    return Finding("cache", str(cache_folder()))


def _compiled() -> Finding:
    """What is compiled, and whether more can be kept."""
    if _version("numba") is None:
        return Finding("compiled", text("doctor.absent"), "note", text("doctor.numba.fix"))
    try:
        from tinygrad_zh.program import stored

        kept = stored.stored()
    except Exception as error:  # as of Numba above; or it finds no folder for what it compiles
        return Finding("compiled", " ".join(str(error).split()), "note", text("doctor.compiled.fix"))
    found = text("doctor.compiled.found", files=len(kept.files), size=kept.size / 1e6, folder=kept.programs)
    try:
        stored.writable()
    except OSError:
        return Finding("compiled", found, "note", text("doctor.compiled.fix"))
    return Finding("compiled", found, fix=None if kept.files else text("doctor.compiled.warmup"))


def _as_table(findings: list[Finding]) -> str:
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.status]} {pad(text(f'doctor.{finding.subject}'), 14)}{finding.found}")
        if finding.fix:
            lines.append(f"{'':16}→ {finding.fix}")
    return "\n".join(lines)


def _as_json(findings: list[Finding]) -> str:
    report = {
        subject: {"found": found, "status": status, "fix": fix} for subject, found, status, fix in findings
    }
    return json.dumps(report, ensure_ascii=False, indent=2)
