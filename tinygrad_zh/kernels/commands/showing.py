"""`tinygrad-zh kernels show NAME [--body cuda-c]`: the contract, the formula, and the source of a body."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import CodeType, FunctionType
from typing import Any

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import language, text
from tinygrad_zh.kernels.binding import formula
from tinygrad_zh.kernels.commands.choosing import add_file, body_of, chosen, load
from tinygrad_zh_kernels import Body, Kernel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar=text("cli.kernels.name"), help=text("cli.kernels.one"))
    parser.add_argument("--body", metavar="cuda-c", help=text("cli.kernels.show.body"))
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    load(arguments.file)
    kernels = chosen([arguments.name])
    if arguments.body is None:
        print("\n\n".join([_contract(kernels[0]), *map(_formula, kernels)]))
        return 0
    having = [kernel for kernel in kernels if arguments.body in library.bodies(kernel)]
    bodies = [body_of(kernel, arguments.body) for kernel in having or kernels[:1]]
    for body in bodies:
        print(f"{body}: {body.adds[language() == 'zh']}")
    for path in dict.fromkeys(path for body in bodies for path in sources(body)):
        print(f"\n── {path.parent.name}/{path.name}\n\n{path.read_text(encoding='utf-8').rstrip()}")
    return 0


def _contract(kernel: Kernel) -> str:
    """What stands above the room's kernels."""
    module = sys.modules.get(f"tinygrad_zh_kernels.{kernel.room}")
    return inspect.cleandoc((module.__doc__ if module else None) or kernel.name)


def _formula(kernel: Kernel) -> str:
    names = ", ".join(library.bodies(kernel)) or "–"
    source = dedent(inspect.getsource(formula(kernel))).rstrip()
    return f"── {kernel.name}\n{text('kernels.bodies', names=names)}\n\n{source}"


def sources(body: Body) -> list[Path]:
    """The files that a body is written in: its Python, and the CUDA C that it launches."""
    function: Any = inspect.unwrap(body.function)
    return [Path(inspect.getsourcefile(function) or ""), *dict.fromkeys(_cuda_c(function, set()))]


def _cuda_c(function: Any, seen: set[Any]) -> Iterator[Path]:
    """The .cu files that a function names, and that the functions of its file name which it calls."""
    seen.add(function)
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, Path) and value.suffix == ".cu":
            yield value
        elif isinstance(value, FunctionType) and value.__module__ == function.__module__ and value not in seen:
            yield from _cuda_c(value, seen)


def _names(code: CodeType) -> list[str]:
    """The global names that a function uses, those of functions within it too."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]
