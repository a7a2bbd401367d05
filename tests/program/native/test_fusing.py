"""Which steps share a loop nest, what is stored, what may share memory, and how products are put together."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

numba = pytest.importorskip("numba", reason="Numba is not installed")
from tests.program.native.interpreted import interpreted, run  # noqa: E402
from tinygrad_zh.ops import indexing  # noqa: E402
from tinygrad_zh.program.native import Item, lowered  # noqa: E402

F4 = np.float32


def items(program: str, wanted: str, **shapes: Any) -> list[Item]:
    values = {n: np.ones(s, F4) if isinstance(s, tuple) else s for n, s in shapes.items()}
    return lowered(ast.parse(program).body, values, set(wanted.split()))  # type: ignore[arg-type]


def names(item: Item) -> tuple[set[str], set[str]]:
    return set(item.reads), set(item.writes)


CROSS_ENTROPY = """
top = x.max(axis=-1, keepdims=True)
lse = top + np.log(np.exp(x - top).sum(axis=-1, keepdims=True))
hot = np.arange(10) == t[..., None]
L = np.where(hot, lse - x, 0).sum(axis=-1).mean()
dx = (np.exp(x - lse) - hot) * (1 / 32)
db = dx.sum(axis=(0,))
"""

LAYER_NORM_BACKWARD = """
n = (x - mean) * rstd
g = dy * gamma
dx = rstd * (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True))
dgamma = (dy * n).sum(axis=(0,))
dbeta = dy.sum(axis=(0,))
"""


def test_cross_entropy_and_its_gradient_are_one_nest() -> None:
    (item,) = items(CROSS_ENTROPY, "L dx db", x=(32, 10), t=np.zeros(32, np.int64))
    assert names(item) == ({"x", "t"}, {"L", "dx", "db"})
    assert not item.temporaries


def test_layer_norm_backward_is_one_nest_with_both_column_sums() -> None:
    (item,) = items(LAYER_NORM_BACKWARD, "dx dgamma dbeta", x=(8, 5), mean=(8, 1), rstd=(8, 1), dy=(8, 5), gamma=(5,))
    assert names(item)[1] == {"dx", "dgamma", "dbeta"}
    assert ("dx", "x") in item.in_place and ("dx", "dy") in item.in_place


def test_a_value_is_stored_only_if_somebody_else_reads_it() -> None:
    program = "a = np.exp(x)\nb = a * 2\nc = b @ W"
    first, second = items(program, "c", x=(4, 3), W=(3, 2))
    assert names(first) == ({"x"}, {"b"}) and names(second) == ({"b", "W"}, {"c"})
    first, _ = items(program, "a c", x=(4, 3), W=(3, 2))
    assert names(first)[1] == {"a", "b"}


def test_what_nobody_wants_is_not_computed() -> None:
    (item,) = items("a = x + 1\nb = x * 2", "b", x=(3,))
    assert names(item) == ({"x"}, {"b"})


def test_a_sum_of_all_rows_is_complete_when_its_nest_has_ended() -> None:
    first, second = items("s = x.sum(axis=0)\ny = x - s", "y", x=(4, 3))
    assert names(first) == ({"x"}, {"s"}) and names(second) == ({"x", "s"}, {"y"})


def test_what_is_dear_is_kept_for_the_next_pass_and_what_is_cheap_is_computed_again() -> None:
    (item,) = items("e = np.exp(x)\ny = e / e.sum(axis=-1, keepdims=True)", "y", x=(4, 3))
    assert item.temporaries == {"_e_row": ((3,), np.dtype(F4))}
    (text,) = item.definitions().values()
    assert text.count("exp(") == 1
    (item,) = items("e = x + 1\ny = e / e.sum(axis=-1, keepdims=True)", "y", x=(4, 3))
    assert not item.temporaries


def test_everything_over_one_axis_is_one_loop() -> None:
    (item,) = items("y = (x * 2).reshape(3, 8) + z.reshape(3, 8)", "y", x=(2, 3, 4), z=(24,))
    (text,) = item.definitions().values()
    assert text.count("for ") == 1 and "range(24)" in text


def test_equal_loops_are_one_function() -> None:
    a, b = items("y = x * 2 + b\nv = u * 2 + c", "y v", x=(4, 3), b=(3,), u=(4, 3), c=(3,))
    assert a.definitions() == b.definitions() and a.lines() != b.lines()


# ---- in place


@pytest.mark.parametrize(("program", "pairs"), [
    ("y = x * 2", {("y", "x")}),
    ("y = x[::-1] * 2", set()),
    ("y = x.mT * 2", set()),
    ("y = x + x.mT", set()),
    ("y = x + x[0]", set()),
    ("y = (x > 0).astype(np.int32)", set()),
    ("y = np.exp(x)\nz = y * x.max(axis=-1, keepdims=True)", {("y", "x"), ("z", "x")}),
    ("y = x - x.sum(axis=-1, keepdims=True)", {("y", "x")}),
    ("y = x * 2\nz = (y / y.sum(axis=-1, keepdims=True)) * x", {("z", "x")}),
])
def test_in_place(program: str, pairs: set[tuple[str, str]]) -> None:
    wanted = " ".join(n for n in "yz" if f"{n} =" in program)
    (item,) = items(program, wanted, x=(3, 3))
    assert item.in_place == pairs


@pytest.mark.parametrize("program", ["y = np.exp(x)\nz = y * x.max(axis=-1, keepdims=True)",
                                     "y = x - x.sum(axis=-1, keepdims=True)", "y = x * 2 + x"])
def test_the_same_numbers_in_place(program: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 4)).astype(F4)
    last = program.splitlines()[-1][0]
    values: dict[str, Any] = {"x": x.copy(), "np": np}
    exec(program, values)
    (item,) = items(program, last, x=(3, 4))
    shared = {last: "x"}
    arrays: dict[str, Any] = {"x": x, last: x}
    for name, (shape, dtype) in item.temporaries.items():
        arrays[name] = np.empty(shape, dtype)
    interpreted("f", list(arrays), item.lines(shared), item.definitions(shared))(*arrays.values())
    np.testing.assert_allclose(x, values[last], rtol=1e-6)


# ---- products


@pytest.mark.parametrize(("program", "calls"), [
    ("y = a @ b", 1),
    ("y = (a.mT @ c).sum(axis=(0,))", 1),
    ("y = a.mT @ c", 2),
    ("y = (a @ d).sum(axis=(0,))", 2),
    ("y = b.mT @ b", 1),
    ("y = (a * 2) @ b", 1),
    ("y = a[:, 1:] @ b", 2),
])
def test_products_of_a_batch(program: str, calls: int) -> None:
    """calls: of BLAS, those in a loop over the batch counted each time."""
    rng = np.random.default_rng(0)
    shapes = {"a": (2, 3, 4), "b": (4, 5), "c": (2, 3, 5), "d": (2, 4, 5)}
    values = {n: rng.standard_normal(s) for n, s in shapes.items()}
    space: dict[str, Any] = {**values, "np": np}
    exec(program, space)
    y = run(ast.parse(program).body, values, ["y"])["y"]  # type: ignore[arg-type]
    np.testing.assert_allclose(y.reshape(space["y"].shape), space["y"], rtol=1e-12)
    products = [item for item in lowered(ast.parse(program).body, values, {"y"})  # type: ignore[arg-type]
                if any("gemm" in line for line in item.lines())]
    assert sum(2 if "for " in item.lines()[0] else 1 for item in products) == calls


# ---- indices


def test_an_index_demands_its_bounds() -> None:
    (item,) = items("y = W[t] * 2", "y", W=(7, 3), t=np.zeros((2, 2), np.int64))
    assert item.demands == {("t", -7, 7)}
    (item,) = items("y = scatter_add(dy, t, (7, 3))", "y", dy=(2, 3), t=np.zeros(2, np.int64),
                    scatter_add=indexing.scatter_add)
    assert item.demands == {("t", -7, 7)}
