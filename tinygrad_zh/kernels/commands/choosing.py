"""What the commands share: which kernels and bodies are meant, a file of the user's, and what launches a body."""

from __future__ import annotations

import argparse
import difflib
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import text
from tinygrad_zh_kernels import Body, Kernel

CPU, EMULATED, CUDA = "cpu", "emulated", "cuda"


def add_names(parser: argparse.ArgumentParser) -> None:
    """NAME…: rooms or kernels."""
    parser.add_argument("names", nargs="*", metavar=text("cli.kernels.name"), help=text("cli.kernels.names"))


def add_file(parser: argparse.ArgumentParser) -> None:
    """--file my.py: bodies of one's own."""
    parser.add_argument("--file", metavar="my.py", help=text("cli.kernels.file"))


def size(word: str) -> tuple[int, ...]:
    """4x10, 4×10 or 4,10 is (4, 10)."""
    return tuple(int(part) for part in re.split("[x×,]", word))


def chosen(names: Sequence[str]) -> list[Kernel]:
    """The kernels of these names: a room's are all of it; without names, all there are.

    Raises ValueError for a name of neither.
    """
    kernels = library.kernels()
    found: dict[str, Kernel] = {}
    for name in names or kernels:
        own = {key: kernel for key, kernel in kernels.items() if name in (key, kernel.room)}
        if not own:
            rooms = dict.fromkeys(kernel.room for kernel in kernels.values())
            near = ", ".join(difflib.get_close_matches(name, [*kernels, *rooms], 3) or rooms)
            raise ValueError(text("kernels.unknown", name=name, near=near))
        found |= own
    return list(found.values())


def body_of(kernel: Kernel, name: str) -> Body:
    """A kernel's body by name. Raises ValueError that lists those it has."""
    bodies = library.bodies(kernel)
    if name not in bodies:
        raise ValueError(text("kernels.no_body", kernel=kernel, body=name, bodies=", ".join(bodies) or "–"))
    return bodies[name]


def load(file: str | None) -> tuple[Body, ...]:
    """The bodies of the user's file, none without one. Raises OSError and ValueError, in one sentence."""
    if file is None:
        return ()
    try:
        return library.load(file)
    except (OSError, ValueError):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ValueError(text("kernels.file_fails", file=file, line=_line(error, file),
                              error=f"{type(error).__name__}: {error}")) from error


def _line(error: BaseException, file: str) -> int | str:
    """The last line of that file that was running."""
    if isinstance(error, SyntaxError):
        return error.lineno or "?"
    here = Path(file).resolve()
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).resolve() == here]
    return lines[-1] if lines and lines[-1] is not None else "?"


def device_for(body: Body, device: str | None) -> str:
    """Where a body runs: where it is asked to, by default on the CPU or in the emulator.

    Raises ValueError for a device that it does not run on.
    """
    possible = (CPU,) if body.device == CPU else (EMULATED, CUDA)
    if device is None:
        return possible[0]
    if device not in possible:
        raise ValueError(text("kernels.no_device", body=body, device=device, devices=", ".join(possible)))
    return device


@contextmanager
def one_sentence() -> Iterator[None]:
    """What is wrong with a kernel, or with what compiles it, is said without a traceback."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ValueError(text("kernels.library", library=error.name)) from error
    except (ImportError, RuntimeError) as error:
        raise ValueError(str(error)) from error


def cannot_run(error: Exception) -> str | None:
    """Why a body on CUDA cannot be emulated here, if that is what an error came from: no greenlet, or no g++."""
    if isinstance(error, ModuleNotFoundError):
        return text("kernels.library", library=error.name)
    from tinygrad_zh_kernels.emulator.build import compiler

    try:
        compiler()
    except RuntimeError as missing:
        return str(missing) if str(missing) == str(error) else None
    return None


def launcher(device: str, **options: Any) -> Any:
    """What starts kernels there; None on the CPU. Raises ValueError, in one sentence, where that cannot be had."""
    with one_sentence():
        if device == EMULATED:
            from tinygrad_zh_kernels.emulated import EmulatedLauncher

            return EmulatedLauncher(**options)
        if device == CUDA:
            from tinygrad_zh_kernels.gpu import launcher as gpu

            return gpu()
        return None
