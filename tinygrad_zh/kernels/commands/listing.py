"""`tinygrad-zh kernels list`: the rooms, their kernels and bodies, what is covered and what is missing."""

from __future__ import annotations

import argparse

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import aligned, language, text, wrap
from tinygrad_zh.kernels.commands.choosing import add_file, add_names, chosen, load
from tinygrad_zh_kernels import Body, Kernel

USUAL = ("numba", "numba-cuda", "cuda-c")
"""The bodies that the table has a column for; the others are versions on the way to them, or yours."""
WIDTH = 110
SHORT = {"float16": "16", "float32": "32", "float64": "64"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_names(parser)
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    load(arguments.file)
    kernels = chosen(arguments.names)
    lines = _details(kernels) if arguments.names else _table(kernels)
    print("\n".join([*lines, *_missing(kernels)]))
    return 0


def _table(kernels: list[Kernel]) -> list[str]:
    head = [text("kernels.kernel"), text("kernels.formula"), *USUAL, text("kernels.others")]
    rows = [[kernel.name, kernel.formula, *(_covered(library.bodies(kernel).get(name)) for name in USUAL),
             str(len(library.bodies(kernel).keys() - set(USUAL)) or "–")] for kernel in kernels]
    return [*aligned([head, *rows]), "", *wrap(text("kernels.list_note"), WIDTH)]


def _covered(body: Body | None) -> str:
    return "–" if body is None else " ".join(SHORT[dtype] for dtype in body.dtypes)


def _details(kernels: list[Kernel]) -> list[str]:
    lines = []
    for kernel in kernels:
        lines += [f"{kernel.name}  ({kernel.formula})"]
        for body in library.bodies(kernel).values():
            adds = body.adds[language() == "zh"]
            lines += [f"  {body.name}  [{body.device}, {', '.join(body.dtypes)}]"]
            lines += [f"      {line}" for line in wrap(adds, WIDTH - 6)]
        lines += [f"  {name}: {text('kernels.formula_runs')}" for name in USUAL if name not in library.bodies(kernel)]
        lines += [""]
    return lines


def _missing(kernels: list[Kernel]) -> list[str]:
    """The files that could not be imported, and why."""
    rooms = dict.fromkeys(kernel.room for kernel in kernels)
    found = {f"{room}/{file}.py": why for room in rooms for file, why in library.missing(room).items()}
    return [text("kernels.missing", file=file, why=why) for file, why in found.items()]
