"""Threads share large loops: no turn needs another's, sums are of parts, and the results are the same to the bit."""

from __future__ import annotations

import ast
import sys
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")

import tinygrad_zh as tz  # noqa: E402
from tests.program.native import interpreted  # noqa: E402
from tests.program.native.steps_of_training import compiled, trained  # noqa: E402
from tests.program.native.test_source import EVERYTHING, TRAINING, close  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh import nn  # noqa: E402
from tinygrad_zh.ops.indexing import scatter_add  # noqa: E402
from tinygrad_zh.optim import Adam  # noqa: E402
from tinygrad_zh.program.native import lowered, module, sums  # noqa: E402

ITEMS: Any = sys.modules["tinygrad_zh.program.native.items"]


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for home in (sums, ITEMS):
        monkeypatch.setattr(home, "MANY", 1)
    monkeypatch.setattr(sums, "ROWS", 2)
    monkeypatch.setattr(ITEMS, "FEW_SHARED", 1)


def items(program: str, values: dict[str, Any], wanted: set[str]) -> list[Any]:
    return lowered(ast.parse(program).body, values, wanted)  # type: ignore[arg-type]


def matrix(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


# ---- which loops

SHARED = {
    "each": "y = np.maximum(x + b, 0)",
    "rows": "y = np.exp(x - x.max(axis=1, keepdims=True))",
    "sums of rows": "y = (x * x).sum(axis=1)",
    "columns": "y = x.T * 2.0",
    "sums of middle axes": "y = x.reshape((6, 2, 4)).sum(axis=1)",
}
ALONE = {
    "buffer": "_e = np.exp(x)\ny = _e / _e.sum(axis=1, keepdims=True)",
    "scattered": "y = scatter_add(x, i, (9, 4))",
}


@pytest.mark.parametrize("program", SHARED.values(), ids=SHARED)
def test_a_loop_is_shared_if_no_turn_needs_another(program: str, all_are_large: None) -> None:
    values = {"x": matrix(12, 4), "b": matrix(4)}
    (item,) = items(program, values, {"y"})
    assert item.shared
    ((text,), (line,)) = item.definitions().values(), item.lines()
    assert "range(first, last)" in text
    assert line.startswith("share(task(")
    assert line.endswith("threads)")


@pytest.mark.parametrize("program", ALONE.values(), ids=ALONE)
def test_other_loops_are_not(program: str, all_are_large: None) -> None:
    values = {"x": matrix(12, 4), "i": np.arange(12) % 9, "scatter_add": scatter_add}
    assert not any(item.shared for item in items(program, values, {"y"}))


def test_a_number_that_is_updated_in_place_is_not_updated_by_each_thread(all_are_large: None) -> None:
    (item,) = items("t = k + 1\ny = x * t", {"x": matrix(12, 4), "k": np.ones((), np.float32)}, {"t", "y"})
    assert not item.shared


def test_small_loops_are_what_they_were() -> None:
    values = {"x": matrix(100, 10), "b": matrix(10)}
    (item,) = items("y = np.maximum(x + b, 0)\ns = y.sum(axis=0)", values, {"y", "s"})
    assert not item.shared
    assert "first" not in "".join(item.definitions().values())


# ---- sums


@pytest.mark.parametrize("total", ["x.sum()", "x.sum(axis=0)", "x.max(axis=0)", "(x > 0).sum()", "x[:, ::-1].min()",
                                   "x.T.sum(axis=0)", "x.reshape((6, 2, 4)).sum(axis=(0, 2))", "x.prod(axis=0)",
                                   "(x[1:] * x[:-1]).sum(axis=0)"])
def test_sums_of_parts_are_sums(total: str, all_are_large: None) -> None:
    values = {"x": matrix(12, 4)}
    result = interpreted.run(ast.parse(f"y = {total}").body, values, ["y"])["y"]  # type: ignore[arg-type]
    expected = np.asarray(eval(total, values))
    assert close(result.reshape(expected.shape), expected)


def test_a_sum_over_rows_is_of_parts_that_threads_share() -> None:
    first, second = items("s = x.sum(axis=0)", {"x": matrix(1000, 500)}, {"s"})
    assert first.kinds == {"_s_parts": ((50, 1, 500), np.dtype(np.float32))}
    assert first.shared
    assert not second.shared


def test_a_prime_number_of_rows_is_one_part() -> None:
    (item,) = items("s = x.sum(axis=0)", {"x": matrix(1009, 500)}, {"s"})
    assert not item.shared


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_everything_is_right_when_it_is_shared(dtype: type, all_are_large: None) -> None:
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 5), "W": (5, 17), "b": (17,), "V": (17, 3), "m0": (5, 17), "v0": (5, 17), "lr": ()}
    values: dict[str, Any] = {n: np.asarray(np.abs(rng.standard_normal(s)), dtype) for n, s in shapes.items()}
    values |= {"t": rng.integers(0, 3, 6), "k": np.asarray(2.0)}
    check(TRAINING, values, ["L", "dV", "db", "W1", "m", "v"])
    x = rng.standard_normal((4, 3)).astype(dtype)
    values = {"x": x, "row": x[0].copy(), "i": np.array([3, 0, -1, 3], np.int32), "scatter_add": scatter_add}
    check(EVERYTHING, values, list("acdefghjkln"))


