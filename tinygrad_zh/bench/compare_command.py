"""`tinygrad-zh bench compare A.json B.json`: exit status 1 if B is slower than A."""

from __future__ import annotations

import argparse
import math

from tinygrad_zh.bench.comparing import Change, Comparison, compare, differences
from tinygrad_zh.bench.results import Results, read
from tinygrad_zh.i18n import aligned, text
from tinygrad_zh_kernels import units

MOST = 10  # names of rows that only one file has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="A.json", help=text("cli.bench.before"))
    parser.add_argument("after", metavar="B.json", help=text("cli.bench.after"))
    parser.add_argument("--tolerance", type=share, default=0.05, metavar="5%", help=text("cli.bench.tolerance"))
    parser.add_argument("--any-machine", action="store_true", help=text("cli.bench.any_machine"))


def share(word: str) -> float:
    """5% and 0.05 are 0.05. Raises ValueError for what is no number at or above 0."""
    value = float(word.removesuffix("%")) / (100 if word.endswith("%") else 1)
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"a tolerance is a share at or above 0, not {word}")
    return value


def run(arguments: argparse.Namespace) -> int:
    before, after = read(arguments.before), read(arguments.after)
    found = compare(before, after, arguments.tolerance, arguments.any_machine)
    print("\n".join(_table(found)))
    for line in [*_facts(before, after), *_unmatched(found), _verdict(found, arguments.tolerance)]:
        print(line)
    return 1 if found.slower else 0


def _table(found: Comparison) -> list[str]:
    head = [text(f"bench.{column}") for column in ("row", "before", "after", "ratio", "verdict")]
    return aligned([head, *(_line(change) for change in found.changes)])


def _line(change: Change) -> list[str]:
    verdict = "slower" if change.slower else "faster" if change.faster else "same"
    return [change.key, units.duration(change.before), units.duration(change.after), f"{change.ratio:.2f}",
            text(f"bench.{verdict}")]


def _facts(before: Results, after: Results) -> list[str]:
    facts = tuple(dict.fromkeys([*before.machine, *after.machine]))
    return [text("bench.fact", fact=fact, before=one, after=other)
            for fact, (one, other) in differences(before.machine, after.machine, facts).items()]


def _unmatched(found: Comparison) -> list[str]:
    lines = []
    for key, rows in (("bench.gone", found.gone), ("bench.new", found.new)):
        if rows:
            names = ", ".join(rows[:MOST]) + (" …" if len(rows) > MOST else "")
            lines.append(text(key, count=len(rows), names=names))
    return lines


def _verdict(found: Comparison, tolerance: float) -> str:
    if not found.slower:
        return text("bench.passed", count=len(found.changes), tolerance=tolerance)
    worst = found.slower[0]
    return text("bench.failed", count=len(found.changes), slower=len(found.slower), tolerance=tolerance,
                worst=worst.key, ratio=worst.ratio)
