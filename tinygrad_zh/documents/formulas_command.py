"""`tinygrad-zh formulas`: every op's formula and partials; with a name, its code too; the conventions at edges."""

from __future__ import annotations

import argparse
import difflib
from typing import Any

import numpy as np

from tinygrad_zh.i18n import language, text
from tinygrad_zh.ops.conventions import CONVENTIONS
from tinygrad_zh.ops.formula import all_ops, formula, source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("op", nargs="?", help=text("cli.formulas.op"))
    parser.add_argument("--edges", action="store_true", help=text("cli.formulas.edges"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.edges:
        _edges()
        return 0
    ops = {op.__name__.lower(): op for op in all_ops()}
    if arguments.op is None:
        _list(list(ops.values()))
        return 0
    name = arguments.op.lower().replace("_", "")
    if name not in ops:
        near = difflib.get_close_matches(name, ops, 3, 0.4)
        names = ", ".join(ops[n].__name__ for n in near) or "–"
        raise ValueError(text("cli.formulas.unknown", op=arguments.op, near=names))
    _show(ops[name])
    return 0


def _edges() -> None:
    """What every function gives where mathematics leaves a choice, and why."""
    for row in CONVENTIONS:
        given = ", ".join(f"{name} = {_short(value)}" for name, value in row.inputs.items())
        slopes = "".join(f"  ∂/∂{name} = {_short(value)}" for name, value in row.gradient.items())
        print(f"{row.formula}    {given}\n    = {_short(row.value)}{slopes}")
        print(f"    {row.zh if language() == 'zh' else row.en}\n")


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=4, separator=", ", floatmode="maxprec").replace("\n", "")


def _list(ops: list[Any]) -> None:
    module = None
    for op in ops:
        if op.__module__ != module:
            module = op.__module__
            print(f"\n{module.rpartition('.')[2]}")
        parts = formula(op)
        term = f"  {parts.chinese}" if language() == "zh" else ""
        print(f"  {op.__name__:<22} {parts.forward}{term}")
    print("\n" + text("cli.formulas.more"))


def _show(op: Any) -> None:
    parts = formula(op)
    print(f"{op.__name__}  {parts.chinese}\n\n  {parts.forward}")
    for partial in parts.partials:
        print(f"  {partial}")
    if parts.notes:
        print(f"\n{parts.notes}")
    print(f"\n{source(op)}")
