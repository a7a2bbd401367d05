"""`tinygrad-zh train`: run one of the documents' systems."""

from __future__ import annotations

import argparse
import contextlib
import sys
from importlib import import_module
from pathlib import Path

from tinygrad_zh.documents import SYSTEMS
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import text
from tinygrad_zh.kernels import FORMULAS, chosen, use_kernels
from tinygrad_zh.stepper import Watch
from tinygrad_zh.train import Callback, Compile, Run, compiling, observed

COMPILE: dict[str, Compile] = {"auto": "auto", "on": True, "off": False}


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
    parser.add_argument("--kernels", metavar="NAME[,NAME]", help=text("cli.train.kernels"))
    parser.add_argument("--compile", choices=tuple(COMPILE), help=text("cli.train.compile"))
    parser.add_argument("--watch", action="store_true", help=text("cli.train.watch"))
    parser.add_argument("--watch-html", type=Path, metavar="OUT.html", help=text("cli.train.watch_html"))


def run(arguments: argparse.Namespace) -> int:
    system = import_module(SYSTEMS[arguments.system])
    options = Options(**{name: getattr(arguments, name) for name in Options.__dataclass_fields__})
    how = How()
    with use_kernels(*chosen(arguments.kernels)), compiling(_way(arguments)), observed(how):
        if not arguments.watch and arguments.watch_html is None:
            system.run(options)
        else:
            port = 0 if arguments.watch else None
            with Watch(port=port, path=arguments.watch_html, title=arguments.system.upper()) as watch, observed(watch):
                system.run(options)
                _stay(watch)
    if arguments.compile is not None:
        print("\n" + text("cli.train.compiled", how="; ".join(how.runs) or "–"))
    return 0


def _way(arguments: argparse.Namespace) -> Compile:
    """By the formulas, if they are asked for by name: then their numbers are wanted, to the bit."""
    way = COMPILE[arguments.compile or "auto"]
    return "formulas" if way is True and arguments.kernels == FORMULAS else way


class How(Callback):
    """Notes how the steps of each training were taken."""

    observer = True

    def __init__(self) -> None:
        self.runs: dict[str, None] = {}

    def on_end(self, run: Run) -> None:
        self.runs[run.history.compiled] = None


def _stay(watch: Watch) -> None:
    """On a terminal the page stays for as long as its reader wants it; a script does not wait."""
    if not watch.runs:
        print(text("cli.train.unwatched", system=watch.title))
    elif watch.url is not None and sys.stdin.isatty() and sys.stdout.isatty():
        print(text("cli.train.watch_stays", url=watch.url))
        with contextlib.suppress(KeyboardInterrupt, EOFError):
            input()
