"""Every loop of the kernels on the CPU computes in whole vector registers, or is listed here with the reason why not.

What LLVM makes of a loop nobody sees: one call, one max, one stride that might not be 1, and it runs eight to sixteen
times slower with the same results. A new body is tested by existing: all that it runs is found by itself.
"""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")

import tinygrad_zh_kernels as library
from tests.support import machine_code
from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

PACKAGE = "tinygrad_zh_kernels"
Function = machine_code.Dispatcher
Functions = dict[str, Function]

LESSON = "a first attempt, shown beside what is better"
SERIAL = {  # how many loops of a function are not in the widest registers, and why
    "softmax.cpu._loops": (3, LESSON),
    "matmul.cpu._naive": (1, LESSON),
    "conv2d.cpu._loops": (1, LESSON),
    "softmax.cpu.row_max": (1, "in half registers: in a short row less is left over"),
    "cross_entropy.cpu._forward": (1, "a logarithm for each row, by the C library"),
    "conv2d.cpu._add_columns": (1, "with a stride above 1 the pixels lie apart"),
    "conv2d.direct._one_by_one": (1, "only for images with nan or infinity"),
    "pooling.cpu._avg_backward": (1, "with a stride above 1 the pixels lie apart"),
    "pooling.cpu._max_of_each": (1, "for rows that are no vector wide: a window after the other"),
    "pooling.cpu._max_backward_of_each": (2, "every window adds to a pixel of its own choice"),
    "pooling.cpu._max_backward_of_quarters": (1, "stores to every other pixel, which LLVM leaves one by one"),
    "dropout.cpu._block": (1, "64-bit products with their upper halves: there is no such vector instruction"),
}


@pytest.fixture(scope="module")
def register() -> str:
    found = machine_code.widest()
    if found is None:
        pytest.skip("this processor has neither AVX2 nor AVX-512 (reads the machine code of x86-64)")
    return found


@pytest.fixture(scope="module")
def functions() -> Functions:
    """All that Numba compiles for the CPU, after each body has run once."""
    rng, dtype = np.random.default_rng(0), np.dtype(np.float32)
    for contract in library.kernels().values():
        size = tuple(high for _, high in contract.limits)
        for body in library.bodies(contract).values():
            if body.device == "cpu":
                arguments = contract.arguments(rng, dtype, size)
                assert body.accepts(*arguments.arrays, **arguments.keywords), f"{body} does not cover {size}"
                body.run(None, arguments)
    found = {name.removeprefix(f"{PACKAGE}."): function for name, function in machine_code.dispatchers(PACKAGE).items()
             if not function.targetoptions.get("parallel")}
    return {name: function for name, function in found.items() if not name.startswith("tiled.")}  # vectors written out


@pytest.fixture(scope="module")
def code(functions: Functions) -> dict[str, list[str]]:
    return {name.removeprefix(f"{PACKAGE}."): bodies
            for name, bodies in machine_code.compiled(functions.values()).items()}


def missing(functions: Functions, code: dict[str, list[str]], register: str) -> list[str]:
    """What is not as it should be, a sentence each."""
    names = {function: name for name, function in functions.items()}

    def wanted(function: Function) -> int:
        """Loops that are to be in these registers: its own, and those of functions that it has taken in."""
        reached.add(function)
        serial, _ = SERIAL.get(names[function], (0, ""))
        taken_in = [callee for callee in machine_code.callees(function) if callee in names
                    and (callee.targetoptions.get("forceinline") or names[callee] not in code)]
        return machine_code.computing_loops(function) - serial + sum(map(wanted, taken_in))

    reached: set[Function] = set()
    problems = []
    for name, bodies in code.items():
        if name in functions:
            loops, found = wanted(functions[name]), min(machine_code.vector_loops(body, register) for body in bodies)
            if found < loops:
                problems.append(f"{name} has {found} loops in {register} registers, not {loops}")
    return problems + [f"{names[function]} was not compiled: no body comes to it on its kernel's arguments"
                       for function in names if function not in reached and machine_code.computing_loops(function)]


@pytest.mark.slow  # it compiles each of them
def test_every_loop_that_computes_does_it_in_the_widest_registers(functions, code, register) -> None:
    problems = missing(functions, code, register)
    assert not problems, "\n".join(problems)
    assert sum(map(machine_code.computing_loops, functions.values())) > 60


def test_what_is_listed_is_there(functions) -> None:
    assert not set(SERIAL) - set(functions)


# ---- the check itself can fail


@kernel(cache=False)
def _in_vectors(y, x):
    use_widest_vectors()
    for i in range(x.size):
        y[i] = x[i] * x[i] + x[i]
    for i in range(x.size):
        y[i] = max(x[i], y[i])


@kernel(cache=False)
def _one_loop_of_two(y, x):
    use_widest_vectors()
    for i in range(x.size):
        y[i] = x[i] * x[i] + x[i]
    total = x.dtype.type(1)
    for i in range(x.size):
        total = total / (x[i] + total)
    y[0] = total


@kernel(cache=False)
def _in_half_registers(y, x):
    for i in range(x.size):
        y[i] = x[i] * x[i] + x[i]


@pytest.mark.parametrize(("function", "seen"), [(_in_vectors, 0), (_one_loop_of_two, 1), (_in_half_registers, 1)])
def test_a_loop_that_is_not_in_vectors_is_seen(function, seen, register) -> None:
    if function is _in_half_registers and register == "ymm":
        pytest.skip("without AVX-512 there are no wider registers")
    x = np.ones(100, np.float32)
    function(np.empty_like(x), x)
    name = machine_code.full_name(function)
    assert len(missing({name: function}, machine_code.compiled([function]), register)) == seen
