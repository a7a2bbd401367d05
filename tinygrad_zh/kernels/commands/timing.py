"""`tinygrad-zh kernels time`: a quick table of what the bodies take, beside their formula."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from tinygrad_zh.i18n import aligned, text
from tinygrad_zh.kernels.commands.choosing import CPU, CUDA, add_file, add_names, chosen, launcher, load, size
from tinygrad_zh.kernels.ways import FORMULA, ways
from tinygrad_zh_kernels import Arguments, Kernel, timing, units


class Timed(NamedTuple):
    """One body at one size."""

    kernel: Kernel
    body: str
    size: tuple[int, ...]
    timing: timing.Timing
    cost: timing.Cost


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_names(parser)
    parser.add_argument("--device", choices=(CPU, CUDA), default=CPU, help=text("cli.kernels.time.device"))
    parser.add_argument("--size", type=size, metavar="4096x1000", help=text("cli.kernels.time.size"))
    parser.add_argument("--dtype", choices=("float16", "float32", "float64"), default="float32",
                        help=text("cli.kernels.run.dtype"))
    parser.add_argument("--seconds", type=float, default=0.3, metavar="0.3", help=text("cli.kernels.time.seconds"))
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    own = load(arguments.file)
    kernels = chosen(arguments.names)
    if own and not arguments.names:
        kernels = list(dict.fromkeys(body.kernel for body in own))
    rows = list(measure(kernels, arguments.device, arguments.size, np.dtype(arguments.dtype), arguments.seconds))
    head = [text(f"kernels.time.{column}") for column in ("what", "size", "time", "bytes", "flops", "faster")]
    print("\n".join(aligned([head, *_lines(rows)])))
    print(text("kernels.time.note", command="python -m benchmarks kernels"))
    return 0


def measure(kernels: list[Kernel], device: str, size: tuple[int, ...] | None, dtype: np.dtype[Any],
            seconds: float) -> Iterator[Timed]:
    """Every body of a device, and the formula, in turn."""
    launch = launcher(device)
    clock = timing.EventClock(_cupy()) if device == CUDA else timing.wall_clock
    for kernel in tqdm(kernels, disable=not sys.stderr.isatty(), leave=False):
        if size is not None and len(size) != len(kernel.limits):
            raise ValueError(text("kernels.run.size", kernel=kernel, count=len(kernel.limits),
                                  size="x".join(map(str, kernel.sizes[0])), given="x".join(map(str, size))))
        at = size or kernel.sizes[0]
        given = kernel.arguments(np.random.default_rng(0), dtype, at)
        if launch is not None and hasattr(launch, "array"):
            given = Arguments(tuple(map(launch.array, given.arrays)), given.keywords)
        calls = ways(kernel, [given], device, launch)
        cost = timing.cost(kernel, given, calls[FORMULA[device]]())
        for name, took in timing.interleaved(calls, seconds=seconds, clock=clock).items():
            yield Timed(kernel, name, at, took, cost)


def _lines(rows: list[Timed]) -> Iterator[list[str]]:
    plain = {(row.kernel, row.size): row.timing.seconds for row in rows if row.body in FORMULA.values()}
    for row in rows:
        seconds = row.timing.seconds
        yield [f"{row.kernel} {row.body}", "×".join(map(str, row.size)), units.duration(seconds),
               units.rate(row.cost.bytes / seconds), units.rate(row.cost.flops / seconds, "FLOP"),
               f"{plain[row.kernel, row.size] / seconds:.2f}×"]


def _cupy() -> Any:
    import cupy

    return cupy
