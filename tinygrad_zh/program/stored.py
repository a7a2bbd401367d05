"""What was compiled and is kept on disk: kernels, by Numba beside their source, and programs of steps. 编译缓存"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tinygrad_zh import disk

KEPT = (".nbi", ".nbc")
"""Numba's index of what it compiled of a function, and the machine code."""


class Stored(NamedTuple):
    """The files, their bytes, and the folders that hold them: of the kernels together, and of the programs."""

    files: list[Path]
    size: int
    kernels: Path | None
    programs: Path


def stored() -> Stored:
    """What there is now. Raises ImportError without Numba. 中文：已编译的内容。"""
    from tinygrad_zh.kernels.warming import folders
    from tinygrad_zh.program.native.cache import folder

    found, programs = folders(), folder()
    files = [file for place in found for file in place.glob("*") if file.suffix in KEPT]
    # Numba's files are in a folder beneath; in one beside where NUMBA_CACHE_DIR holds them all.
    files += [*programs.glob("compiled_*"), *programs.glob("__pycache__/compiled_*")]
    files += [file for file in programs.parent.glob("*/compiled_*") if file.suffix in KEPT]
    kernels = Path(os.path.commonpath(found)) if found else None
    return Stored(files, sum(file.stat().st_size for file in files), kernels, programs)


def clear() -> Stored:
    """Remove all of it, and nothing else; returns what there was. 中文：清除编译缓存。"""
    before = stored()
    for file in before.files:
        file.unlink(missing_ok=True)
    return before


def writable() -> None:
    """Raises OSError where programs cannot be kept, naming the folder."""
    place = stored().programs
    place.mkdir(parents=True, exist_ok=True)
    with disk.whole_file(place / "compiled_nothing") as beside:
        beside.touch()
    (place / "compiled_nothing").unlink()
