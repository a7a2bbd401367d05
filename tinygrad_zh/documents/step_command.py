"""`tinygrad-zh step`: step through a system, a program of one's own, or a saved trace."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.documents.script import MEMORY, STEPS, Enough, Recorded, record_function, record_script
from tinygrad_zh.i18n import text
from tinygrad_zh.stepper import Document, Trace, load, record

PACKAGE = str(Path(__file__).parents[1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", default="s6", metavar="s6|FILE.py[:function]|trace.json",
                        help=text("cli.step.what", systems=", ".join(SYSTEMS)))
    parser.add_argument("--text", nargs="?", const="all", metavar="STEP", help=text("cli.step.text"))
    parser.add_argument("--html", type=Path, metavar="OUT.html", help=text("cli.step.html"))
    parser.add_argument("--json", type=Path, metavar="OUT.json", help=text("cli.step.json"))
    parser.add_argument("--at", type=int, metavar="STEP", help=text("cli.step.at"))
    parser.add_argument("--values", choices=("auto", "full"), default="auto", help=text("cli.step.values"))
    parser.add_argument("--steps", type=int, default=STEPS, metavar="N",
                        help=text("cli.step.steps", steps=f"{STEPS:,}"))
    parser.set_defaults(passed_on=[])  # what stands behind "--"


class Opened(NamedTuple):
    """What is stepped through, what is said of it when it was shown, and whether its program failed."""

    document: Document
    notes: tuple[str, ...] = ()
    failed: bool = False


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    document, notes, failed = _open(arguments)
    _show(document, arguments)
    for note in notes:
        print(note, file=sys.stderr)
    return 1 if failed else 0


def _check(arguments: argparse.Namespace) -> None:
    """What can be known to be wrong before a program has run for a while."""
    if arguments.steps < 1:
        raise ValueError(text("cli.step.steps_number", steps=arguments.steps))
    if arguments.text not in (None, "all") and not arguments.text.lstrip("-").isdecimal():
        raise ValueError(text("cli.step.text_number", step=arguments.text))
    for path in (arguments.html, arguments.json):
        if path is not None and not _writable(path.resolve()):
            raise ValueError(text("cli.step.unwritable", path=path))


def _writable(path: Path) -> bool:
    return os.access(path.parent, os.W_OK) and (path.is_file() or not path.exists())


# ---- what to step through


def _open(arguments: argparse.Namespace) -> Opened:
    what = arguments.what
    if what in SYSTEMS:
        return _of_trace(_system(what), arguments)
    if what.endswith(".json"):
        return Opened(load(what).document(arguments.values))
    return _program(what, arguments)


def _system(name: str) -> Trace:
    step = import_module(SYSTEMS[name]).first_step()
    with record(title=name.upper()) as trace:
        step()
    return trace


def _program(what: str, arguments: argparse.Namespace) -> Opened:
    file, _, function = what.rpartition(":")
    if not function.isidentifier() or not file:
        file, function = what, ""
    path = Path(file)
    if path.suffix != ".py" or not path.is_file():
        raise ValueError(text("cli.step.unknown", what=what, systems=", ".join(SYSTEMS)))
    recorded = (record_function(path, function, arguments.passed_on, arguments.steps) if function
                else record_script(path, arguments.passed_on, arguments.steps))
    notes = _notes(path, recorded.ended, arguments.steps)
    if _shows_nothing(recorded):
        why = () if isinstance(recorded.ended, Exception) else (text("cli.step.nothing", what=what),)
        raise ValueError(" ".join(notes + why)) from recorded.ended
    return _of_trace(recorded.trace, arguments)._replace(notes=notes, failed=_failed(recorded.ended))


def _of_trace(trace: Trace, arguments: argparse.Namespace) -> Opened:
    if len(trace) > 2000 and sys.stderr.isatty():
        print(text("cli.step.building", lines=f"{len(trace):,}"), file=sys.stderr, flush=True)
    document = trace.document(arguments.values)
    document.data["meta"]["command"] = shlex.join(["tinygrad-zh", "step", arguments.what])
    return Opened(document)


def _shows_nothing(recorded: Recorded) -> bool:
    """Whether no op ran, and none of the engine's functions refused what it was given either."""
    if any(line.kind not in ("enter", "leave", "read", "error") for line in recorded.trace):
        return False
    frames = traceback.extract_tb(recorded.ended.__traceback__) if recorded.ended is not None else []
    return not recorded.trace or not frames[-1].filename.startswith(PACKAGE)


def _failed(ended: BaseException | None) -> bool:
    if isinstance(ended, SystemExit):
        return ended.code not in (None, 0)
    return not (ended is None or isinstance(ended, Enough))


def _notes(path: Path, ended: BaseException | None, steps: int) -> tuple[str, ...]:
    """How the program ended, where it did not go to its end."""
    if ended is None:
        return ()
    if isinstance(ended, Enough):
        return (text(f"cli.step.enough.{ended}", steps=f"{steps:,}", memory=f"{MEMORY >> 20:,}"),)
    if isinstance(ended, SystemExit):
        return (text("cli.step.exited", code=ended.code),) if _failed(ended) else ()
    own = [frame.lineno for frame in traceback.extract_tb(ended.__traceback__) if frame.filename == str(path)]
    words = " ".join(traceback.format_exception_only(ended)[-1].split())
    return (text("cli.step.raised", path=path, line=own[-1] if own else "?", error=words),)


# ---- how it is shown


def _show(document: Document, arguments: argparse.Namespace) -> None:
    """As text, as a page, as JSON; without any of these in the terminal."""
    first = first_step(document, arguments.at)
    if arguments.html is not None:
        document.save_html(arguments.html)
        if arguments.at is not None:
            print(text("cli.step.page", address=f"{arguments.html.resolve().as_uri()}#step={first}"))
    if arguments.json is not None:
        document.write(arguments.json)
        print(text("train.written", files=arguments.json))
    if arguments.text is not None:
        document.print(None if arguments.text == "all" else _position(document, int(arguments.text)))
    elif arguments.html is None and arguments.json is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            document.show(first)
        else:
            document.print(arguments.at)


def first_step(document: Document, at: int | None) -> int:
    """The step to open at: the one asked for, or where the program failed, or the first."""
    if at is not None:
        return _position(document, at)
    last = document.position(-1)
    return last if document.steps[last]["phase"] == "error" else 0


def _position(document: Document, step: int) -> int:
    try:
        return document.position(step)
    except IndexError as error:
        raise ValueError(str(error)) from None
