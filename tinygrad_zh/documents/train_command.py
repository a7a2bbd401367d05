"""`tinygrad-zh train`: run one of the documents' systems."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("system", nargs="?", choices=tuple(SYSTEMS), default="s3", help=text("cli.train.system"))
    parser.add_argument("--data", help=text("cli.train.data"))
    parser.add_argument("--source", help=text("cli.train.source"))
    parser.add_argument("--text", type=Path, help=text("cli.train.text"))
    parser.add_argument("--tokens", help=text("cli.train.tokens"))
    parser.add_argument("--epochs", type=int, help=text("cli.train.epochs"))
    parser.add_argument("--batch-size", type=int, help=text("cli.train.batch_size"))
    parser.add_argument("--seed", type=int, default=0, help=text("cli.train.seed"))
    parser.add_argument("--out", type=Path, help=text("cli.train.out"))


def run(arguments: argparse.Namespace) -> int:
    options = {name: getattr(arguments, name) for name in Options.__dataclass_fields__}
    import_module(SYSTEMS[arguments.system]).run(Options(**options))
    return 0
