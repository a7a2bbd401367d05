"""`tinygrad-zh warmup`: compile now what would be compiled when it is needed first. 预先编译"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import tinygrad_zh
import tinygrad_zh_kernels
from tinygrad_zh import disk
from tinygrad_zh.documents.report import say
from tinygrad_zh.i18n import text
from tinygrad_zh.program import stored
from tinygrad_zh.train.progress import bar

NOTE = "compiled_all.json"
"""Beside the programs: what was compiled when all of it was."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clear", action="store_true", help=text("cli.warmup.clear"))


def run(arguments: argparse.Namespace) -> int:
    """0, or 1 without Numba. What was compiled before an interruption stays, and is not compiled again."""
    try:
        import numba  # noqa: F401
    except ImportError:
        say("warmup.no_numba")
        return 1
    if arguments.clear:
        before = stored.clear()
        say("warmup.cleared", files=len(before.files), size=before.size / 1e6)
        return 0
    _check_folder()
    began, note = time.perf_counter(), stored.stored().programs / NOTE
    key = _key()
    if _all_there(note, key):
        _tell("warmup.there", began)
        return 0
    parts = list(_parts())
    terminal = sys.stderr if sys.stderr.isatty() else None
    shown = None if terminal is None else bar(terminal, len(parts), text("warmup.compiling"))
    if shown is None:
        say("warmup.begins", parts=len(parts))
    try:
        for name, compile_it in parts:
            if shown is not None:
                shown.set_postfix_str(name)
            compile_it()
            if shown is not None:
                shown.update()
    finally:
        if shown is not None:
            shown.close()
    with disk.whole_file(note) as beside:
        beside.write_text(json.dumps({"key": key, "files": sorted(map(str, stored.stored().files))}), encoding="utf-8")
    _tell("warmup.done", began)
    return 0


def _check_folder() -> None:
    """Raises ValueError where programs cannot be kept."""
    try:
        stored.writable()
    except OSError as error:
        raise ValueError(text("warmup.unwritable", folder=stored.stored().programs, reason=error.strerror)) from None


def _parts() -> Iterator[tuple[str, Callable[[], None]]]:
    """(name, what compiles it): every kernel, then the documents' steps."""
    from tinygrad_zh.documents import warming as steps
    from tinygrad_zh.kernels import warming as kernels

    for body in kernels.bodies():
        yield body.kernel.name, partial(kernels.warm, body)
    for training in steps.trainings():
        yield training.system.upper(), partial(steps.warm, training)


def _tell(key: str, began: float) -> None:
    found = stored.stored()
    say(key, files=len(found.files), size=found.size / 1e6, seconds=time.perf_counter() - began,
        kernels=found.kernels, programs=found.programs)


# ---- is all of it there?


def _key() -> str:
    """All on which compiled code depends: the source, by time and size as Numba looks at it, versions, processor."""
    import llvmlite.binding as llvm
    import numba
    import numpy as np

    folders = [Path(str(package.__file__)).parent for package in (tinygrad_zh, tinygrad_zh_kernels)]
    files = [(str(file), status.st_mtime_ns, status.st_size) for folder in folders
             for file in sorted(folder.rglob("*.py")) for status in [file.stat()]]
    known: list[Any] = [files, numba.__version__, np.__version__, sys.version, numba.get_num_threads(),
                        llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()]
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _all_there(note: Path, key: str) -> bool:
    """Whether all was compiled for this source on this machine, and no file is gone since."""
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
        return noted["key"] == key and all(map(os.path.exists, noted["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return False
