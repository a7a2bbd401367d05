"""`tinygrad-zh check`: check a gradient, run an experiment, look for a bug."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Any

from tinygrad_zh.i18n import text

SUBCOMMANDS: dict[str, str] = {
    "bug": "tinygrad_zh.check.zoo.exercise",
    "own": "tinygrad_zh.check.experiments.own",
    "op": "tinygrad_zh.check.experiments.op",
    "steps": "tinygrad_zh.check.experiments.steps",
    "kink": "tinygrad_zh.check.experiments.kink",
    "depth": "tinygrad_zh.check.experiments.depth",
    "ulp": "tinygrad_zh.check.experiments.ulp",
    "precision": "tinygrad_zh.check.experiments.precision",
    "nan": "tinygrad_zh.check.experiments.nan",
}
"""{name: module}. A module has `add_arguments(parser)` and `run(arguments)`, which returns the exit status; its words
are in the catalogue under cli.check.<name>.help."""


def add_arguments(parser: Any) -> None:
    parts = parser.add_subparsers(dest="subcommand", title=text("cli.check.title"), metavar=text("cli.command"))
    for name, module in SUBCOMMANDS.items():
        words = text(f"cli.check.{name}.help")
        parts.add_parser(name, module=module, help=words, description=words)
    parser.set_defaults(print_help=parser.print_help)


def run(arguments: argparse.Namespace) -> int:
    if arguments.subcommand is None:
        arguments.print_help(sys.stderr)
        return 2
    status: int = import_module(SUBCOMMANDS[arguments.subcommand]).run(arguments)
    return status
