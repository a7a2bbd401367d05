"""Where NVRTC and CUDA's headers are: in NVIDIA's wheels, or installed with CUDA."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from ctypes.util import find_library
from functools import cache
from importlib.util import find_spec
from pathlib import Path


class MissingCompiler(RuntimeError):
    """What compiles CUDA here is not installed; the message says how to install it."""


@cache
def library() -> ctypes.CDLL:
    """libnvrtc. Raises MissingCompiler."""
    for folder in _wheels():
        for path in sorted([*folder.glob("**/libnvrtc.so.*"), *folder.glob("**/nvrtc64_*_0.dll")]):
            if ".alt." not in path.name:
                return ctypes.CDLL(str(path))
    name = find_library("nvrtc")
    if name is None:
        raise MissingCompiler("NVRTC is not installed, which compiles CUDA C without a GPU; "
                              "pip install 'tinygrad-zh[compile]'")
    return ctypes.CDLL(name)


@cache
def headers() -> Path:
    """The folder of cuda_fp16.h. Raises MissingCompiler."""
    installed = (Path(os.environ[name]) for name in ("CUDA_PATH", "CUDA_HOME") if name in os.environ)
    for folder in (*_wheels(), *installed, Path("/usr/local/cuda")):
        for path in sorted(folder.glob("**/include/cuda_fp16.h")):
            return path.parent
    raise MissingCompiler("CUDA's headers are not installed, which float16 needs; pip install 'tinygrad-zh[compile]'")


def _wheels() -> Iterator[Path]:
    """The folders that NVIDIA's wheels share."""
    spec = find_spec("nvidia")
    yield from (Path(folder) for folder in (spec.submodule_search_locations or () if spec else ()))
