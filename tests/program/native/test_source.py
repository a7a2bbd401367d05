"""Generated loops compute what NumPy computes: every formula of every op, random programs, odd shapes, nan and inf."""

from __future__ import annotations

import ast
import platform
import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

numba = pytest.importorskip("numba", reason="Numba is not installed")

import llvmlite.binding as llvm  # noqa: E402

import tinygrad_zh as tz  # noqa: E402
from tests.ops.checks import Run, seeds_for  # noqa: E402
from tests.ops.table import TABLE, Case, Row  # noqa: E402
from tests.program.native.interpreted import run, statements  # noqa: E402
from tinygrad_zh.program.native import can_lower, lowered, module  # noqa: E402

NOT_LOWERED = {
    "Prod.backward", "ProdOfOthers.forward", "ProdOfOthers.backward",  # np.cumprod
    "ArgMax.forward", "ArgMin.forward", "Dropout.forward",
    "Conv2d.forward", "Conv2d.backward_x", "Conv2d.backward_W", "MaxPool2d.forward", "MaxPool2d.backward",
    "AvgPool2d.forward", "AvgPool2d.backward", "Windows.forward", "Windows.backward", "Unwindows.forward",
    "Unwindows.backward", "BlockedAttention.forward", "BlockedAttention.backward", "BlockedMaskedAttention.forward",
    "BlockedMaskedAttention.backward"}
"""Formulas with loops, or with functions that nobody needed fast: their bodies are written by hand, or they run as
they are."""

SOMETIMES = {"Gather", "ScatterAdd", "Split", "Concat"}
"""Not where an index is boolean or computed on the way, nor where a tuple of arrays has one name."""


def close(result: Any, expected: Any) -> bool:
    """Equal to rounding, relative to the largest number; nan and ∞ where they are."""
    if expected.dtype.kind != "f":
        return bool(np.array_equal(result, expected))
    finite = np.isfinite(expected)
    scale = np.abs(expected[finite]).max(initial=1.0)
    off = np.abs(np.subtract(result, expected, where=finite, out=np.zeros_like(expected)))
    return bool((off <= scale * {4: 2e-5, 8: 1e-13}[expected.dtype.itemsize]).all()) and np.array_equal(
        result[~finite], expected[~finite], equal_nan=True)


# ---- the ops


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_every_formula_of_the_table(row: Row) -> None:
    @settings(max_examples=4, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(row.cases, st.sampled_from([np.float32, np.float64]))
    def check(case: Case, dtype: type) -> None:
        for line in recorded(row, case, dtype):
            program, values, names = statements(line)
            if line.function.__qualname__ in NOT_LOWERED:
                assert not can_lower(program, values), "it can be lowered now: take it off the list"
                continue
            if not can_lower(program, values):
                assert line.function.__qualname__.partition(".")[0] in SOMETIMES, line
                continue
            outputs = {n: np.asarray(o) for n, o in zip(names, line.outputs, strict=True) if o is not None}
            with np.errstate(all="ignore"):
                results = run(program, values, list(outputs))
            for name, output in outputs.items():
                assert results[name].dtype == output.dtype, line
                assert close(results[name].reshape(output.shape), output), line

    check()


def recorded(row: Row, case: Case, dtype: type) -> Sequence[Any]:
    """The formulas that ran, forward and backward."""
    arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in case.arrays]
    with warnings.catch_warnings(), np.errstate(all="ignore"), tz.record() as tape:
        warnings.simplefilter("ignore")
        of = Run(row, case, arrays)
        if of.roots and of.leaves:
            of.gradients(seeds_for(case, of.roots), allow_unused=True)
    return [line for line in tape if line.kind in ("forward", "backward", "sum_to", "cast", "accumulate")]


# ---- random programs

AXES = ["axis=-1, keepdims=True", "axis=(0,), keepdims=True", "axis=None, keepdims=True", "axis=(0, 1), keepdims=True"]
ONE = ["-{}", "np.abs({})", "np.tanh({})", "np.exp(-np.abs({}))", "np.sign({})", "np.sqrt(np.abs({}))", "{} ** 2",
       "np.maximum({}, 0)", "np.clip({}, -1, 1)", "np.log1p(np.abs({}))", "{}.mT.mT", "{}.T.T", "{} * 0.5",
       "({} > 0).astype(np.float32)", "{}.reshape(-1).reshape({}.shape)", "{}.mT.reshape({}.shape)",
       "{}[::-1]", "(1 + {} * {}) ** -0.5",
       "{}[..., None].sum(axis=-1)", "np.broadcast_to({}, (3, *{}.shape)).mean(axis=0)"]
