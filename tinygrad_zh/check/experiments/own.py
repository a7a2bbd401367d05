"""`tinygrad-zh check own FILE.py`: a gradient of your own. The file defines

    inputs        an array, or a tuple of them
    f             a function of them, in NumPy or of tensors
    gradient      its gradient, in NumPy: of the inputs for a scalar f, of (upstream, *inputs) otherwise; of a
                  function of tensors it is left out, and the engine's backward pass is checked
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tinygrad_zh.check.checking import gradcheck
from tinygrad_zh.check.experiments.file import module_of
from tinygrad_zh.check.experiments.page import say
from tinygrad_zh.check.report import Report
from tinygrad_zh.i18n import text


def measure(file: str) -> Report:
    """The report of gradcheck on what a file defines. Raises ValueError where it lacks f or inputs."""
    module = module_of(file) if file.endswith(".py") else None
    missing = [name for name in ("f", "inputs") if not hasattr(module, name)]
    if missing:
        raise ValueError(text("check.own.missing", file=file, names=", ".join(missing)))
    inputs: Any = module.inputs  # type: ignore[union-attr]
    return gradcheck(module.f, *(inputs if isinstance(inputs, tuple) else (inputs,)),  # type: ignore[union-attr]
                     grad=getattr(module, "gradient", None))


# ---- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.py", help=text("cli.check.own.file"))
    parser.add_argument("--out", type=Path, metavar=text("cli.check.file"), help=text("cli.check.op.out"))


def run(arguments: argparse.Namespace) -> int:
    report = measure(arguments.file)
    print(report)
    if arguments.out:
        say("check.drawn", path=report.plot(arguments.out))
    return 0 if report else 1
