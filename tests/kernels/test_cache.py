"""Machine code is found again by the next process, and made anew when any source that it was made of has changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")
from numba.core.caching import NullCache  # noqa: E402
from numba.core.dispatcher import Dispatcher  # noqa: E402

import tinygrad_zh_kernels as library  # noqa: E402
from tinygrad_zh_kernels import blas, cache  # noqa: E402
from tinygrad_zh_kernels.vector_math import kernel  # noqa: E402

FILES = sorted(path for path in cache.HERE.rglob("*.py"))


def imports(file: Path) -> set[Path]:
    """The files of the package that a file imports at its top, by Python's own parser."""
    found = {cache.HERE / "__init__.py"}
    for line in ast.parse(file.read_bytes()).body:
        names = []
        if isinstance(line, ast.ImportFrom):
            names = [str(line.module), *(f"{line.module}.{name.name}" for name in line.names)]
        elif isinstance(line, ast.Import):
            names = [name.name for name in line.names]
        for name in names:
            if name.split(".")[0] == cache.HERE.name:
                place = cache.HERE.joinpath(*name.split(".")[1:])
                found |= {path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(cache.HERE).as_posix())
def test_all_that_a_file_imports_is_found(file: Path) -> None:
    assert cache.imported(file) == imports(file)


def test_the_imports_of_imports_are_found() -> None:
    names = {path.relative_to(cache.HERE).as_posix() for path in cache.sources(cache.HERE / "attention" / "cpu.py")}
    assert {"blas.py", "tiled.py", "microkernel.py", "vector_math.py", "attention/__init__.py"} <= names
    assert "softmax/cpu.py" not in names


def test_everything_compiled_here_is_kept_so() -> None:
    for each in library.kernels().values():
        library.bodies(each)
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("tinygrad_zh_kernels.")]
    kept = {value.py_func: value._cache for module in modules for value in vars(module).values()
            if isinstance(value, Dispatcher)} | {function.__wrapped__: function._cache
                                                 for function in blas._kept.values()}
    assert sum(isinstance(each, cache.Cache) for each in kept.values()) > 50
    assert not [function for function, each in kept.items() if not isinstance(each, (cache.Cache, NullCache))]


HELPER = """
from numba import njit


@njit
def helped(x):
    return {factor} * x
"""
CALLER = """
from tinygrad_zh_kernels.helper import helped
from tinygrad_zh_kernels.vector_math import kernel


@kernel
def called(x):
    return helped(x)
"""
PROGRAM = """
from numba import float64
from numba.core.ccallback import CFunc
from tinygrad_zh_kernels.cache import keep
from tinygrad_zh_kernels.caller import called

in_c = keep(CFunc(called.py_func, ((float64,), float64), {}, {}))
in_c.compile()
print(called(2.0), in_c.ctypes(2.0), sum(called.stats.cache_hits.values()), in_c.cache_hits)
"""


def test_a_change_in_another_file_is_compiled(tmp_path: Path) -> None:
    package = tmp_path / cache.HERE.name
    package.mkdir()
    for file in cache.HERE.glob("*.py"):
        shutil.copy(file, package)
    (package / "caller.py").write_text(CALLER)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": ""}
    told, held = [], []
    for factor in (3, 3, 17):  # longer: Python compiles a file anew if its length or its second is another
        (package / "helper.py").write_text(HELPER.format(factor=factor))
        told.append(subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, text=True,
                                   capture_output=True).stdout)
        held.append({path.name for path in tmp_path.rglob("caller.*.nb?")})
    assert told == ["6.0 6.0 0 0\n", "6.0 6.0 1 1\n", "34.0 34.0 0 0\n"]
    assert held[0] and held[0] == held[1] == held[2], "what is stale is written over"


def doubled(x):
    return 2 * x


def test_without_a_folder_it_is_compiled_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_LOCATOR_CLASSES", "UserProvidedCacheLocator")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    function = kernel(doubled)
    assert function(2.0) == 4.0 and function.stats.cache_path is None


def test_a_full_disk_and_half_a_file_are_no_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    function = kernel(doubled)
    monkeypatch.setattr(function._cache._cache_file, "save", full)
    assert function(2.0) == 4.0 and not list(tmp_path.rglob("*.nbc"))
    assert kernel(doubled)(2.0) == 4.0
    for file in tmp_path.rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert kernel(doubled)(2.0) == 4.0
