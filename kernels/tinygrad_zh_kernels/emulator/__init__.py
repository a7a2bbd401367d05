"""CUDA C without a GPU: an unchanged .cu file, compiled by g++, on NumPy arrays. CUDA C 的模拟器

Every thread of a block is a fiber, and every access to memory is looked at, so what a GPU lets pass is told in one
sentence, with the line and the thread: an element outside an array, a race, a barrier that is missing or that not all
threads reach, memory that nobody has written, an address that is not aligned, an argument of the wrong type.

    source.py   a .cu file and what it includes -> one text      runtime.cpp  fibers, and the checks of every access
    build.py    g++, and the cache of what it made               report.py    what was found, as a sentence
    module.py   kernels that run on NumPy arrays                 cuda.h       the part of CUDA that kernels find
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh_kernels.emulator.build import CompileError, library
from tinygrad_zh_kernels.emulator.module import Module, poison
from tinygrad_zh_kernels.emulator.report import KernelError
from tinygrad_zh_kernels.emulator.source import Edit, read

__all__ = ["CompileError", "KernelError", "Module", "load", "poison"]

_TYPES = {"float16": ("T=__half", "A=float", "T_IS_HALF"), "float32": ("T=float", "A=float"),
          "float64": ("T=double", "A=double")}


def load(file: Path, dtype: np.dtype[Any], defines: tuple[str, ...] = (), edit: Edit | None = None) -> Module:
    """A .cu file compiled for a dtype, again only when its text, or a file that it includes, has changed.

    Raises CompileError with g++'s words, RuntimeError where there is no g++, ValueError for a dtype that is none of
    float16, float32 and float64.
    """
    if dtype.name not in _TYPES:
        raise ValueError(f"kernels are compiled for {', '.join(_TYPES)}, not for {dtype}")
    unit = read(Path(file), edit)
    return _module(unit.text, str(file), (*_TYPES[dtype.name], *defines), edit)


@cache
def _module(text: str, file: str, defines: tuple[str, ...], edit: Edit | None) -> Module:
    unit = read(Path(file), edit)
    return Module(unit, library(unit, defines))
