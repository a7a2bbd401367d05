"""Compiling with g++, once: what comes out is kept in the user's cache folder, under a hash of all that went in."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from tinygrad_zh_kernels.emulator.source import Unit

HERE = Path(__file__).parent
HEADERS = ("cuda.h", "cuda_fp16.h", "runtime.h", "trace.h")
COMPILER = ("-std=c++17", "-gdwarf-4", "-fPIC", "-fvisibility=hidden", "-w", f"-I{HERE}")
# The sanitizers only make g++ call the runtime: at every access, bound, division and basic block. A variable that is
# never initialised gets a pattern that spoils any result.
WATCHED = ("-O1", "-fsanitize=thread,bounds,alignment,integer-divide-by-zero", "-fsanitize-coverage=trace-pc",
           "-ftrivial-auto-var-init=pattern", "-fno-strict-aliasing")


class CompileError(RuntimeError):
    """g++ refused a .cu file; the message is g++'s own."""


def library(unit: Unit, prelude: str, more: tuple[str, ...] = ()) -> Path:
    """The shared library of a unit. prelude: what stands before its text; more: options for g++.

    Raises CompileError, and RuntimeError where there is no g++.
    """
    exports = [f"EMULATOR_KERNEL({kernel.name}, {kernel.bounds})" for kernel in unit.kernels.values()]
    text = "\n".join(['#include "cuda.h"', prelude, unit.text, '#line 1 "exports"', *exports, ""])
    options = (*COMPILER, *WATCHED, *more)
    runtime = _runtime()
    target = folder() / f"{unit.file.stem}-{_key(text, *options, runtime.name, _headers())}.so"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            source, compiled, linked = (Path(work) / f"unit.{kind}" for kind in ("cpp", "o", "so"))
            source.write_text(text, encoding="utf-8")
            _compile(*options, "-c", str(source), "-o", str(compiled))
            _compile("-shared", str(compiled), str(runtime), "-o", str(linked))
            os.replace(linked, target)
    return target


@cache
def folder() -> Path:
    """Where libraries are kept: TINYGRAD_ZH_CACHE, else the platform's cache folder, else a temporary one."""
    base = os.environ.get("TINYGRAD_ZH_CACHE")
    if base is None:
        home = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
        base = os.path.join(os.environ.get("XDG_CACHE_HOME") or home, "tinygrad-zh")
    found = Path(base) / "emulator"
    try:
        found.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=found).close()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="tinygrad-zh-emulator-"))
    return found


@cache
def compiler() -> str:
    """The path of g++. Raises RuntimeError that says how to get it."""
    found = shutil.which(os.environ.get("CXX") or "g++")
    if found is None:
        raise RuntimeError("the emulator of CUDA C compiles kernels with g++, which is not installed: "
                           "`apt install g++` (Debian, Ubuntu) or `dnf install gcc-c++` (Fedora) brings it")
    return found


@cache
def _runtime() -> Path:
    """The runtime's object file: compiled once, without sanitizers, for all kernels."""
    source = HERE / "runtime.cpp"
    options = (*COMPILER, "-O2")
    target = folder() / f"runtime-{_key(source.read_text(encoding='utf-8'), *options, _headers())}.o"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=target.parent) as work:
            compiled = Path(work) / "runtime.o"
            _compile(*options, "-c", str(source), "-o", str(compiled))
            os.replace(compiled, target)
    return target


def _compile(*arguments: str) -> None:
    done = subprocess.run([compiler(), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise CompileError(done.stderr.strip())


@cache
def _headers() -> str:
    return "".join((HERE / header).read_text(encoding="utf-8") for header in HEADERS)


def _key(*parts: str) -> str:
    status = os.stat(compiler())
    whole = "\0".join((*parts, compiler(), str(status.st_mtime_ns), str(status.st_size)))
    return hashlib.sha256(whole.encode()).hexdigest()[:20]
