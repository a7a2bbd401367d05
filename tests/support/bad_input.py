"""Bad input: a call, the error that it must raise, and proof that nothing else happened.

A table is a list of `Case`; `refuse(case)` is the test. Each call is given a fresh `World` of leaves that hold
gradients already, so that a change to any of them would show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.core.mode import MODE, Mode


class World:
    """Leaves to compute with: x (2, 3), w (3, 2), v (3,), s (), and i, three integers, which is a constant."""

    def __init__(self) -> None:
        self.x = tz.tensor(np.array([[1.0, -2.0, 3.0], [0.5, 0.25, -1.0]]), requires_grad=True, name="x")
        self.w = tz.tensor(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), requires_grad=True, name="w")
        self.v = tz.tensor(np.array([0.1, 0.2, 0.3]), requires_grad=True, name="v")
        self.s = tz.tensor(np.array(2.0), requires_grad=True, name="s")
        self.i = tz.tensor([0, 1, 2])
        ((self.x @ self.w).sum() * self.s + self.v.sum()).backward()

    def leaves(self) -> list[tz.Tensor]:
        return [self.x, self.w, self.v, self.s, self.i]


class Case(NamedTuple):
    """What is tried, on a World; the error; and a pattern of the text that says what is wrong and what to do."""

    call: Callable[[World], Any]
    error: type[Exception]
    says: str


def snapshot(tensors: list[tz.Tensor]) -> list[Any]:
    """Everything about some leaves that a call could have changed, as bytes."""

    def of(t: tz.Tensor) -> Any:
        gradient = None if t.grad is None else (t.grad.dtype, t.grad.shape, t.grad.numpy().tobytes())
        return t.dtype, t.shape, t.numpy().tobytes(), t.requires_grad, t.name, gradient

    return [of(t) for t in tensors]


def assert_the_engine_works() -> None:
    """A small pass with a known gradient: d/dx Σ relu(x w)² = 2 relu(x w) wᵀ."""
    x = tz.tensor(np.array([[1.0, 2.0], [-3.0, 0.5]]), requires_grad=True)
    w = np.array([[1.0, -1.0], [0.5, 2.0]])
    y = tz.functional.relu(x @ w)
    (y * y).sum().backward()
    expected = 2 * np.maximum(x.numpy() @ w, 0) @ w.T
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def refuse(case: Case) -> None:
    """The call raises this error with this text in one sentence; no leaf, mode or default has changed."""
    world = World()
    before = snapshot(world.leaves())
    with pytest.raises(case.error, match=case.says) as caught:
        case.call(world)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400, text
    assert snapshot(world.leaves()) == before
    assert MODE.get() == Mode()
    assert tz.get_default_dtype() == np.float32
    assert_the_engine_works()
