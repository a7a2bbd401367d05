"""`tinygrad-zh summary`: a system's network, or the tensors in a saved file."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.i18n import pad, text
from tinygrad_zh.serialization import load


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", default="s3", help=text("cli.summary.model", systems=", ".join(SYSTEMS)))


def run(arguments: argparse.Namespace) -> int:
    if arguments.model in SYSTEMS:
        system = import_module(SYSTEMS[arguments.model])
        print(text(f"system.{arguments.model}"))
        print(system.network().summary(system.INPUT, getattr(system, "INPUT_DTYPE", None)))
    elif Path(arguments.model).exists():
        print(_tensors(Path(arguments.model)))
    else:
        raise ValueError(text("cli.summary.unknown", model=arguments.model, systems=", ".join(SYSTEMS)))
    return 0


def _tensors(path: Path) -> str:
    state = load(path)
    width = max((len(name) for name in state), default=0) + 4
    rows = [pad(name, width) + pad(str(array.dtype), 10) + str(array.shape) for name, array in state.items()]
    numbers = sum(array.size for array in state.values())
    return "\n".join([*rows, text("cli.summary.file", tensors=len(state), numbers=f"{numbers:,}")])
