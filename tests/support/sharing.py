"""Run by itself, with NUMBA_NUM_THREADS=2: how every body on the CPU shares its work, as JSON.

    layer       what runs Numba's parallel loops
    parallel    the functions with a parallel loop, and whether the loop is parallel in the machine code
    bodies      which of them a body called, what it gave each thread, whether the result is that of one thread
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
import numpy as np

import tinygrad_zh_kernels as library
from tests.support import machine_code
from tinygrad_zh_kernels import Body, threads

PACKAGE = "tinygrad_zh_kernels"
Driver = machine_code.Dispatcher


def drivers() -> dict[str, Driver]:
    """The functions with a parallel loop, by name, but for the one that runs what is called by address."""
    return {name.removeprefix(f"{PACKAGE}."): function for name, function in machine_code.dispatchers(PACKAGE).items()
            if function.targetoptions.get("parallel") and function is not threads._shared}


@contextmanager
def replaced(names: dict[str, Any], name: str, value: Any) -> Iterator[None]:
    """A module's variable with another value for a while."""
    before, names[name] = names[name], value
    try:
        yield
    finally:
        names[name] = before


def shares(driver: Driver, arguments: tuple[Any, ...]) -> list[bool]:
    """For each thread, whether it is given anything to do, found by running the loop in Python with a stand-in for
    what the threads run."""
    given: list[bool] = []

    def stand_in(*share: Any) -> None:
        first, last = share[-2:]
        given.append(first < last if isinstance(last, int) and isinstance(first, int) else share[0].size > 0)

    (work,) = [node.value.func.id for node in ast.walk(machine_code.tree(driver))
               if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)]
    with replaced(driver.py_func.__globals__, work, stand_in):
        driver.py_func(*arguments)
    return given


def watched(name: str, driver: Driver, called: dict[str, list[bool]]) -> Callable[..., None]:
    def run(*arguments: Any) -> None:
        called[name] = shares(driver, arguments)
        driver(*arguments)

    return run


def observe(body: Body, size: tuple[int, ...], called: dict[str, list[bool]]) -> bool:
    """Run a body with two threads and with one; whether the results are the same."""
    results = []
    for count in (2, 1):
        numba.set_num_threads(count)
        found = body.run(None, body.kernel.arguments(np.random.default_rng(0), np.dtype(np.float32), size))
        results.append([x.tobytes() for x in (found if isinstance(found, tuple) else (found,)) if x is not None])
        if count == 2:
            seen = dict(called)
    return results[0] == results[1] and called == seen  # one thread calls no parallel loop


def main() -> None:
    report: dict[str, Any] = {"bodies": {}}
    on_cpu = [body for kernel in library.kernels().values() for body in library.bodies(kernel).values()
              if body.device == "cpu"]
    every, called = drivers(), {}
    for name, driver in every.items():
        names = driver.py_func.__globals__
        names[driver.py_func.__name__] = watched(name, driver, called)
    for body in on_cpu:
        called.clear()
        for size in body.kernel.sizes[:2]:
            same = observe(body, size, called)
            if called:
                break
        report["bodies"][str(body)] = {"called": dict(called), "same": same}
    report["layer"] = numba.threading_layer()
    report["parallel"] = {name: "parallel_for" in machine_code.text(driver) for name, driver in every.items()}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
