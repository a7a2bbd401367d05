"""`tinygrad-zh kernels run NAME --thread X,Y,Z --block X,Y,Z`: the lines that one CUDA thread runs, with the values."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from tinygrad_zh.i18n import pad, text
from tinygrad_zh.kernels.commands.choosing import EMULATED, launcher, one_sentence
from tinygrad_zh.kernels.commands.launches import Launch, Noted
from tinygrad_zh_kernels import Arguments, Body

Place = tuple[int, int, int]
PLACE, SOURCE = 15, 70  # cells: of "common.cuh:41", and of a line of code


def add_thread(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--thread", type=place, metavar="X,Y,Z", help=text("cli.kernels.run.thread"))
    parser.add_argument("--block", type=place, metavar="X,Y,Z", default=(0, 0, 0), help=text("cli.kernels.run.block"))
    parser.add_argument("--steps", type=int, default=100, metavar="N", help=text("cli.kernels.run.steps"))


def place(word: str) -> Place:
    """3 or 3,1 or 3,1,0 is (3, 1, 0). Raises ValueError for anything else."""
    x, y, z, *more = (*map(int, word.split(",")), 0, 0)
    if len(more) > 2 or min(x, y, z) < 0:
        raise ValueError(f"a place is X, or X,Y, or X,Y,Z, not {word}")
    return x, y, z


def show_steps(body: Body, given: Arguments, device: str, arguments: argparse.Namespace) -> int:
    """Run the body in the emulator with one thread watched, and print what that thread did, up to a failure too."""
    if device != EMULATED:
        raise ValueError(text("kernels.steps.device", body=body, device=device))
    with one_sentence():
        from tinygrad_zh_kernels.emulated import Thread
    launch = launcher(EMULATED, order=arguments.order, watch=Thread(arguments.block, arguments.thread))
    noted = Noted(launch)
    failure = None
    try:
        body.run(noted, given)
    except RuntimeError as error:
        failure = error
    if failure is None and not any(_has(each, arguments.block, arguments.thread) for each in noted.launches):
        raise ValueError(text("kernels.steps.none", thread=arguments.thread, block=arguments.block,
                              launches="; ".join(map(str, noted.launches)) or "–"))
    print(text("kernels.steps.what", body=body, thread=arguments.thread, block=arguments.block))
    shown = launch.steps[: arguments.steps or None]
    print("\n".join(lines(shown, noted)))
    if len(shown) < len(launch.steps):
        print(text("kernels.steps.more", count=len(launch.steps) - len(shown)))
    if failure is not None:
        print(text("cli.error", message=" ".join(str(failure).split())), file=sys.stderr)
    return 0 if failure is None else 1


def _has(launched: Launch, block: Place, thread: Place) -> bool:
    """Whether there is such a thread in a launch."""
    return all(i < n for places, sizes in ((block, launched.grid), (thread, launched.block))
               for i, n in zip(places, (*sizes, 1, 1), strict=False))


def lines(steps: list[Any], noted: Noted) -> Iterator[str]:
    """A line a step: where it is, the code, where it is another line than before, and the values."""
    launched, before = None, None
    for step in steps:
        if step.launch != launched:
            launched, before = step.launch, None
            yield f"\n{noted.launches[launched]}"
        where = f"{step.file}:{step.line}"
        code = step.source if where != before else ""
        before = where
        values = "  ".join(f"{name} = {shown(value)}" for name, value in step.values.items())
        yield f"  {pad(where, PLACE)}  {pad(shortened(code), SOURCE)}  {values}".rstrip()
        if step.event:
            yield f"  {' ' * PLACE}  {' ' * SOURCE}  ⇄ {step.event}"


def shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def shortened(code: str) -> str:
    return code if len(code) <= SOURCE else code[: SOURCE - 1] + "…"
