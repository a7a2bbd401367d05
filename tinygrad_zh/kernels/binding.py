"""use_kernels: for a while, faster bodies run in the formulas' place, where they cover what comes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

import tinygrad_zh_kernels as library
from tinygrad_zh.core.mode import using
from tinygrad_zh.ops.formula import all_ops
from tinygrad_zh_kernels import Arguments, Body, Kernel
from tinygrad_zh_kernels.kernel import registrations

FORMULAS = "formulas"
"""The name under which no kernel is chosen."""


@cache
def _ops() -> dict[str, Any]:
    return {op.__name__: op for op in all_ops()}


def formula(kernel: Kernel) -> Callable[..., Any]:
    """The op's function that a kernel replaces: Softmax.forward for "softmax.forward". 中文：所替代的公式。

    Raises LookupError where the engine has no such function.
    """
    op, _, function = kernel.formula.partition(".")
    found = getattr(_ops().get(op), function, None)
    if found is None:
        raise LookupError(f"kernel {kernel} replaces {kernel.formula}, which the engine does not have")
    return found


def known() -> tuple[str, ...]:
    """Every name that use_kernels knows: of all bodies, and "formulas"."""
    found = {name for kernel in library.kernels().values() for name in library.bodies(kernel)}
    return (FORMULAS, *sorted(found))


@contextmanager
def use_kernels(*names: str) -> Iterator[None]:
    """Within the block the formulas' work is done by these bodies, where they cover it. 中文：选用计算核。

    "numba" on the CPU; "cuda-c", "numba-cuda" on CUDA. With several names the first that covers a call is taken, and
    where none does the formula runs: dtypes, shapes and memory layouts that a body does not cover are no error. It also
    runs where an array is so small that the body says the formula takes less time (`Body.least`).
    "formulas" takes all kernels away. Results agree with the formulas' to rounding. Raises ValueError for a name that
    no body has.

    >>> import tinygrad_zh as tz
    >>> x = tz.tensor([[1.0, 2.0, 3.0]])
    >>> with tz.use_kernels("numba"):
    ...     y = tz.functional.softmax(x)
    >>> y
    tensor([[0.09003057, 0.24472848, 0.66524094]])
    """
    bound = _bound(names, registrations()) if names != (FORMULAS,) else None  # then Numba is not even imported
    with using(kernels=bound or None):
        yield


def chosen(names: str | None = None) -> tuple[str, ...]:
    """Names of kernels out of "numba, cuda-c": those given, else TINYGRAD_ZH_KERNELS, else the formulas."""
    given = names or os.environ.get("TINYGRAD_ZH_KERNELS") or FORMULAS
    return tuple(name.strip() for name in given.split(","))


@cache
def _bound(names: tuple[str, ...], registered: int) -> Mapping[Callable[..., Any], Callable[..., Any]]:
    """{formula: what runs in its place}, for the bodies that there are."""
    for name in names:
        if name not in known():
            raise ValueError(f"there are no kernels {name!r}; there are {', '.join(known())}")
    table = {}
    for kernel in library.kernels().values():
        bodies = library.bodies(kernel)
        wanted = [bodies[name] for name in names if name in bodies]
        if wanted:
            table[formula(kernel)] = _first_that_covers(wanted, formula(kernel))
    return table


def _first_that_covers(bodies: list[Body], otherwise: Callable[..., Any]) -> Callable[..., Any]:
    on_cpu, on_cuda = ([body for body in bodies if body.device == device] for device in ("cpu", "cuda"))

    def run(*arrays: Any, **keywords: Any) -> Any:
        for x in arrays:
            if type(x) is not np.ndarray and type(x) is not tuple:
                for body in on_cuda:
                    if body.accepts(*arrays, **keywords):
                        return body.run(_launcher(), Arguments(arrays, keywords))
                return otherwise(*arrays, **keywords)
        for body in on_cpu:
            if (not body.least or arrays[0].size >= body.least) and body.accepts(*arrays, **keywords):
                return body.function(*body.laid_out(arrays), **keywords)
        return otherwise(*arrays, **keywords)

    return run


def _launcher() -> Any:
    from tinygrad_zh_kernels.gpu import launcher  # CuPy stays off the import path

    return launcher()
