"""`tinygrad-zh unroll`: a system's first step, or a program of one's own, as a NumPy program. 展开为 NumPy 程序"""

from __future__ import annotations

import argparse
import sys
import traceback
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path

from tinygrad_zh.core import Tape
from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.documents.script import opened_function, record_script
from tinygrad_zh.i18n import language, text
from tinygrad_zh.program import Unrolled, unroll
from tinygrad_zh.program.unrolling import STYLES, unroll_system, unroll_tape


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="s6", metavar="s6|FILE.py[:function]",
                        help=text("cli.unroll.what", systems=", ".join(SYSTEMS)))
    parser.add_argument("--out", type=Path, metavar="FILE.py", help=text("cli.unroll.out"))
    parser.add_argument("--style", choices=tuple(STYLES), default="numpy", help=text("cli.unroll.style"))
    parser.set_defaults(passed_on=[])  # what stands behind "--"


def run(arguments: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr):  # what the user's program prints is no part of ours
        program = _unrolled(arguments.what, arguments.passed_on, arguments.style)
    if arguments.out is not None:
        program.save(arguments.out)
        print(text("train.written", files=arguments.out))
    elif sys.stdout.isatty():
        _show(program)
    else:
        print(program, end="")
    return 0


def _unrolled(what: str, words: list[str], style: str) -> Unrolled:
    if what in SYSTEMS:
        step = import_module(SYSTEMS[what]).first_step()
        return unroll_system(step, what.upper(), text(f"system.{what}"), language(), style)
    file, _, function = what.rpartition(":")
    if not function.isidentifier() or not file:
        file, function = what, ""
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(text("cli.unroll.unknown", what=what, systems=", ".join(SYSTEMS)))
    return _function(path, function, words, style) if function else _script(path, words, style)


def _function(path: Path, name: str, words: list[str], style: str) -> Unrolled:
    try:
        with opened_function(path, name, words) as function:
            return unroll(function, lang=language(), style=style)
    except (ValueError, OSError, ImportError):
        raise
    except Exception as error:
        raise ValueError(_told(path, error)) from error


def _script(path: Path, words: list[str], style: str) -> Unrolled:
    """The first step of training of a whole program."""
    recorded = record_script(path, words)
    tape: Tape = recorded.trace
    if not tape.of("forward"):
        if isinstance(recorded.ended, Exception):
            raise ValueError(_told(path, recorded.ended)) from recorded.ended
        raise ValueError(text("cli.unroll.nothing", what=path))
    if isinstance(recorded.ended, Exception):
        print(_told(path, recorded.ended), file=sys.stderr)
    return unroll_tape(tape, path.name, lang=language(), style=style)


def _told(path: Path, error: Exception) -> str:
    own = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    words = " ".join(traceback.format_exception_only(error)[-1].split())
    return text("cli.step.raised", path=path, line=own[-1] if own else "?", error=words)


def _show(program: Unrolled) -> None:
    """On a terminal, what there is to read."""
    readable, heading, packed = program.source.partition(f"\n# ---- {text('unroll.section.stored')}")
    print(readable, end="")
    if heading:
        print("\n" + text("cli.unroll.cut", kilobytes=len(packed) >> 10), file=sys.stderr)
