"""What the experiments share: their options, a table on the terminal, and where the picture goes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinygrad_zh.i18n import aligned, text, wrap

FOLDER = Path("tinygrad-zh-check")
WIDTH = 110


def add_out(parser: argparse.ArgumentParser, name: str) -> None:
    """--out, the picture's path; by default the experiment's name in a folder of the current one."""
    default = FOLDER / f"{name}.png"
    parser.add_argument("--out", type=Path, default=default, metavar=text("cli.check.file"),
                        help=text("cli.check.out", default=default))


def say(key: str, **values: Any) -> None:
    """Print the catalogue's text for a key, in lines that a terminal holds."""
    print("\n".join(wrap(text(key, **values), WIDTH)))


def show(*rows: Sequence[str]) -> None:
    """Print rows, the first one the head, in columns."""
    print("\n".join(aligned(rows)) + "\n")


def oracle() -> Any:
    """mpmath with 50 digits. Raises ImportError, in one sentence, where it is missing."""
    try:
        import mpmath
    except ImportError:
        raise ImportError('this experiment needs mpmath: pip install "tinygrad-zh[check]"') from None
    context = mpmath.mp.clone()
    context.dps = 50
    return context
