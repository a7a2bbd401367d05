"""Machine code on disk, used again only while every source that it was made of is the same. 编译缓存

What a compiled function calls in other files is compiled into it. But Numba looks at one file alone, the one that the
function stands in, so after a change in another it would go on running what it made before. Here the machine code says
what it was made of: a digest of the function's file and of all files of this package that it imports, directly or not.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numpy as np
from numba.core.caching import CompileResultCacheImpl, FunctionCache

HERE = Path(__file__).parent

_IMPORT = re.compile(rb"^(?:from|import) tinygrad_zh_kernels\b([\w.]*)(?: import (\([^)]*\)|.*))?", re.MULTILINE)


@cache
def imported(file: Path) -> frozenset[Path]:
    """The files of this package that a file imports: modules, and packages of which it imports something."""
    found = {HERE / "__init__.py"}
    for module, names in _IMPORT.findall(file.read_bytes()):
        place = HERE.joinpath(*module.decode().split(".")[1:])
        within = re.findall(r"\w+", names.decode()) if place.is_dir() else []
        for path in (place, *(place / name for name in within)):
            found |= {each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file()}
    return frozenset(found)


@cache
def sources(file: Path) -> frozenset[Path]:
    """A file, and all files of this package on which it depends. 中文：一个文件依赖的全部源文件。"""
    found, new = {file}, {file}
    while new:
        new = {each for path in new for each in imported(path)} - found
        found |= new
    return frozenset(found)


@cache
def made_of(file: Path) -> str:
    """A digest of all sources of a file, and of the libraries that are compiled into its functions too."""
    contents = [each.read_bytes() for each in sorted(sources(file))]
    versions = f"numpy {np.__version__} llvmlite {llvmlite.__version__}"  # Numba's own it looks at itself
    return hashlib.sha256(b"\0".join([versions.encode(), *contents])).hexdigest()


class _Result(CompileResultCacheImpl):
    """What is kept of a function, with what it was made of."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        self.made_of = made_of(Path(function.__code__.co_filename))

    def reduce(self, compiled: Any) -> Any:
        return self.made_of, super().reduce(compiled)

    def rebuild(self, target: Any, kept: Any) -> Any:
        before, compiled = kept
        if before != self.made_of:
            return None
        result = super().rebuild(target, compiled)
        # Threads are to be started before code that shares work is loaded. Numba tells that to whoever is compiled with
        # a function that it has just compiled, and forgets it of one that it has read.
        result.library._reload_init.update(result.reload_init)
        return result


class Cache(FunctionCache):
    """Numba's cache of a function. A file that cannot be read or written means to compile, and is no error."""

    _impl_class = _Result

    def load_overload(self, signature: Any, target: Any) -> Any:
        try:
            return super().load_overload(signature, target)
        except Exception:  # half a file, or one of another version: whatever unpickling raises
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        with suppress(OSError):
            super().save_overload(signature, compiled)


def keep(function: Any) -> Any:
    """Have what Numba compiles of its function kept on disk, if that has a file and there is a folder; returns it."""
    with suppress(RuntimeError, OSError):  # a RuntimeError is Numba's for no such folder
        function._cache = Cache(function.__wrapped__)
    return function
