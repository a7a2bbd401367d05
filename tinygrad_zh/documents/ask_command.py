"""`tinygrad-zh ask`: speak to a system that was trained."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from tinygrad_zh.documents import ASKABLE, SYSTEMS
from tinygrad_zh.i18n import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("system", choices=ASKABLE, help=text("cli.ask.system"))
    parser.add_argument("words", help=text("cli.ask.words"))
    parser.add_argument("--model", type=Path, help=text("cli.ask.model"))


def run(arguments: argparse.Namespace) -> int:
    import_module(SYSTEMS[arguments.system]).answer(arguments.words, arguments.model)
    return 0
