"""`tinygrad-zh kernels run NAME --thread X,Y,Z --block X,Y,Z`: the lines that one CUDA thread runs, with the values."""

from __future__ import annotations

import argparse
from typing import Any

from tinygrad_zh.i18n import text
from tinygrad_zh_kernels import Arguments, Body


def add_thread(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--thread", type=place, metavar="X,Y,Z", help=text("cli.kernels.run.thread"))
    parser.add_argument("--block", type=place, metavar="X,Y,Z", default=(0, 0, 0), help=text("cli.kernels.run.block"))


def place(word: str) -> tuple[int, int, int]:
    """3 or 3,1 or 3,1,0 is (3, 1, 0). Raises ValueError for anything else."""
    x, y, z, *more = (*map(int, word.split(",")), 0, 0)
    if len(more) > 2 or min(x, y, z) < 0:
        raise ValueError(f"a place is X, or X,Y, or X,Y,Z, not {word}")
    return x, y, z


def watched(arguments: argparse.Namespace) -> Any:
    return arguments.block, arguments.thread


def show_steps(body: Body, given: Arguments, device: str, watch: Any, order: int) -> int:
    """Run the body with one thread watched, and print what it did."""
    raise NotImplementedError
