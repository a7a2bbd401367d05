"""Ops and names of the user's, as odd as Python allows: the same bits, or a sentence that says why there are none."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy import exp as e_to_the
from numpy import pi

import tinygrad_zh as tz
from tests.program.unrolling.running import assert_equal, assert_gradients
from tinygrad_zh import functional as F

SCALE, NOTHING, LIMIT = 3.5, None, float("inf")
TABLE = np.arange(3.0)


def leaf(name: str, *shape: int) -> tz.Tensor:
    values = np.random.default_rng(len(name)).normal(size=shape or (3,)).astype(np.float32)
    return tz.tensor(values, requires_grad=True, name=name)


def backward_of(dy: Any, x: Any) -> Any:
    return dy * np.cos(x)


# ---- what a formula may call and read


def times(x: Any, k: Any = 3) -> Any:
    return x * k


def times_by_name(x: Any, *, k: float = SCALE) -> Any: x = x * k; return x  # noqa: E702 - on def's own line


def limited(x: Any, k: float = 2.0, *more: int, **named: str) -> Any:
    # a comment first
    if k > LIMIT:
        return NOTHING
    return x * k * e_to_the(x) * pi


class Default(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return times(x) + times(x, k=2)

    def backward(dy, x):  # type: ignore[no-untyped-def]
        return backward_of(dy, x)


class OfItsOwn(tz.Op):
    def forward(x, *, k=SCALE, axis=NOTHING):  # type: ignore[no-untyped-def]
        return times_by_name(x) + limited(x) + x.sum(axis=axis) * k

    def backward(dy, x):  # type: ignore[no-untyped-def]
        return backward_of(dy, x)


class OfNumPy(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return np.where(x > -LIMIT, e_to_the(x) * pi + math.sqrt(2), LIMIT) + x.sum(axis=NOTHING)

    def backward(dy, x):  # type: ignore[no-untyped-def]
        return backward_of(dy, x)


class OddCalls(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return np.clip(x, min=-1.0, max=None) + np.where(x > 0)[0].sum() + x.sum(where=x > 0)

    def backward(dy, x):  # type: ignore[no-untyped-def]
        return backward_of(dy, x)


class Bound(tz.Op):
    """Names that a lambda or a comprehension binds hide those around, and are hidden from none."""

    def forward(x):  # type: ignore[no-untyped-def]
        f = lambda x: x + 1  # noqa: E731
        i = x * 2
        squares = [i * i for i in (1, 2, 3)]
        return f(x * 2) * squares[1] + sum(x * i for i in range(3)) + sum(j * i for j in i)

    def backward(dy, x):  # type: ignore[no-untyped-def]
        return backward_of(dy, x)


def of_a_factory(k: float) -> Any:
    def scaled(x: Any) -> Any:
        y = np.array(x)
        y *= k
        return y

    class Scaled(tz.Op):
        def forward(x):  # type: ignore[no-untyped-def]
            return scaled(x)

        def backward(dy):  # type: ignore[no-untyped-def]
            return scaled(dy)

    return Scaled


@pytest.mark.parametrize("name", ["x", "i", "j", "k", "SCALE", "times_by_name", "e_to_the"])
@pytest.mark.parametrize("op", [Default, OfItsOwn, OfNumPy, OddCalls, Bound, of_a_factory(2.5)])
def test_an_op_of_ones_own(op: Any, name: str, tmp_path: Path) -> None:
    x = leaf(name)
    program = tz.unroll(lambda: (op(x) * op(op(x) * 0.5)).sum())
    (op(x) * op(op(x) * 0.5)).sum().backward()
    assert_gradients(program, [x], tmp_path)
    assert program.to_latex()


def test_one_function_made_twice_around_the_same_value(tmp_path: Path) -> None:
    x, k = leaf("x"), 2.5
    first, second = of_a_factory(k), of_a_factory(k)
    assert_equal(tz.unroll(lambda: (first(x) * second(x)).sum()), tmp_path)


# ---- names


HOSTILE = ['a"""b', "x\ny", "c\\", "'; import os #", "", "  ", "1abc", "a b", "ﬁ", "fi", "２x", "np", "print", "lambda",
           "dloss", "loss", "e", "math", "stored", "zlib", "base64", "权重", "W1", "_"]


@pytest.mark.parametrize("size", [3, 200])
def test_hostile_names(size: int, tmp_path: Path) -> None:
    """Small, and so large that they are stored at the end of the file, where rows of an embedding are added up."""
    leaves = [leaf(name, size) for name in HOSTILE]

    def step() -> Any:
        total = F.embedding(np.array([1, 1]), leaf("table", 5, 120)).sum()
        for x in leaves:
            total = total + F.sigmoid(x * x).sum()
        return total

    step.__name__ = 'evil"""\nimport nothing\\'
    program = tz.unroll(step)
    step().backward()
    assert_gradients(program, leaves, tmp_path)


def test_a_value_called_like_a_gradient_of_another_is_typeset() -> None:
    x = leaf("x")

    def loss() -> Any:
        d = x * 2.0
        dd = d * x
        ddd = dd.sum()
        return ddd

    assert tz.unroll(loss).to_latex()


def test_a_gradient_that_nobody_wants_among_those_of_a_concatenation(tmp_path: Path) -> None:
    x, h = tz.tensor(np.ones((2, 3), np.float32)), leaf("h", 2, 4)
    program = tz.unroll(lambda: F.tanh(F.concat([x, h], axis=1)).sum())
    assert_equal(program, tmp_path)
    assert program.to_latex() and program.to_mermaid()


# ---- what cannot be written out


class ReadsAnArray(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return x * TABLE

    def backward(dy):  # type: ignore[no-untyped-def]
        return dy


class IntoAnArray(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        y = np.zeros_like(x)
        y[0] = x[0]
        return y

    def backward(dy):  # type: ignore[no-untyped-def]
        return dy


class Walrus(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return (e := np.exp(x)) * e

    def backward(dy):  # type: ignore[no-untyped-def]
        return dy


@lru_cache
def remembered(n: int) -> int:
    return 2 * n


class CallsWhatIsRemembered(tz.Op):
    def forward(x):  # type: ignore[no-untyped-def]
        return x * remembered(2)

    def backward(dy):  # type: ignore[no-untyped-def]
        return dy


def of_two_functions() -> Any:
    x = leaf("x")
    return (of_a_factory(2.0)(x) * of_a_factory(3.0)(x)).sum()


def of_a_second_derivative() -> Any:
    x = leaf("x")
    (dx,) = tz.grad(F.tanh(x).sum(), [x], create_graph=True)
    return (dx * dx).sum()


@pytest.mark.parametrize(("function", "said"), [
    (lambda: ReadsAnArray(leaf("x")).sum(), "it reads TABLE, a ndarray from outside; pass it as an input of the op"),
    (lambda: IntoAnArray(leaf("x")).sum(), "without if, for, or writing into an array"),
    (lambda: Walrus(leaf("x")).sum(), "a formula is assignments and one return"),
    (lambda: CallsWhatIsRemembered(leaf("x")).sum(), "it reads remembered, a _lru_cache_wrapper from outside"),
    (of_two_functions, "two functions that the formulas call are named scaled; give one another name"),
    (of_a_second_derivative, "gradients of gradients cannot be written out"),
])  # fmt: skip
def test_what_cannot_be_written_out(function: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        tz.unroll(function)
    assert "\n" not in str(raised.value)
