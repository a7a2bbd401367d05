"""`tinygrad-zh check bug`: one bug of the zoo as an exercise. 找错练习"""

from __future__ import annotations

import argparse
import difflib
import inspect
from typing import Any

import numpy as np

from tinygrad_zh.check.checking import gradcheck
from tinygrad_zh.check.zoo import BUGS, Bug
from tinygrad_zh.check.zoo.listing import listing, title
from tinygrad_zh.core.random import philox
from tinygrad_zh.i18n import display_width, language, pad, text, wrap
from tinygrad_zh.ops.formula import formula

WIDTH = 100
ELEMENTS = 24
"""A longer array is shortened in print."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help=text("cli.check.bug.name"))
    parser.add_argument("--random", action="store_true", help=text("cli.check.bug.random"))
    parser.add_argument("--seed", type=int, default=0, help=text("cli.check.bug.seed"))
    parser.add_argument("--hint", action="store_true", help=text("cli.check.bug.hint"))
    parser.add_argument("--check", action="store_true", help=text("cli.check.bug.check"))
    parser.add_argument("--answer", action="store_true", help=text("cli.check.bug.answer"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.name is not None:
        bug = by_name(arguments.name)
    elif arguments.random:
        if arguments.seed < 0:
            raise ValueError(f"--seed is a whole number from 0 on, not {arguments.seed}")
        bug = BUGS[int(philox(arguments.seed).integers(len(BUGS)))]
    elif arguments.hint or arguments.check or arguments.answer:
        raise ValueError(text("zoo.which"))
    else:
        _list()
        return 0
    _show_exercise(bug)
    if arguments.hint:
        _show_hint(bug)
    if arguments.check:
        _show_check(bug)
    if arguments.answer:
        _show_answer(bug)
    if not (arguments.hint or arguments.check or arguments.answer):
        again = f"--random --seed {arguments.seed}" if arguments.name is None else bug.name
        print("\n" + text("zoo.next", again=again))
    return 0


def by_name(name: str) -> Bug:
    """The bug of that name, in capitals or not. Raises ValueError, which names close ones."""
    bugs = {bug.name.lower(): bug for bug in BUGS}
    wanted = name.lower().replace("_", "").replace("-", "")
    if wanted not in bugs:
        close = difflib.get_close_matches(wanted, bugs, 3, 0.4)
        raise ValueError(text("zoo.unknown", name=name, near=", ".join(bugs[each].name for each in close) or "–"))
    return bugs[wanted]


def _list() -> None:
    """Every bug with its formula, kind by kind."""
    kind = None
    widest = max(display_width(bug.name) for bug in BUGS)
    for bug in BUGS:
        if bug.kind != kind:
            kind = bug.kind
            print(f"\n{kind}  {_title(bug)}")
        parts = formula(bug.op)
        term = f"  {parts.chinese}" if language() == "zh" else ""
        print(f"  {pad(bug.name, widest)}  {parts.forward}{term}")
    print("\n" + text("zoo.more", number=len(BUGS)))


def _title(bug: Bug) -> str:
    english, chinese = title(bug)
    return chinese if language() == "zh" else english


def _show_exercise(bug: Bug) -> None:
    parts = formula(bug.op)
    term = f"    {parts.chinese}" if language() == "zh" else ""
    print(f"{parts.forward}{term}\n")
    lines = listing(bug)
    for number, line in enumerate(lines, 1):
        print(f"{number:4}  {line}".rstrip())
    print("\n" + text("zoo.inputs"))
    _show_arrays(bug, bug.inputs)
    print("\n" + text("zoo.question.second" if bug.order == 2 else "zoo.question"))


def _show_arrays(bug: Bug, arrays: tuple[Any, ...]) -> None:
    names = inspect.signature(bug.op.forward if bug.function == bug.op else bug.function).parameters
    for name, array in zip(names, arrays, strict=True):
        head = f"  {name} = "
        with np.printoptions(threshold=ELEMENTS, precision=4, suppress=True):
            print(head + np.array2string(np.asarray(array), separator=", ", prefix=head))


def _show_hint(bug: Bug) -> None:
    print("\n" + text("zoo.hint", kind=bug.kind, title=_title(bug)))
    if bug.showing is not bug.inputs:
        print(text("zoo.showing"))
        _show_arrays(bug, bug.showing)


def _show_check(bug: Bug) -> None:
    with np.errstate(all="ignore"):
        report = gradcheck(bug.function, *bug.inputs, order=bug.order)
    print(f"\n{report}")
    if report:
        print("\n" + text("zoo.unnoticed"))


def _show_answer(bug: Bug) -> None:
    print(f"\n{bug.name}")
    for line in wrap(bug.story, WIDTH):
        print(f"  {line}")
    print(f"\n{text('zoo.cure')}\n  {bug.cure}")
    if bug.threads:
        print("\n" + text("zoo.threads", threads=", ".join(bug.threads)))