TWO = ["{} + {}", "{} - {}", "{} * {}", "{} / (1 + np.abs({}))", "np.where({} > 0, {}, 0)", "np.maximum({}, {})",
       "np.where({} >= {}, 1, 0.5)"]


@st.composite
def programs(draw: st.DrawFn) -> tuple[str, list[str], tuple[int, int]]:
    """Statements over x (n, m), row (m,), column (n, 1), number (), and which of their results are wanted."""
    n, m = draw(st.tuples(*[st.integers(1, 4) | st.sampled_from([0, 1, 7])] * 2))
    names, lines = ["x", "row", "column", "number"], []
    for i in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(["one", "two", "two", "reduce"]))
        if kind == "reduce":
            axis = draw(st.sampled_from(AXES))
            name = draw(st.sampled_from(names))
            function = draw(st.sampled_from(["sum", "mean", "max", "min", "prod"] if n * m else ["sum"]))
            value = f"np.broadcast_to({name}, ({n}, {m})).{function}({axis})"
        else:
            pattern = draw(st.sampled_from(ONE if kind == "one" else TWO))
            a, b = draw(st.tuples(*[st.sampled_from(names)] * 2))
            a = a if kind == "two" else f"np.broadcast_to({a}, ({n}, {m}))"
            filled = [a, b] if kind == "two" else [a] * pattern.count("{}")
            value = pattern.format(*filled)
        lines.append(f"y{i} = {value}")
        names.append(f"y{i}")
    wanted = draw(st.lists(st.sampled_from(names[4:]), min_size=1, unique=True))
    return "\n".join(lines), wanted, (n, m)


