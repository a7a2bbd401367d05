"""What the bodies were compiled to: the machine code of those on the CPU, the PTX of those on CUDA."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.disk import whole_file
from tinygrad_zh_kernels import Body, Kernel


def assembly(kernels: list[Kernel], folder: Path) -> None:
    """One file a jitted function that ran, with the machine code of every signature. Nothing without Numba."""
    done = set()
    for body in _bodies(kernels, "cpu"):
        for name, function in _jitted(body):
            if function not in done and function.signatures:
                done.add(function)
                module = body.function.__module__.removeprefix("tinygrad_zh_kernels.")
                _put(folder / f"{module}.{name}.s", _machine_code(function))


def _machine_code(function: Any) -> str:
    """Of a function that is compiled anew: what comes from Numba's cache cannot be looked into."""
    anew = type(function)(function.py_func, targetoptions=function.targetoptions)
    for signature in function.signatures:
        anew.compile(signature)
    return "\n\n".join(f"# {signature}\n{code}" for signature, code in anew.inspect_asm().items())


def ptx(kernels: list[Kernel], folder: Path, cc: tuple[int, int] = (9, 0)) -> None:
    """One file a .cu file, and one a Numba CUDA kernel, compiled for float32 without a GPU.

    cc: the compute capability, (9, 0) for an H100.
    Raises RuntimeError, in one sentence, where what compiles them is missing.
    """
    from tinygrad_zh_kernels import offline
    from tinygrad_zh_kernels.offline.launches import launches

    cuda_c, numba_cuda = launches(kernels)
    for file in dict.fromkeys(launch.file for launch in cuda_c):
        _put(folder / f"{file.parent.name}.{file.stem}.ptx", offline.nvrtc(file, "float32", "sm_{}{}".format(*cc)).ptx)
    for function, arguments in {launch.kernel: launch.arguments for launch in numba_cuda
                                if launch.dtype == "float32"}.items():
        module = function.py_func.__module__.rpartition("tinygrad_zh_kernels.")[2]
        _put(folder / f"{module}.{function.__name__}.ptx", offline.ptx(function, arguments, cc))


def _bodies(kernels: list[Kernel], device: str) -> Iterator[Body]:
    for kernel in kernels:
        for body in library.bodies(kernel).values():
            if body.device == device:
                small = kernel.arguments(np.random.default_rng(0), np.dtype("float32"),
                                         tuple(high for _, high in kernel.limits))
                body.run(None, small)  # compiled at the latest now
                yield body


def _jitted(body: Body) -> Iterator[tuple[str, Any]]:
    """The functions of a body's file that Numba has compiled, and those of yours that it calls."""
    module = sys.modules.get(body.function.__module__)
    names = vars(module) if module else inspect.unwrap(body.function).__globals__
    for name, value in names.items():
        if hasattr(value, "inspect_asm") and value.py_func.__module__ == body.function.__module__:
            yield name, value


def _put(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as beside:
        beside.write_text(content + "\n", encoding="utf-8")
    print(path)
