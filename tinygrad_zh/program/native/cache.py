"""Compiled functions from text, found again by the next process. 编译结果的磁盘缓存

Numba keeps what it compiled beside the file that the function stands in. So the text becomes a file, in a folder of the
user's, named by what it says and by what it imports of this package. What it imports of the kernels their cache knows.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numba

from tinygrad_zh import disk
from tinygrad_zh._version import __version__
from tinygrad_zh.data.download import cache_folder
from tinygrad_zh.program.native import instructions, memory
from tinygrad_zh_kernels.cache import made_of

_HEADER = '''"""Written by tinygrad_zh: the loops of a compiled program."""

import math
from math import inf, nan

import numpy as np
from numba import boolean, float32, float64, int8, int16, int32, int64, njit, uint8, uint16, uint32

from tinygrad_zh.program.native.instructions import (
    add, arrays_do_not_overlap, counted, larger, load, matrix, multiply, sign, smaller, store)
from tinygrad_zh_kernels.blas import gemm, gemm_shared
from tinygrad_zh_kernels.threads import share, task
from tinygrad_zh_kernels.vector_math import (
    SAFE, exp, kernel, log, log1p, maximum, minimum, select, tanh, use_widest_vectors)

loops = kernel(cache=False, fastmath=SAFE, no_cpython_wrapper=True, no_cfunc_wrapper=True)
'''

_modules: dict[str, ModuleType] = {}


def module(name: str, parameters: Sequence[str], lines: Sequence[str],
           definitions: Mapping[str, str], *, nogil: bool = True) -> Callable[..., Any]:
    """The compiled function `name(*parameters)` whose body is these lines.

    definitions: what stands above it, texts by name: functions that the lines call, or imports. Compiled at the first
    call, cached on disk by what the text says. Equal text gives the same function. nogil: whether other threads of
    Python's run meanwhile.
    """
    body = "\n".join(f"    {line}" for line in lines) or "    pass"
    function = f"@kernel(cache=CACHED, nogil={nogil})\ndef {name}({', '.join(parameters)}):\n{body}\n"
    text = "\n\n".join([_HEADER, *definitions.values(), function])
    key = hashlib.sha256(f"{_versions()}\n{text}".encode()).hexdigest()[:24]
    if key not in _modules:
        _modules[key] = _loaded(f"compiled_{key}", text)
    return getattr(_modules[key], name)


@cache
def _versions() -> str:
    """All on which the machine code depends besides the text, its kernels and the processor, which the cache knows."""
    sources = [made_of(Path(str(module.__file__))) for module in (instructions, memory)]
    return f"{__version__} {sources} numba {numba.__version__} python {sys.version}"


def folder() -> Path:
    """Where the files are: NUMBA_CACHE_DIR if it is set, else beside the data sets that were downloaded."""
    chosen = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    return Path(chosen) / "tinygrad_zh" if chosen else cache_folder() / "compiled"


def _loaded(name: str, text: str) -> ModuleType:
    """The module of a text: from a file where one can be written, else without a cache."""
    try:
        path = folder() / f"{name}.py"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with disk.whole_file(path) as beside:
                beside.write_text(_with(text, cached=True), encoding="utf-8")
        elif path.read_text(encoding="utf-8") != _with(text, cached=True):
            raise OSError(f"{path} is not what was written there")
        specification = importlib.util.spec_from_file_location(name, path)
        assert specification is not None and specification.loader is not None
        made = importlib.util.module_from_spec(specification)
        sys.modules[name] = made  # where Numba looks for the function's globals, when it reads what it kept
        specification.loader.exec_module(made)
        return made
    except (OSError, RuntimeError):  # no room, no permission, no home; a RuntimeError is Numba's of the same kind
        made = ModuleType(name)
        exec(compile(_with(text, cached=False), f"<{name}>", "exec"), made.__dict__)
        return made


def _with(text: str, *, cached: bool) -> str:
    return text.replace("CACHED", str(cached))