@given(programs(), st.sampled_from([np.float32, np.float64]), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_random_programs(program: tuple[str, list[str], tuple[int, int]], dtype: type, odd: int) -> None:
    text, wanted, (n, m) = program
    rng = np.random.default_rng(n + m)
    values = {"x": rng.standard_normal((n, m)), "row": rng.standard_normal(m), "column": rng.standard_normal((n, 1)),
              "number": rng.standard_normal(())}
    values = {name: np.asarray(x, dtype) for name, x in values.items()}
    if values["x"].size and odd:
        values["x"].flat[odd % values["x"].size] = [np.nan, np.inf, -np.inf][odd - 1]
    space = {**values, "np": np}
    with np.errstate(all="ignore"):
        exec(text, space)
        results = run(ast.parse(text).body, values, wanted)  # type: ignore[arg-type]
    for name in wanted:
        expected = np.asarray(space[name])
        assert results[name].dtype == expected.dtype
        assert close(results[name].reshape(expected.shape), expected), f"{text}\n{name}"


# ---- compiled

TRAINING = """
z = x @ W
h = np.maximum(z + b, 0)
s = h @ V
top = s.max(axis=-1, keepdims=True)
lse = top + np.log(np.exp(s - top).sum(axis=-1, keepdims=True))
hot = np.arange(s.shape[-1]) == t[..., None]
L = np.where(hot, lse - s, 0).sum(axis=-1).mean()
ds = (np.exp(s - lse) - hot) * (1 / 6)
dV = h.mT @ ds
dh = np.where(h > 0, ds @ V.mT, 0)
db = dh.sum(axis=(0,))
dW = x.mT @ dh
m = 0.9 * m0 + (1 - 0.9) * dW
v = 0.999 * v0 + (1 - 0.999) * (dW * dW)
W1 = W - lr * (m / (1 - 0.9**k).astype(m.dtype)) / (np.sqrt(v / (1 - 0.999**k).astype(v.dtype)) + 1e-8)
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_training_step_compiled(dtype: type) -> None:
    rng = np.random.default_rng(0)
    shapes = {"x": (6, 5), "W": (5, 17), "b": (17,), "V": (17, 3), "m0": (5, 17), "v0": (5, 17), "lr": ()}
    values: dict[str, Any] = {n: np.asarray(np.abs(rng.standard_normal(s)), dtype) for n, s in shapes.items()}
    values |= {"t": rng.integers(0, 3, 6), "k": np.asarray(2.0)}
    space = {**values, "np": np}
    exec(TRAINING, space)
    wanted = ["L", "dV", "db", "W1", "m", "v"]
    results = run(ast.parse(TRAINING).body, values, wanted, compiled=True)  # type: ignore[arg-type]
    for name in wanted:
        expected = np.asarray(space[name])
        assert close(results[name].reshape(expected.shape), expected), name


EVERYTHING = """
a = np.where(np.isfinite(x) & ~(x == 2), np.sign(x) * np.abs(x) ** 1.5, np.minimum(x, 1))
c = x[i] + np.arange(3) - (x > row).astype(np.int32)
d = x ** 3 + np.sqrt(np.abs(x)) ** -1 + np.log1p(np.exp(-np.abs(x))) + np.sin(x) * np.cos(x) + np.abs(x) ** row
e = (i * 2 + 1).sum()
f = np.concatenate((x, row[None]), axis=0)
g = np.pad(x, ((1, 0), (0, 2)), constant_values=7.0)
h = np.roll(x, (1, -1), (0, 1)).prod(axis=0)
j = x.max() - x.min(axis=0) + (x > 0).sum(axis=1).max()
k = np.einsum("ij,kj->ik", x, x)
l = scatter_add(x, i, (5, 3))
n = (np.broadcast_to(x, (2, 4, 3)) @ (x.mT * 1)).sum(axis=0)
"""


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_kind_of_instruction_compiled(dtype: type) -> None:
    """Numba's types are not NumPy's: what Python's own run of the loops cannot show."""
    from tinygrad_zh.ops.indexing import scatter_add

    x: Any = np.array([[1.0, -2.0, 0.5], [np.nan, 2.0, np.inf], [0.0, -0.25, 3.0], [-np.inf, 1.0, 1.5]], dtype)
    values = {"x": x, "row": np.array([0.5, 1.0, 2.0], dtype), "i": np.array([3, 0, -1, 3], np.int32),
              "scatter_add": scatter_add}
    wanted = list("acdefghjkln")
    space = {**values, "np": np}
    with np.errstate(all="ignore"):
        exec(EVERYTHING, space)
        results = run(ast.parse(EVERYTHING).body, values, wanted, compiled=True)  # type: ignore[arg-type]
    for name in wanted:
        expected = np.asarray(space[name])
        assert results[name].dtype == expected.dtype, name
        assert close(results[name].reshape(expected.shape), expected), name


# ---- in vector instructions

ADAM = TRAINING.strip().splitlines()[-3:]
LOOPS = {
    "Adam": ("\n".join(ADAM).replace("dW", "x"), ["m", "v", "W1"]),
    "exp": ("y = np.exp(x)", ["y"]),
    "softplus": ("y = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))", ["y"]),
    "largest of a row": ("y = x.max(axis=-1)", ["y"]),
    "sum of a row": ("y = (x * x).sum(axis=-1)", ["y"]),
    "sums of columns": ("y = (x * x).sum(axis=0)", ["y"]),
    "sum of all": ("y = np.abs(x).sum()", ["y"]),
    "cross-entropy": ("top = x.max(axis=-1, keepdims=True)\ns = np.log(np.exp(x - top).sum(axis=-1, keepdims=True))\n"
                      "dx = np.exp(x - top - s) - (np.arange(256) == t[..., None])", ["dx"]),
}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads the assembly of x86")
@pytest.mark.parametrize("name", LOOPS)
def test_loops_are_vectorised(name: str) -> None:
    program, wanted = LOOPS[name]
    shape = (64, 256)
    values: dict[str, Any] = {n: np.ones(shape, np.float32) for n in ("x", "m0", "v0", "W")}
    values |= {"lr": np.ones((), np.float32), "k": np.asarray(1.0), "t": np.zeros(64, np.int64)}
    (item,) = lowered(ast.parse(program).body, values, set(wanted))  # type: ignore[arg-type]
    (function,) = item.definitions()
    outputs = {n: np.zeros(shape, np.float32) for n in item.writes}
    arrays = {n: values.get(n, outputs.get(n)) for n in [*sorted(item.reads), *item.writes]}
    driver = module("driver", list(arrays), item.lines(), item.definitions())
    loop = driver.py_func.__globals__[function]  # type: ignore[attr-defined]
    order = re.findall(r"\w+", item.lines()[0])[1:]
    signature = tuple(numba.typeof(arrays[n]) for n in order)
    loop.compile(signature)
    assembly = loop.inspect_asm(signature)
    packed = len(re.findall(r"\bv?(?:f\w*add\d+|add|mul|sub|max|sqrt|div)ps\b", assembly))
    alone = len(re.findall(r"\bv?(?:f\w*add\d+|add|mul|sub|max|sqrt|div)ss\b", assembly))
    assert packed >= 3, "a branch or a call keeps the loop scalar"
    assert packed >= alone / 3, f"{alone} scalar operations beside {packed} packed ones"
    assert not re.search(r"\$\w*(exp|log|tanh)", assembly), "the C library is called for each number"
    widest = "zmm" if llvm.get_host_cpu_features()["avx512f"] else "ymm"
    assert widest in assembly or not llvm.get_host_cpu_features()["avx2"]
    told = re.findall(r"noalias[^%]*%arg\.a\d+\.4\b", loop.inspect_llvm(signature))
    assert len(told) == len(order), "LLVM compares addresses before each loop"
