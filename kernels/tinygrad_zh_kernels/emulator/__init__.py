"""CUDA C without a GPU: an unchanged .cu file, compiled by g++, on NumPy arrays. CUDA C 的模拟器

Every thread of a block is a fiber, and every access to memory is looked at, so what a GPU lets pass is told in one
sentence, with the line and the thread: an element outside an array, a race, a barrier that is missing or that not all
threads reach, memory that nobody has written, an address that is not aligned, an argument of the wrong type.

    source.py   a .cu file and what it includes -> one text      runtime.cpp  fibers, and the checks of every access
    build.py    g++, and the cache of what it made               report.py    what was found, as a sentence
    module.py   kernels that run on NumPy arrays                 cuda.h       the part of CUDA that kernels find
    trace.py    one thread, statement by statement               parse.py     where a kernel's statements stand
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels.emulator.build import CompileError, library
from tinygrad_zh_kernels.emulator.module import Module, poison
from tinygrad_zh_kernels.emulator.report import KernelError
from tinygrad_zh_kernels.emulator.source import Edit, Unit, read
from tinygrad_zh_kernels.emulator.trace import Place, Step, Thread, Tracer
from tinygrad_zh_kernels.launcher import prelude

__all__ = ["CompileError", "KernelError", "Module", "Step", "Thread", "load", "poison"]

_UNITS: dict[tuple[Path, Edit | None, bool], tuple[Unit, Sequence[Place], list[tuple[int, int]]]] = {}
_MODULES: dict[tuple[str, str], Module] = {}


def load(file: Path, dtype: np.dtype[Any], defines: tuple[str, ...] = (), *, edit: Edit | None = None,
         traced: bool = False) -> Module:
    """A .cu file compiled for a dtype, again only when its text, or a file that it includes, has changed.

    edit: changes its text before; traced: so that one of its threads can be watched. Raises CompileError with g++'s
    words, RuntimeError where there is no g++, KeyError for a dtype that is none of float16, float32 and float64.
    """
    unit, places = _unit(Path(file), edit, traced)
    before = prelude(dtype, defines)
    key = (before, unit.text)
    if key not in _MODULES:
        # An instrumented text is several times as long, and seldom run more than once: it is not optimised.
        more = ("-DEMULATOR_TRACE", "-O0") if traced else ("-O0",) if edit else ()
        _MODULES[key] = Module(unit, library(unit, before, more), places)
    return _MODULES[key]


def _unit(file: Path, edit: Edit | None, traced: bool) -> tuple[Unit, Sequence[Place]]:
    """Read again only what has changed on the disk."""
    if found := _UNITS.get((file, edit, traced)):
        unit, places, stamps = found
        if stamps == _stamps(unit):
            return unit, places
    tracer = Tracer() if traced else None
    unit = read(file, tracer or edit)
    places = tracer.places if tracer else ()
    _UNITS[file, edit, traced] = unit, places, _stamps(unit)
    return unit, places


def _stamps(unit: Unit) -> list[tuple[int, int]]:
    return [(status.st_mtime_ns, status.st_size) for status in (file.stat() for file in unit.files if file.exists())]