def check(program: str, values: dict[str, Any], wanted: list[str]) -> None:
    space = {**values, "np": np}
    with np.errstate(all="ignore"):
        exec(program, space)
        results = interpreted.run(ast.parse(program).body, values, wanted)  # type: ignore[arg-type]
    for name in wanted:
        expected = np.asarray(space[name])
        assert close(results[name].reshape(expected.shape), expected), name


# ---- the number of threads changes nothing

LARGE = """
h = np.maximum(x + b, 0)
db = (h * x).sum(axis=0)
top = x.max(axis=1, keepdims=True)
L = (np.log(np.exp(x - top).sum(axis=1)) * 0.5).sum() + (x * x).sum()
"""


@pytest.fixture
def openmp() -> None:
    pytest.importorskip("numba.np.ufunc.omppool", reason="Numba was built without OpenMP here", exc_type=ImportError)


def test_results_are_those_of_one_thread_to_the_bit(openmp: None) -> None:
    values, wanted = {"x": matrix(603, 999), "b": matrix(999)}, ["h", "db", "L"]
    made = items(LARGE, values, set(wanted))
    assert sum(item.shared for item in made) >= 2
    lines, texts = interpreted.text(made)
    kinds = {name: kind for item in made for name, kind in (*item.kinds.items(), *item.temporaries.items())}
    found = []
    for threads in (1, 2, 3):
        arrays = values | {name: np.full(shape, np.nan, dtype) for name, (shape, dtype) in kinds.items()}
        module("program", ["threads", *arrays], lines, texts)(threads, *arrays.values())
        found.append([arrays[name].tobytes() for name in wanted])
    assert found[0] == found[1] == found[2]


def test_a_compiled_step_of_two_threads(openmp: None, all_are_large: None) -> None:
    """Products too, and in place."""
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(40, 70), nn.Tanh(), nn.Dense(70, 4))
    rng = np.random.default_rng(0)
    training = trained(model, F.cross_entropy, lambda p: Adam(p, 0.01), rng.random((33, 40), np.float32),
                       rng.integers(0, 4, 33))
    start = [p.array.copy() for p in training.optimizer.parameters]
    program = compiled(training)
    found = []
    for threads in (1, 2):
        program.names["available"] = lambda threads=threads: threads
        for p, array in zip(training.optimizer.parameters, start, strict=True):
            p.assign(array)
        program(training.arrays())
        found.append([p.grad.array.copy() for p in training.optimizer.parameters])
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)
