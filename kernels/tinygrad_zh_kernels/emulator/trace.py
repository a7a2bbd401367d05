"""Stepping into one thread: the lines that it ran, what it assigned there, where it waited, what its warp told it.

The text is compiled with a call after each statement; lines and meaning stay.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh_kernels.emulator.parse import Statement, closing, plain, statements


class Thread(NamedTuple):
    """Which thread of which block is watched."""

    block: tuple[int, int, int] = (0, 0, 0)
    thread: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True)
class Step:
    """One statement that the watched thread ran. values: by name, what it assigned, or what its condition came to.
    event: where it waited, or what the warp exchanged. launch: which of the launcher's, from 0.
    """

    launch: int
    kernel: str
    line: int
    source: str
    values: dict[str, Any]
    event: str | None
    file: str


class Place(NamedTuple):
    """Where a statement stands: its file's name, its line, the line's text."""

    file: str
    line: int
    source: str


class Note(ctypes.Structure):
    """runtime.h's struct of this name. kind: a type's code as in cuda.h, or what else is told; see steps()."""

    _fields_ = (("kind", ctypes.c_char), ("number", ctypes.c_int), ("name", ctypes.c_char_p), ("bits", ctypes.c_uint64),
                ("other", ctypes.c_uint64))


class Tracer:
    """Instruments source files (it is an Edit) and remembers what each number stands for."""

    def __init__(self) -> None:
        self.places: list[Place] = []

    def __call__(self, file: Path, text: str) -> str:
        code, parts, end = plain(text), [], 0
        changes = sorted(self._changes(file, text, code))
        for start, stop, replacement in changes:
            parts += [text[end:start], replacement]
            end = stop
        return "".join([*parts, text[end:]])

    def _changes(self, file: Path, text: str, code: str) -> Iterable[tuple[int, int, str]]:
        sources = text.split("\n")
        for statement in statements(code):
            if _ONE_LINER.search(code, 0, statement.start):  # a helper like read(x): the caller's line says it all
                continue
            line = text.count("\n", 0, statement.start) + 1
            number = len(self.places)
            changed = _instrumented(statement, text[statement.start : statement.end], code, number)
            if changed is not None:
                self.places.append(Place(file.name, line, sources[line - 1].strip()))
                yield (statement.start, statement.end, changed)


_DECLARATION = re.compile(r"(?:(?:const|volatile|unsigned|signed|long)\s+)*\w+(?:\s+|\s*[*&]\s*)"
                          r"(?:const\s+|__restrict__\s+)*\**\w+\s*(?=[=\[;,(])")
_ASSIGNMENT = re.compile(r"(?P<to>[^=()]*?(?:\([^()=]*\)[^=()]*?)*?)\s*(?:<<|>>|[-+*/%&|^])?=(?!=)")
_COUNTING = re.compile(r"(?:\+\+|--)?\s*(?P<to>[\w.\[\]]+)\s*(?:\+\+|--)?;$")
_ONE_LINER = re.compile(r"^__device__[^\n]*\{ *\Z", re.MULTILINE)
_NOT_TRACED = re.compile(r".*__shared__|(?:extern|typedef|using|static|struct|static_assert|case|default)\b")


def _instrumented(statement: Statement, text: str, code: str, number: int) -> str | None:
    clean = code[statement.start : statement.end]
    if statement.kind in ("if", "while"):
        return f"emulator::condition({number}, {_quoted(clean)}, {text})"
    if statement.kind == "for":
        return _loop(text, clean, number)
    if statement.kind != "simple" or _NOT_TRACED.match(clean):
        return None
    if re.match(r"(?:break|continue)\b|return\s*;|return\s*\{", clean):
        return f"{{ emulator::line({number}); {text} }}"
    if clean.startswith("return"):
        return f"return emulator::returned({number}, {text[len('return') : -1].strip()});"
    if _DECLARATION.match(clean):
        return text + f" emulator::line({number}{_named(_initialised(clean))});"
    return f"{{ {text} emulator::line({number}{_named(_assigned(clean))}); }}"


def _loop(text: str, clean: str, number: int) -> str | None:
    parts = [len(part) for part in clean.split(";")]
    if len(parts) != 3 or not clean.split(";")[1].strip():
        return None
    first, second = parts[0] + 1, parts[0] + 1 + parts[1]
    condition = clean[first:second].strip()
    names = _initialised(clean[: first - 1] + ";") or _assigned(clean[: first - 1] + ";")
    told = _quoted("" if condition in names else condition)
    call = f"emulator::condition({number}, {told}, {text[first:second]}{_named(names)})"
    return f"{text[:first]} {call}{text[second:]}"


def _initialised(declaration: str) -> list[str]:
    """The names in `int lane = …, warp = …;`, not those of arrays."""
    flat = _without_brackets(declaration)
    return re.findall(r"(\w+)\s*=(?!=)", flat) if "]" not in flat else []


def _without_brackets(text: str) -> str:
    """f(a, b) -> f(): only what stands in no bracket declares a variable."""
    parts, position = [], 0
    while position < len(text):
        if text[position] in "({[":
            last = closing(text, position)
            parts.append(text[position] + text[last : last + 1])
            position = last + 1
        else:
            parts.append(text[position])
            position += 1
    return "".join(parts)


def _assigned(expression: str) -> list[str]:
    """What an assignment writes to; nothing if evaluating it once more would do something."""
    match = _ASSIGNMENT.match(expression) or _COUNTING.match(expression)
    to = match["to"].strip() if match else ""
    return [] if not to or re.search(r"\+\+|--|\w\s*\(", to) else [" ".join(to.split())]


def _named(names: Iterable[str]) -> str:
    return "".join(f", {_quoted(name)}, {name}" for name in names)


def _quoted(text: str) -> str:
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'


def steps(notes: Sequence[Note], places: Sequence[Place], kernel: str,
          arrays: Sequence[str]) -> list[Step]:
    """The notes that a launch left, as steps. What the warp exchanged belongs to the statement that ends next."""
    done: list[Step] = []
    values: dict[str, Any] = {}
    events: list[str] = []
    for note in notes:
        name = note.name.decode() if note.name else ""
        kind = note.kind.decode()
        if kind == "L":
            place = places[note.number]
            done.append(Step(0, kernel, place.line, place.source, values, "; ".join(events) or None, place.file))
            values, events = {}, []
        elif kind == "W":
            events.append(f"waits at {name}")
        elif kind in ("G", "R"):  # gives, receives
            kind, _, name = name.partition(" ")
            value = _shown(_value(kind, note.bits))
            events.append(f"{name}: gives {value}" if note.kind == b"G" else f"receives {value} from lane {note.other}")
        elif kind == "A":
            values[name] = f"&{arrays[note.number]}[{ctypes.c_int64(note.bits).value}]"
        else:
            values[name] = _value(kind, note.bits)
    return done


_READ: dict[str, Callable[[bytes], Any]] = {
    code: lambda raw, code=code: np.frombuffer(raw, np.dtype(code), 1)[0].item()  # type: ignore[misc]
    for code in "?efdbBhHiIqQ"
}


def _value(kind: str, bits: int) -> Any:
    return _READ[kind](int(bits).to_bytes(8, "little"))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
