"""Compiled functions are found again by the next process, and never an error where they cannot be kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")
from tinygrad_zh.program.native import cache  # noqa: E402

FOLDER = cache.folder
DOUBLE = ["for i in range(a.size):", "    store(a, i, load(a, i) * factor)"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")  # Numba keeps what it compiled beside the file
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "compiled")
    monkeypatch.setattr(cache, "_modules", {})
    yield tmp_path


def double(text: str = "factor = 2.0") -> Any:
    return cache.module("double", ["a"], DOUBLE, {"factor": text})


def doubled(function: Any) -> list[float]:
    a = np.array([1.0, 2.5])
    function(a)
    return a.tolist()


def test_the_text_is_the_key(own_folder: Path) -> None:
    assert double() is double()
    assert doubled(double()) == [2.0, 5.0]
    assert doubled(double("factor = 3.0")) == [3.0, 7.5]
    assert len(list(own_folder.glob("compiled/*.py"))) == 2


PROGRAM = """
import numba, numpy as np
from pathlib import Path
from tinygrad_zh.program.native import cache
cache.folder = lambda: Path({folder!r})
numba.config.CACHE_DIR = ""
function = cache.module("double", ["a"], {lines}, {{"factor": "factor = 2.0"}})
a = np.array([1.0, 2.5])
function(a)
print(a.tolist(), sum(function.stats.cache_hits.values()))
"""


def test_the_next_process_finds_it(own_folder: Path) -> None:
    program = PROGRAM.format(lines=DOUBLE, folder=str(own_folder))
    told = [subprocess.run([sys.executable, "-c", program], check=True, text=True, capture_output=True).stdout
            for _ in range(2)]
    assert told == ["[2.0, 5.0] 0\n", "[2.0, 5.0] 1\n"]


def test_another_version_compiles_anew(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double()
    monkeypatch.setattr(cache, "_modules", {})
    monkeypatch.setattr(cache, "_versions", lambda: "another")
    double()
    assert len(list(own_folder.glob("compiled/*.py"))) == 2


@pytest.mark.parametrize("harm", ["a file where the folder should be", "another text", "half of what Numba kept"])
def test_what_cannot_be_kept_is_compiled(harm: str, own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if harm.startswith("a file"):
        (own_folder / "compiled").write_text("")
    else:
        doubled(double())
        kept = own_folder.rglob("*.py" if harm.startswith("another") else "*.nb*")
        for file in list(kept):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        monkeypatch.setattr(cache, "_modules", {})
    assert doubled(double()) == [2.0, 5.0]


def test_a_full_disk_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    function = double()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(function._cache._cache_file, "save", full)
    assert doubled(function) == [2.0, 5.0]


def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path / "ours"))
    assert FOLDER() == tmp_path / "ours" / "compiled"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numbas"))
    assert FOLDER() == tmp_path / "numbas" / "tinygrad_zh"
