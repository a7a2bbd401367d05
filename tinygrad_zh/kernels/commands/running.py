"""`tinygrad-zh kernels run NAME`: one call of one body: its launches, its result, its deviation from the formula."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.i18n import language, text, wrap
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
    given = make(np.random.default_rng(arguments.seed), dtype)
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
    for launched in noted.launches if noted else ():
        print(text("kernels.run.launch", launch=launched))
    for each in result if isinstance(result, tuple) else (result,):
        print("\n" + np.array2string(np.asarray(each), precision=6, threshold=100, max_line_width=WIDTH))
    print("\n" + "\n".join(wrap(text("kernels.run.wrong", problem=checked.problem) if checked.problem else
                                text("kernels.run.right", error=checked.error * kernel.tolerated(dtype),
                                     tolerated=kernel.tolerated(dtype)), WIDTH)))
    return 1 if checked.problem else 0


def _one(kernels: list[Kernel]) -> Kernel:
    """A room's forward stands for the room."""
    return next((kernel for kernel in kernels if kernel.name.endswith(".forward")), kernels[0])


def _first(kernel: Kernel, own: tuple[Body, ...], device: str | None) -> str:
    """The user's own body, or the first that runs on the device."""
    mine = [body for body in own if body.kernel is kernel]
    wanted = [body for body in mine or library.bodies(kernel).values()
              if device is None or (body.device == CPU) == (device == CPU)]
    return wanted[0].name if wanted else "–"


def _call(kernel: Kernel, size: tuple[int, ...] | None, case: str | None) -> tuple[str, Make]:
    """The named case, or random numbers: of the size that is asked for, or of a small one."""
    if case is not None:
        if case not in kernel.cases:
            raise ValueError(text("kernels.run.no_case", kernel=kernel, case=case, cases=", ".join(kernel.cases)))
        return case, kernel.cases[case]
    size = size or tuple(min(high, 10) if i else min(high, 4) for i, (_, high) in enumerate(kernel.limits))
    if len(size) != len(kernel.limits):
        raise ValueError(text("kernels.run.size", kernel=kernel, count=len(kernel.limits),
                              size="x".join(map(str, kernel.sizes[0])), given="x".join(map(str, size))))
    return " × ".join(map(str, size)), lambda rng, dtype: kernel.arguments(rng, dtype, size)


def _on_device(body: Body, given: Arguments, launch: Any) -> Any:
    """The result as NumPy arrays, wherever the body ran."""
    if launch is None or not hasattr(launch.launch, "array"):
        return body.run(launch, given)
    result = body.run(launch, Arguments(tuple(map(launch.array, given.arrays)), given.keywords))
    return tuple(each if each is None else each.get() for each in (result if isinstance(result, tuple) else (result,)))
