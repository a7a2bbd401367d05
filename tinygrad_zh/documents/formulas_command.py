"""`tinygrad-zh formulas`: the documents' formulas F01–F28, checked live; the ops; the conventions at edges."""

from __future__ import annotations

import argparse
import difflib
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_zh.documents.experiments import EXPERIMENTS
from tinygrad_zh.documents.formulas import FORMULAS
from tinygrad_zh.documents.formulas.terminal import print_checks, print_list, print_row
from tinygrad_zh.i18n import language, text
from tinygrad_zh.ops.conventions import CONVENTIONS
from tinygrad_zh.ops.formula import all_ops, formula, source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="F05|sigmoid", help=text("cli.formulas.name"))
    parser.add_argument("--latex", action="store_true", help=text("cli.formulas.latex"))
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--check", action="store_true", help=text("cli.formulas.check"))
    instead.add_argument("--ops", action="store_true", help=text("cli.formulas.ops"))
    instead.add_argument("--edges", action="store_true", help=text("cli.formulas.edges"))
    instead.add_argument("--experiment", action="store_true", help=text("cli.formulas.experiment"))
    parser.add_argument("--seed", type=int, default=0, help=text("cli.formulas.seed"))
    parser.add_argument("--out", type=Path, metavar="FILE", help=text("cli.formulas.out"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.out is not None and not arguments.experiment:
        raise ValueError(text("cli.formulas.out_alone"))
    if arguments.edges:
        _edges()
    elif arguments.ops:
        _list_ops(all_ops())
    elif arguments.name is not None:
        return _show(arguments)
    elif arguments.experiment:
        _experiment("", arguments)
    elif arguments.check:
        return 1 if print_checks(FORMULAS) else 0
    else:
        print_list(FORMULAS, arguments.latex)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    """The formula or the op of that name: F05, f5 and 5 are one formula, log_softmax and LogSoftmax one op."""
    rows = {row.id.lower(): row for row in FORMULAS}
    ops = {op.__name__.lower(): op for op in all_ops()}
    name = arguments.name.lower().replace("_", "")
    number = re.fullmatch(r"f?(\d+)", name)
    name = f"f{int(number[1]):02}" if number else name
    if name in rows:
        if arguments.check:
            return 1 if print_checks([rows[name]]) else 0
        if arguments.experiment:
            _experiment(rows[name].id, arguments)
            return 0
        print_row(rows[name], arguments.latex)
        if rows[name].id in EXPERIMENTS:
            print(text("cli.formulas.try_experiment", name=rows[name].id))
    elif arguments.experiment:
        _experiment(arguments.name, arguments)
    elif name in ops:
        _show_op(ops[name])
    else:
        shown = {key: row.id for key, row in rows.items()} | {key: op.__name__ for key, op in ops.items()}
        near = ", ".join(shown[key] for key in difflib.get_close_matches(name, shown, 3, 0.4)) or "–"
        raise ValueError(text("cli.formulas.unknown", name=arguments.name, near=near))
    return 0


def _experiment(name: str, arguments: argparse.Namespace) -> None:
    """What training shows of a formula: measured, printed, and drawn into a file if one is named."""
    if name not in EXPERIMENTS:
        raise ValueError(text("cli.formulas.no_experiment", names=", ".join(EXPERIMENTS)))
    experiment = import_module(EXPERIMENTS[name])
    measured = experiment.measure(arguments.seed)
    experiment.show(measured)
    if arguments.out is not None:
        print(text("cli.formulas.drawn", path=experiment.draw(measured, arguments.out)))


def _edges() -> None:
    """What every function gives where mathematics leaves a choice, and why."""
    for row in CONVENTIONS:
        given = ", ".join(f"{name} = {_short(value)}" for name, value in row.inputs.items())
        slopes = "".join(f"  ∂/∂{name} = {_short(value)}" for name, value in row.gradient.items())
        print(f"{row.formula}    {given}\n    = {_short(row.value)}{slopes}")
        print(f"    {row.zh if language() == 'zh' else row.en}\n")


def _short(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=4, separator=", ", floatmode="maxprec").replace("\n", "")


def _list_ops(ops: list[Any]) -> None:
    module = None
    for op in ops:
        if op.__module__ != module:
            module = op.__module__
            print(f"\n{module.rpartition('.')[2]}")
        parts = formula(op)
        term = f"  {parts.chinese}" if language() == "zh" else ""
        print(f"  {op.__name__:<22} {parts.forward}{term}")
    print("\n" + text("cli.formulas.more"))


def _show_op(op: Any) -> None:
    parts = formula(op)
    print(f"{op.__name__}  {parts.chinese}\n\n  {parts.forward}")
    for partial in parts.partials:
        print(f"  {partial}")
    if parts.notes:
        print(f"\n{parts.notes}")
    print(f"\n{source(op)}")
