"""`tinygrad-zh check bug`: one bug of the zoo as an exercise."""

from __future__ import annotations

import argparse

from tinygrad_zh.check.zoo import BUGS
from tinygrad_zh.i18n import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help=text("cli.check.bug.name"))


def run(arguments: argparse.Namespace) -> int:
    for bug in BUGS:
        if arguments.name in (None, bug.name):
            print(f"{bug.kind:<16} {bug.name}")
    return 0
