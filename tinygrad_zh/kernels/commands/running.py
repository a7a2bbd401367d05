"""`tinygrad-zh kernels run NAME`: one call of one body: its launches, its result, its deviation from the formula."""

from __future__ import annotations

import argparse
import inspect
import re
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import language, text, wrap
from tinygrad_zh.kernels.binding import formula
from tinygrad_zh.kernels.checking import Make, check_call
from tinygrad_zh.kernels.commands.choosing import (
    CPU,
    CUDA,
    EMULATED,
    add_file,
    body_of,
    chosen,
    device_for,
    launcher,
    load,
    one_sentence,
    size,
)
from tinygrad_zh.kernels.commands.launches import Noted
from tinygrad_zh.kernels.commands.stepping import add_thread, show_steps
from tinygrad_zh_kernels import Arguments, Body, Kernel

DTYPES = ("float16", "float32", "float64")
WIDTH = 110
VERSION = re.compile(r"-\d+-")  # in the name of a body that is on the way to another


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar=text("cli.kernels.name"), help=text("cli.kernels.one"))
    parser.add_argument("--body", metavar="cuda-c", help=text("cli.kernels.run.body"))
    parser.add_argument("--device", choices=(CPU, EMULATED, CUDA), help=text("cli.kernels.run.device"))
    parser.add_argument("--size", type=size, metavar="4x10", help=text("cli.kernels.run.size"))
    parser.add_argument("--case", metavar=text("cli.kernels.name"), help=text("cli.kernels.run.case"))
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help=text("cli.kernels.run.dtype"))
    parser.add_argument("--order", type=int, default=0, metavar="N", help=text("cli.kernels.order"))
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=text("cli.kernels.seed"))
    add_thread(parser)
    add_file(parser)


def run(arguments: argparse.Namespace) -> int:
    own = load(arguments.file)
    kernel = _one(chosen([arguments.name]))
    body = body_of(kernel, arguments.body or _first(kernel, own, arguments.device))
    device = device_for(body, arguments.device)
    name, make = _call(kernel, arguments.size, arguments.case)
    dtype = np.dtype(arguments.dtype)
    try:
        given = make(np.random.default_rng(arguments.seed), dtype)
    except MemoryError:
        raise ValueError(text("kernels.run.too_large", call=name)) from None
    if not body.accepts(*given.arrays, **given.keywords):
        raise ValueError(text("kernels.run.not_covered", body=body, dtype=dtype, call=name))
    if arguments.thread is not None:
        return show_steps(body, given, device, arguments)

    launch = launcher(device, **({"order": arguments.order} if device == EMULATED else {}))
    noted = Noted(launch) if launch is not None else None
    with one_sentence(), np.errstate(all="ignore"):  # a nan among the cases is meant
        result = _on_device(body, given, noted)
        checked = check_call(body, name, make, dtype, launch, seed=arguments.seed)
    print(text("kernels.run.what", body=body, device=device, dtype=dtype, call=name))
    print("\n".join(wrap(body.adds[language() == "zh"], WIDTH)))
    for parameter, value in zip(inspect.signature(formula(kernel)).parameters, given.arrays, strict=False):
        print(f"\n{parameter} =\n{_shown(value)}")
    for launched in noted.launches if noted else ():
        print("\n" + text("kernels.run.launch", launch=launched))
    for each in result if isinstance(result, tuple) else (result,):
        print(f"\n→\n{_shown(each)}")
    print("\n" + "\n".join(wrap(text("kernels.run.wrong", problem=checked.problem) if checked.problem else
                                text("kernels.run.right", error=checked.error * kernel.tolerated(dtype),
                                     tolerated=kernel.tolerated(dtype)), WIDTH)))
    return 1 if checked.problem else 0


def _shown(value: Any) -> str:
    return np.array2string(np.asarray(value), precision=6, threshold=60, edgeitems=2, max_line_width=WIDTH)


def _one(kernels: list[Kernel]) -> Kernel:
    """A room's forward stands for the room."""
    return next((kernel for kernel in kernels if kernel.name.endswith("forward")), kernels[0])


def _first(kernel: Kernel, own: tuple[Body, ...], device: str | None) -> str:
    """The user's own body, or the best that runs on the device: the first that is no version on the way to another."""
    mine = [body for body in own if body.kernel is kernel]
    wanted = [body for body in mine or library.bodies(kernel).values()
              if device is None or (body.device == CPU) == (device == CPU)]
    names = [body.name for body in wanted]
    return next((name for name in names if not VERSION.search(name)), names[-1] if names else "–")


def _call(kernel: Kernel, size: tuple[int, ...] | None, case: str | None) -> tuple[str, Make]:
    """The named case, or random numbers: of the size that is asked for, or of a small one."""
    if case is not None:
        if case not in kernel.cases:
            raise ValueError(text("kernels.run.no_case", kernel=kernel, case=case, cases=", ".join(kernel.cases)))
        return case, kernel.cases[case]
    size = size or tuple(min(high, small) for (_, high), small in zip(kernel.limits, _small(kernel), strict=True))
    if len(size) != len(kernel.limits):
        raise ValueError(text("kernels.run.size", kernel=kernel, count=len(kernel.limits),
                              size="x".join(map(str, kernel.sizes[0])), given="x".join(map(str, size))))
    return " × ".join(map(str, size)), lambda rng, dtype: kernel.arguments(rng, dtype, size)


def _small(kernel: Kernel) -> tuple[int, ...]:
    """Lengths whose numbers can be read on a terminal."""
    count = len(kernel.limits)
    return (4, 10)[:count] if count < 3 else (2, 2, 3, 3)[-count:] if count < 5 else (2,) * count


def _on_device(body: Body, given: Arguments, launch: Any) -> Any:
    """The result as NumPy arrays, wherever the body ran."""
    if launch is None or not hasattr(launch.launch, "array"):
        return body.run(launch, given)
    result = body.run(launch, Arguments(tuple(map(launch.array, given.arrays)), given.keywords))
    return tuple(each if each is None else each.get() for each in (result if isinstance(result, tuple) else (result,)))
