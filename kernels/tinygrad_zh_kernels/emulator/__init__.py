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

from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels.emulator.build import CompileError, library
from tinygrad_zh_kernels.emulator.module import Module, poison
from tinygrad_zh_kernels.emulator.report import KernelError
from tinygrad_zh_kernels.emulator.source import Edit, read
from tinygrad_zh_kernels.emulator.trace import Step, Thread, Tracer

__all__ = ["CompileError", "KernelError", "Module", "Step", "Thread", "load", "poison"]

_TYPES = {"float16": ("T=__half", "A=float", "T_IS_HALF"), "float32": ("T=float", "A=float"),
          "float64": ("T=double", "A=double")}
_MODULES: dict[tuple[str, tuple[str, ...]], Module] = {}


def load(file: Path, dtype: np.dtype[Any], defines: tuple[str, ...] = (), *, edit: Edit | None = None,
         traced: bool = False) -> Module:
    """A .cu file compiled for a dtype, again only when its text, or a file that it includes, has changed.

    traced: so that one of its threads can be watched. Raises CompileError with g++'s words, RuntimeError where there
    is no g++, ValueError for a dtype that is none of float16, float32 and float64.
    """
    if dtype.name not in _TYPES:
        raise ValueError(f"kernels are compiled for {', '.join(_TYPES)}, not for {dtype}")
    tracer = Tracer() if traced else None
    unit = read(Path(file), tracer or edit)
    key = (unit.text, (*_TYPES[dtype.name], *defines))
    if key not in _MODULES:
        _MODULES[key] = Module(unit, library(unit, key[1], traced=traced), tracer.places if tracer else ())
    return _MODULES[key]
