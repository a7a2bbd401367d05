"""The simulator and the contracts' calls catch every mistake that is put into a Numba CUDA kernel."""

from __future__ import annotations

from functools import cache
from types import FunctionType

import numpy as np
import pytest

import tinygrad_zh_kernels as library
from tests.kernels.simulator.mutants import Mutant, functions, mutants, patience
from tests.support.cuda import emulated_launcher
from tinygrad_zh.kernels import calls, check_call
from tinygrad_zh.kernels.checking import Make
from tinygrad_zh_kernels import Body
from tinygrad_zh_kernels.offline.launches import launches
from tinygrad_zh_kernels.simulator import KernelError, rebinding

FLOAT32 = np.dtype(np.float32)

NO_COLUMN, NO_KEY = "a column past the last, which is not there", "a round more, without a key in it"
EQUIVALENT = {
    "activation.cuda.relu_forward: x[i] < T(0) → x[i] <= T(0)": "of 0 it makes 0",
    "attention.cuda.attend: higher > T(-math.inf) → higher >= T(-math.inf)": "no call has 32 scores of −∞ side by side",
    "attention.cuda.attend: range(0, end, WARP) → range(0, end + 1, WARP)": NO_KEY,
    "attention.cuda.attend: range(EACH) → range(EACH + 1)": NO_COLUMN,
    "attention.cuda.attention_backward_kv: range(EACH) → range(EACH + 1)": NO_COLUMN,
    "attention.cuda.attention_backward_kv: range(key if is_causal else 0, n, WARP) → "
    "range(key if is_causal else 0, n + 1, WARP)": NO_KEY,
    "attention.cuda.attention_backward_q: range(0, end, WARP) → range(0, end + 1, WARP)": NO_KEY,
    "attention.cuda.attention_backward_q: range(EACH) → range(EACH + 1)": NO_COLUMN,
    "bias_activation.cuda.relu_forward: z < T(0) → z <= T(0)": "of 0 it makes 0",
    "dropout.cuda.dropout_forward: first >= x.size → first > x.size": "all that it writes is past the end",
    "matmul.cuda.matmul_shared_tile: range(0, k, TILE) → range(0, k + 1, TILE)": "a tile more, all of zeros",
}


@cache
def users() -> dict[str, list[tuple[Body, FunctionType]]]:
    """Every function that runs on the GPU, and the bodies that run it, each with its own copy for float32."""
    bodies = {str(body): body for kernel in library.kernels().values() for body in library.bodies(kernel).values()}
    found: dict[str, list[tuple[Body, FunctionType]]] = {}
    for launch in launches()[1]:
        for function in functions(launch.kernel) if launch.dtype == "float32" else ():
            name = f"{function.__module__.removeprefix('tinygrad_zh_kernels.')}.{function.__name__}"
            if (pair := (bodies[launch.body], function)) not in found.setdefault(name, []):
                found[name].append(pair)
    return found


@cache
def small_first(body: Body) -> list[tuple[str, Make]]:
    """The calls of a contract: most mistakes show on a few numbers already."""
    def numbers(call: tuple[str, Make]) -> int:
        return sum(x.size for x in call[1](np.random.default_rng(0), FLOAT32).arrays if hasattr(x, "size"))

    return sorted(calls(body.kernel), key=numbers)


def caught(body: Body, mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether some call of the contract shows the mistake. One schedule will do: a race is found on any."""
    whole = rebinding.Rebinding.function

    def function(self, kernel):
        original = getattr(kernel, "py_func", kernel)
        return whole(self, mutant.function if original is mutant.original else kernel)

    with monkeypatch.context() as patch:
        patch.setattr(rebinding.Rebinding, "function", function)
        for name, make in small_first(body):
            patience.rounds = 0
            try:
                row = check_call(body, name, make, FLOAT32, emulated_launcher(body))
            except KernelError:
                return True
            if row.problem:
                return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", users())
def test_every_mistake_in_a_function_is_caught_in_some_body(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    survived = []
    for pairs in zip(*([(body, m) for m in mutants(f)] for body, f in users()[name]), strict=True):
        change = f"{name.rpartition('.')[0]}.{pairs[0][1].change}"
        if change not in EQUIVALENT and not any(caught(body, mutant, monkeypatch) for body, mutant in pairs):
            survived.append(change)
    assert not survived, "\n".join(survived)


def test_every_equivalent_mutant_is_one() -> None:
    changes = {f"{name.rpartition('.')[0]}.{mutant.change}" for name in users()
               for mutant in mutants(users()[name][0][1])}
    assert not EQUIVALENT.keys() - changes
