"""Compiling before it is needed: every Numba body for the CPU, as the engine calls it. 预先编译

Numba compiles a function at its first call with arrays of a kind, and keeps it on disk: beside the source file, where
that folder can be written to, else in the user's cache folder, or in NUMBA_CACHE_DIR.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.device import freeze
from tinygrad_zh.kernels.checking import calls
from tinygrad_zh_kernels import Arguments, Body, Kernel

NAME = "numba"
"""The bodies that are used; first attempts are compiled by whoever wants to see them."""

LARGE = 300_000
"""Numbers in a call's arguments above which every body shares its work out."""


def bodies() -> list[Body]:
    """The bodies that `warm` compiles. Raises ImportError without Numba."""
    import numba  # noqa: F401  without it there would be no bodies, and nothing said

    every = [library.bodies(kernel).get(NAME) for kernel in library.kernels().values()]
    return [body for body in every if body is not None and body.device == "cpu"]


def warm(body: Body) -> None:
    """Compile a body for every dtype and kind of arguments in its contract; from the disk where that was done before.
    中文：预先编译一个计算核。"""
    for dtype in body.dtypes:
        for make in _calls(body.kernel):
            arrays, keywords = make(np.random.default_rng(0), np.dtype(dtype))
            # The engine's arrays are read-only, which to Numba is another type.
            frozen = tuple(x if isinstance(x, tuple) else freeze(x) for x in arrays)
            if body.accepts(*frozen, **keywords):
                with np.errstate(all="ignore"):
                    body.run(None, Arguments(frozen, keywords))


def _calls(kernel: Kernel) -> Iterator[Any]:
    """Those that a body is checked on, and where there are several threads one that is large enough for all of them."""
    import numba

    yield from (make for _, make in calls(kernel))
    if numba.get_num_threads() > 1:
        yield lambda rng, dtype: _large(kernel, rng, dtype)


def _large(kernel: Kernel, rng: np.random.Generator, dtype: np.dtype[Any]) -> Arguments:
    """The smallest of the benchmark's calls that no body leaves to one thread."""
    sizes = (kernel.arguments(rng, dtype, size) for size in kernel.sizes)
    return next(call for call in sizes if sum(getattr(x, "size", 0) for x in call.arrays) > LARGE)


def folders() -> list[Path]:
    """Where Numba keeps what it compiled of the bodies; only theirs is kept there. 中文：编译结果所在的文件夹。"""
    from numba.core.dispatcher import Dispatcher

    bodies()
    ours = [module for name, module in list(sys.modules.items()) if name.startswith("tinygrad_zh_kernels.")]
    paths = {value.stats.cache_path for module in ours for value in vars(module).values()
             if isinstance(value, Dispatcher)}
    return sorted(Path(path) for path in paths if path is not None)
