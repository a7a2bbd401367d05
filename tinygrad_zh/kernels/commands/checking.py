"""`tinygrad-zh kernels check`: every body against its formula in float64; exit status 1 if one deviates."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import aligned, text, wrap
from tinygrad_zh.kernels.checking import Checked, Make, calls, check_call
from tinygrad_zh.kernels.commands.choosing import (
    CPU,
    CUDA,
    EMULATED,
    add_file,
    add_names,
    cannot_run,
    chosen,
    launcher,
    load,
)
from tinygrad_zh_kernels import Body

SHOWN = 3  # problems of one body
WIDTH = 110


@dataclass
class Verdict:
    """What came of one body. not_run: why it could not be run at all."""

    body: Body
    checked: list[Checked] = field(default_factory=list)
    not_run: str | None = None

    @property
    def failed(self) -> list[Checked]:
        return [each for each in self.checked if each.problem]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_names(parser)
    parser.add_argument("--body", action="append", metavar="cuda-c", help=text("cli.kernels.check.body"))
    parser.add_argument("--device", choices=(CPU, EMULATED, CUDA), help=text("cli.kernels.check.device"))
    parser.add_argument("--order", type=int, default=0, metavar="N", help=text("cli.kernels.order"))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text("cli.kernels.seed"))
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    bodies = _wanted(arguments)
    found = list(check_all(bodies, arguments.device, arguments.order, arguments.seed))
    print("\n".join(_table(found)))
    for verdict in found:
        for each in verdict.failed[:SHOWN]:
            print("\n".join(wrap(text("kernels.check.problem", body=verdict.body, dtype=each.dtype, call=each.call,
                                      problem=each.problem), WIDTH)))
    for why, count in Counter(verdict.not_run for verdict in found if verdict.not_run).items():
        print("\n".join(wrap(text("kernels.check.why_not_run", count=count, why=why), WIDTH)))
    counts = Counter("failed" if v.failed else "not_run" if v.not_run else "passed" for v in found)
    print(text("kernels.check.sum", passed=counts["passed"], failed=counts["failed"], not_run=counts["not_run"]))
    return 1 if counts["failed"] or not counts["passed"] else 0


def _wanted(arguments: argparse.Namespace) -> list[Body]:
    """The bodies that are meant: of a file alone where one is given and nothing else is."""
    own = load(arguments.file)
    bodies = [body for kernel in chosen(arguments.names) for body in library.bodies(kernel).values()]
    if own and not arguments.names:
        bodies = list(own)
    if arguments.body:
        bodies = [body for body in bodies if body.name in arguments.body]
    if arguments.device:
        bodies = [body for body in bodies if (body.device == CPU) == (arguments.device == CPU)]
    if not bodies:
        raise ValueError(text("kernels.check.nothing"))
    return bodies


def check_all(bodies: list[Body], device: str | None = None, order: int = 0, seed: int = 0) -> Iterator[Verdict]:
    """Check bodies one after the other; what cannot be run, and what raises, is a verdict too."""
    work = [(body, list(calls(body.kernel, seed))) for body in bodies]
    total = sum(len(named) * len(body.dtypes) for body, named in work)
    with tqdm(total=total, disable=not sys.stderr.isatty(), leave=False) as bar:
        for body, named in work:
            bar.set_description(str(body))
            verdict = Verdict(body)
            try:
                _check(verdict, named, _launcher(body, device, order), seed, bar)
            except _CannotRun as why:
                verdict.not_run = str(why)
            yield verdict


class _CannotRun(Exception):
    """There is nothing here that runs such a body."""


def _launcher(body: Body, device: str | None, order: int) -> Any:
    where = CPU if body.device == CPU else device or EMULATED
    try:
        return launcher(where, **({"order": order} if where == EMULATED else {}))
    except ValueError as error:
        raise _CannotRun(error) from error


def _check(verdict: Verdict, named: list[tuple[str, Make]], launch: Any, seed: int, bar: Any) -> None:
    for dtype in verdict.body.dtypes:
        for name, make in named:
            verdict.checked.append(_one(verdict.body, name, make, np.dtype(dtype), launch, seed))
            bar.update()


def _one(body: Body, name: str, make: Make, dtype: np.dtype[Any], launch: Any, seed: int) -> Checked:
    try:
        with np.errstate(all="ignore"):  # a nan among the cases is meant
            return check_call(body, name, make, dtype, launch, seed=seed)
    except Exception as error:
        why = cannot_run(error) if launch is not None else None
        if why:
            raise _CannotRun(why) from error
        return Checked(body, dtype.name, name, np.inf, f"{type(error).__name__}: {error}")


def _table(found: list[Verdict]) -> list[str]:
    head = [text(f"kernels.check.{column}") for column in ("what", "dtypes", "calls", "error", "verdict")]
    return aligned([head, *map(_row, found)])


def _row(verdict: Verdict) -> list[str]:
    ran = [each for each in verdict.checked if each.covered]
    worst = max((each.error for each in ran), default=0.0)
    word = "not_run" if verdict.not_run else "wrong" if verdict.failed else "right"
    dtypes = " ".join(dict.fromkeys(each.dtype for each in ran)) or "–"
    return [str(verdict.body), dtypes, str(len(ran)), f"{worst:.2f}" if ran else "–", text(f"kernels.check.{word}")]
