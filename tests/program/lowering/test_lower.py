"""Statements as steps: views are index arithmetic, dtypes are NumPy's, and what is unknown is refused."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import as_strided

from tinygrad_zh.ops import indexing
from tinygrad_zh.program.lowering import Element, NotLowerable, Pointwise, Product, Reduction, ScatterSum, lower

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def steps(program: str, **values: Any) -> list[Any]:
    return lower(ast.parse(program).body, {"x": X, **values})  # type: ignore[arg-type]


def seen(element: Element, array: Any) -> Any:
    """The numbers that an element stands for, by its offset and strides."""
    if not element.size:
        return np.empty(element.shape, array.dtype)
    strides = [s * array.itemsize for s in element.place.strides]
    return as_strided(array.reshape(-1)[element.place.offset :], element.shape, strides)


VIEWS = ["x", "x.T", "x.mT", "x[1]", "x[:, ::2]", "x[..., ::-1, None]", "x[:, 1:2].reshape(2, 4)", "x.reshape(-1)",
         "x.reshape(3, 8)", "x.transpose((1, 0, 2))", "x.swapaxes(0, 2)", "np.expand_dims(x, 1)[:, 0]",
         "np.broadcast_to(x[0, 0], (5, 4))", "np.flip(x, (0, 2))", "x[0].reshape(x.shape[1:])", "np.squeeze(x[:1], 0)",
         "np.split(x, (1, 2), axis=1)[1]", "x.mT.reshape(2, 4, 3)", "x[0, -1][None]"]


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_is_an_offset_and_strides(view: str) -> None:
    (step,) = steps(f"y = {view}")
    assert isinstance(step, Pointwise) and isinstance(step.value, Element) and step.value.name == "x"
    np.testing.assert_array_equal(seen(step.value, X), eval(view, {"x": X, "np": np}))


@given(hnp.basic_indices((2, 3, 4), allow_newaxis=True))
def test_every_basic_index(index: Any) -> None:
    (step,) = steps("y = x[index]", index=index)
    np.testing.assert_array_equal(seen(step.value, X), X[index])


def test_a_reshape_that_has_to_copy_is_stored_first() -> None:
    first, second = steps("y = x.mT.reshape(-1)[::2]")
    assert first.shape == (2, 4, 3) and second.value.name == first.name
    np.testing.assert_array_equal(seen(second.value, X.mT.copy()), X.mT.reshape(-1)[::2])


def test_kinds_of_steps() -> None:
    kinds = [type(s) for s in steps("a = x @ x.mT\nb = x.max(axis=0)\nc = scatter_add(x, t, (5, 3, 4))\nd = -x",
                                    t=np.array([0, 4]), scatter_add=indexing.scatter_add)]
    assert kinds == [Product, Reduction, ScatterSum, Pointwise]


def test_names_of_what_is_no_result_begin_with_an_underscore() -> None:
    *inner, last = steps("y = (np.exp(x).sum(axis=-1, keepdims=True) * x) @ x.mT")
    assert last.name == "y" and len(inner) == 2 and all(s.name.startswith("_y_") for s in inner)


DTYPES = st.sampled_from(["float32", "float64", "int64", "int32", "uint8", "bool"])
EXPRESSIONS = ["a + b", "a * 2", "a / b", "a > b", "np.where(a > 0, a, 0.5)", "a.sum(axis=0)", "a.mean(axis=0)",
               "(a > 0) * b", "a ** 2", "1 - a", "np.exp(a)", "np.maximum(a, b)", "a.max(axis=0)", "np.sign(a)", "-a",
               "np.clip(a, 0, 1)", "a.astype(np.float32) - b", "np.ones_like(a)", "~(a > 0) | (b > 1)", "a + True"]


@given(st.sampled_from(EXPRESSIONS), DTYPES, DTYPES)
def test_dtypes_are_numpys(expression: str, a: str, b: str) -> None:
    values = {"a": np.ones((2, 2), a), "b": np.ones((2, 2), b)}
    try:
        found = steps(f"y = {expression}", **values)
    except NotLowerable:
        return
    with np.errstate(all="ignore"):
        assert found[-1].dtype == eval(expression, {**values, "np": np}).dtype


def test_floats_are_always_lowered() -> None:
    for a, b in (("float32", "float64"), ("float32", "float32"), ("float64", "int64"), ("float32", "bool")):
        for expression in EXPRESSIONS:
            if "b ** " not in expression:
                steps(f"y = {expression}", a=np.ones((2, 2), a), b=np.ones((2, 2), b))


def test_what_is_known_of_shapes_is_computed() -> None:
    program = ("lead = x.ndim - len(shape)\nstretched = tuple(i for i, n in enumerate(shape) if n == 1)\n"
               "s = x.sum(axis=tuple(range(lead))) if lead else x\n"
               "y = s.sum(axis=stretched, keepdims=True) if stretched else s")
    found = steps(program, shape=(1, 4))
    assert [(s.axes, s.value.shape) for s in found if isinstance(s, Reduction)] == [((0,), (2, 3, 4)), ((0,), (3, 4))]


@pytest.mark.parametrize("program", [
    "y = np.linalg.inv(x)", "y = x.cumsum()", "y = x[x > 0]", "y = x if x.sum() > 0 else -x", "y = unknown(x)",
    "y = x.astype(np.float16)", "y = x[(x > 1).sum(axis=-1).astype(np.int64)]", "y = x.reshape(5, 5)", "y = x % 2",
    "y = open('f')", "y = x.tofile('f')", "y = rng.random(3) + x", "y, z = x, x, x", "y = missing + 1",
    "y = (x > 0) @ (x.mT > 0)", "y = np.split(x, (1,), axis=0)"])
def test_what_is_unknown_is_refused(program: str) -> None:
    with pytest.raises(NotLowerable):
        steps(program, unknown=lambda x: x, rng=np.random.default_rng(0))


def test_a_helper_counts_as_what_it_is_and_not_by_its_name() -> None:
    with pytest.raises(NotLowerable):
        steps("y = scatter_add(x, t, (5, 3, 4))", t=np.array([0, 4]), scatter_add=lambda *_: None)
