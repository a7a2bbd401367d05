"""Every way to compute a kernel, timed in turn: the rows of the tables and the points of the pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.places import Place
from tinygrad_zh.bench import Row
from tinygrad_zh.i18n import text
from tinygrad_zh.kernels.ways import ways
from tinygrad_zh.plot.crossover import Race, Times
from tinygrad_zh.plot.roofline import MARKS, Point
from tinygrad_zh_kernels import Arguments, Kernel, timing

Size = tuple[int, ...]
VERSION = re.compile(r"-\d+-")  # in the name of a body that is on the way to another


def sizes(kernel: Kernel, quick: bool) -> tuple[Size, ...]:
    """The contract's sizes and, to show from where on a body pays, the tests' largest; when quick that alone."""
    small = tuple(high for _, high in kernel.limits)
    return (small,) if quick else tuple(dict.fromkeys((small, *kernel.sizes)))


def measure(kernel: Kernel, size: Size, dtype: Any, place: Place, *, seconds: float = 0.3, transfers: bool = False,
            only: Sequence[str] = (), facts: dict[str, Any] | None = None) -> list[Row]:
    """A row a way, the formula's first. transfers: from the host to the device and back is in the time.

    only: the ways that are wanted; all by default. facts: what else tells these rows from others, as {"threads": 2}.
    """
    given = kernel.arguments(np.random.default_rng(0), np.dtype(dtype), size)
    copies = place.copies(given)
    calls = ways(kernel, copies, place.device, place.launch, place.formula)
    result = calls[place.formula]()
    cost = timing.cost(kernel, given, result)
    calls = {name: call for name, call in calls.items() if not only or name in only}
    if transfers:
        calls = {name: _with_transfers(call, given, place) for name, call in calls.items()}
    clock = timing.wall_clock if transfers else place.clock
    of = {"kernel": kernel.name, "size": list(size), "dtype": np.dtype(dtype).name, "device": place.name,
          **(facts or {}), **({"transfers": "with transfers"} if transfers else {})}
    return rows(of, timing.interleaved(calls, seconds=seconds, clock=clock), cost)


def rows(of: dict[str, Any], took: dict[str, timing.Timing], cost: timing.Cost) -> list[Row]:
    """A row a way; `of` says what they have in common."""
    return [Row({"kernel": of["kernel"], "body": name, **of}, each.seconds,
                {"low": each.low, "high": each.high, "rounds": each.rounds, "bytes": cost.bytes, "flops": cost.flops})
            for name, each in took.items()]


def _with_transfers(call: timing.Call, given: Arguments, place: Place) -> timing.Call:
    """The arguments go to the device, what is computed there is computed, and the results come back."""

    def run() -> None:
        place.put(given)
        place.get(call())
        place.synchronize()

    return run


def points(measured: Iterable[Row]) -> list[Point]:
    """Of the roofline: each kernel at the largest size that was timed."""
    by_kernel: dict[str, dict[str, Row]] = {}
    for row in sorted(measured, key=lambda row: row.figures["bytes"]):
        same = by_kernel.setdefault(row.of["kernel"], {})
        if same and next(iter(same.values())).of["size"] != row.of["size"]:
            same.clear()
        same[row.of["body"]] = row
    return [Point(row.of["kernel"], row.of["body"], row.figures["flops"] / max(row.figures["bytes"], 1),
                  row.figures["flops"] / row.seconds) for same in by_kernel.values() for row in same.values()]


def races(measured: Iterable[Row], pairs: Sequence[tuple[str, str]] = ()) -> list[Race]:
    """Of the crossover picture: a panel a kernel, seconds against the bytes that must move."""
    found: dict[str, dict[str, list[Row]]] = {}
    for row in measured:
        found.setdefault(row.of["kernel"], {}).setdefault(row.of["body"], []).append(row)
    return [Race(kernel, text("plot.bytes"), {name: _times(own) for name, own in by_name.items()}, pairs)
            for kernel, by_name in found.items()]


def _times(measured: Sequence[Row]) -> Times:
    by_bytes = {row.figures["bytes"]: row for row in sorted(measured, key=lambda row: row.figures["bytes"])}
    columns = ([row.seconds, row.figures["low"], row.figures["high"]] for row in by_bytes.values())
    return Times(list(by_bytes), *map(list, zip(*columns, strict=True)))


def drawable(measured: Iterable[Row]) -> list[Row]:
    """What a picture can tell apart: without the versions on the way where there are too many bodies."""
    kept = list(measured)
    if len({row.of["body"] for row in kept}) <= len(MARKS):
        return kept
    return [row for row in kept if not VERSION.search(row.of["body"])]
