"""`tinygrad-zh kernels`: see, run, check and time the kernels, ours and yours."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Any

from tinygrad_zh.i18n import text

SUBCOMMANDS: dict[str, str] = {
    "list": "tinygrad_zh.kernels.commands.listing",
    "show": "tinygrad_zh.kernels.commands.showing",
    "run": "tinygrad_zh.kernels.commands.running",
    "check": "tinygrad_zh.kernels.commands.checking",
    "time": "tinygrad_zh.kernels.commands.timing",
}
"""{name: module}. A module has `add_arguments(parser)` and `run(arguments)`, which returns the exit status; its words
are in the catalogue under cli.kernels.<name>.help."""


def add_arguments(parser: Any) -> None:
    parts = parser.add_subparsers(dest="subcommand", title=text("cli.kernels.title"), metavar=text("cli.command"))
    for name, module in SUBCOMMANDS.items():
        words = text(f"cli.kernels.{name}.help")
        parts.add_parser(name, module=module, help=words, description=words)
    parser.set_defaults(print_help=parser.print_help)


def run(arguments: argparse.Namespace) -> int:
    if arguments.subcommand is None:
        arguments.print_help(sys.stderr)
        return 2
    status: int = import_module(SUBCOMMANDS[arguments.subcommand]).run(arguments)
    return status
