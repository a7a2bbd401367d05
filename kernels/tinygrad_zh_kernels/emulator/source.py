"""From a .cu file to what g++ compiles: includes put in place, shared arrays named, kernels and parameters found."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tinygrad_zh_kernels.launcher import COMMON

Edit = Callable[[Path, str], str]
"""Changes the text of one source file before it is compiled, keeping its lines: for tracing, and for mutants."""

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)".*$', re.MULTILINE)
_ASIDE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", re.DOTALL)
_BOUNDS = r"__launch_bounds__\s*\((?P<{}>[^()]*(?:\([^()]*\)[^()]*)*)\)\s*"
_KERNEL = re.compile(
    rf"__global__\s+(?:{_BOUNDS.format('before')})?void\s+(?:{_BOUNDS.format('after')})?(?P<name>\w+)\s*"
    r"\((?P<parameters>[^)]*)\)"
)
_ALIGNMENT = re.compile(r"(?:__align__|alignas)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)\s*")
_SHARED = re.compile(rf"(?:{_ALIGNMENT.pattern})?(?P<extern>\bextern\s+)?__shared__\s+(?P<rest>[^;]*);")
_DECLARED = re.compile(r"(?P<name>\w+)\s*(?P<sizes>(?:\[[^\]]*\]\s*)*)$")


@dataclass(frozen=True)
class Signature:
    """A kernel as its source declares it: its parameters' names, and what stands in __launch_bounds__(…)."""

    name: str
    parameters: tuple[str, ...]
    bounds: str


@dataclass(frozen=True)
class Unit:
    """One .cu file with all that it includes, ready for g++."""

    file: Path
    files: tuple[Path, ...]
    text: str
    kernels: dict[str, Signature]


def read(file: Path, edit: Edit | None = None) -> Unit:
    """The unit of a .cu file. Raises FileNotFoundError for the file or one that it includes."""
    files: list[Path] = []
    text = _with_includes(file.resolve(), edit, files)
    plain = without_comments(text)
    kernels = {}
    for match in _KERNEL.finditer(plain):
        parameters = tuple(re.findall(r"\w+", part)[-1] for part in match["parameters"].split(",") if part.strip())
        bounds = match["before"] or match["after"] or "1024"
        kernels[match["name"]] = Signature(match["name"], parameters, bounds)
    return Unit(file, tuple(files), _shared_named(text), kernels)


def without_comments(text: str) -> str:
    """The text with comments and strings blank, every other character in its place."""
    return _ASIDE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _with_includes(file: Path, edit: Edit | None, done: list[Path]) -> str:
    done.append(file)
    text = file.read_text(encoding="utf-8")
    if edit is not None:
        text = edit(file, text)

    def put_in_place(match: re.Match[str]) -> str:
        beside = file.parent / match[1]
        included = beside if beside.is_file() else COMMON.parent / match[1]
        if not included.is_file():
            raise FileNotFoundError(f'{file} includes "{match[1]}", which is neither beside it nor in {COMMON.parent}')
        if included.resolve() in done:
            return ""
        after = text.count("\n", 0, match.end()) + 2
        return f'{_with_includes(included.resolve(), edit, done)}\n#line {after} "{file}"'

    text = _INCLUDE.sub(put_in_place, text).replace("#pragma once", "")
    return f'#line 1 "{file}"\n{text}'


def _shared_named(text: str) -> str:
    """Shared arrays become places that the runtime knows by name, so that it sees every access beyond their ends."""
    plain = without_comments(text)
    parts, end = [], 0
    for match in _SHARED.finditer(plain):
        parts += [text[end : match.start()], _declarations(match), "\n" * match[0].count("\n")]
        end = match.end()
    return "".join([*parts, text[end:]])


def _declarations(match: re.Match[str]) -> str:
    declarators = [part.strip() for part in _split(_ALIGNMENT.sub("", match["rest"]))]
    first = _DECLARED.search(declarators[0])
    if first is None:
        return match[0]
    kind = " ".join(declarators[0][: first.start()].split())
    aligned = _ALIGNMENT.search(match[0])
    alignment = aligned[1] if aligned else f"alignof({kind})"
    code = []
    for declarator in declarators:
        declared = _DECLARED.search(declarator)
        if declared is None:
            return match[0]
        name, sizes = declared["name"], " ".join(declared["sizes"].split())
        code.append(f"static emulator::Slot {name}_slot;")
        if match["extern"]:
            code.append(f'{kind}* {name} = ({kind}*)emulator::dynamic_shared({name}_slot, "{name}", sizeof({kind}));')
        else:
            place = f'emulator::shared({name}_slot, "{name}", sizeof({kind}{sizes}), sizeof({kind}), {alignment})'
            code.append(f"{kind} (&{name}){sizes} = *({kind} (*){sizes}){place};")
    return " ".join(code)


def _split(text: str) -> list[str]:
    """At the commas that stand in no bracket."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "[(<{") - (character in "])>}")
        if character == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]
