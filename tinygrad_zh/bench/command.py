"""`tinygrad-zh bench`: what to do with measured times."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import Any

from tinygrad_zh.i18n import text

SUBCOMMANDS = {"compare": "tinygrad_zh.bench.compare_command"}
"""{name: module}, whose help is in the catalogue under cli.bench.<name>.help."""


def add_arguments(parser: Any) -> None:
    parts = parser.add_subparsers(dest="subcommand", title=text("cli.bench.title"), metavar=text("cli.command"))
    for name, module in SUBCOMMANDS.items():
        words = text(f"cli.bench.{name}.help")
        parts.add_parser(name, module=module, help=words, description=words)
    parser.set_defaults(print_help=parser.print_help)


def run(arguments: argparse.Namespace) -> int:
    if arguments.subcommand is None:
        arguments.print_help(sys.stderr)
        return 2
    status: int = import_module(SUBCOMMANDS[arguments.subcommand]).run(arguments)
    return status
