"""Modes: grad, tape and kernels belong to one context, a thread or a task, and end with their block."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.core import using

F = tz.functional


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


def in_a_thread(work: Callable[[], Any]) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    thread.join()
    return results[0]


# ---- no_grad


def test_no_grad_makes_constants() -> None:
    x = leaf([1.0, 2.0])
    with tz.no_grad():
        y = x * x
        assert not tz.is_grad_enabled()
    assert tz.is_grad_enabled()
    assert not y.requires_grad
    (y * x).sum().backward()
    assert x.grad.tolist() == [1.0, 4.0]


def test_no_grad_is_a_decorator_too() -> None:
    @tz.no_grad()
    def predict(x: tz.Tensor) -> tz.Tensor:
        return x * 2

    x = leaf(1.0)
    for _ in range(2):  # the block is entered anew in each call
        assert not predict(x).requires_grad
    assert (x * 2).requires_grad


def test_no_grad_inside_itself_and_after_an_error() -> None:
    with tz.no_grad():
        with pytest.raises(ZeroDivisionError), tz.no_grad():
            1 / 0  # noqa: B018
        assert not tz.is_grad_enabled()
    assert tz.is_grad_enabled()


def test_using_may_turn_gradients_on_again() -> None:
    x = leaf(3.0)
    with tz.no_grad(), using(grad=True):
        y = x * x
    y.backward()
    assert x.grad.item() == 6.0


def test_backward_works_under_no_grad() -> None:
    x = leaf(3.0)
    y = x * x
    with tz.no_grad():
        y.backward()
    assert x.grad.item() == 6.0


def test_gradients_of_gradients_under_no_grad() -> None:
    x = leaf(3.0)
    y = x**3
    with tz.no_grad():
        (g,) = tz.grad(y, x, create_graph=True)
    assert tz.grad(g, x)[0].item() == 18.0


# ---- contexts


def test_a_threads_no_grad_is_its_own() -> None:
    inside, outside = threading.Event(), threading.Event()
    x = leaf(1.0)

    def work() -> bool:
        with tz.no_grad():
            inside.set()
            outside.wait(10)
            return (x * 2).requires_grad

    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(work()))
    thread.start()
    inside.wait(10)
    here = (x * 2).requires_grad
    outside.set()
    thread.join()
    assert (here, results) == (True, [False])


def test_a_copied_context_takes_the_mode_along_and_brings_none_back() -> None:
    with tz.no_grad():
        context = contextvars.copy_context()
    assert context.run(tz.is_grad_enabled) is False
    assert tz.is_grad_enabled()


def test_tasks_that_take_turns_keep_their_modes_apart() -> None:
    x = leaf(1.0)

    async def off(turn: asyncio.Event, other: asyncio.Event) -> bool:
        with tz.no_grad():
            other.set()
            await turn.wait()
            return (x * 2).requires_grad

    async def on(turn: asyncio.Event, other: asyncio.Event) -> bool:
        await turn.wait()
        seen = (x * 2).requires_grad
        other.set()
        return seen

    async def both() -> list[bool]:
        first, second = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(off(first, second), on(second, first))

    assert asyncio.run(both()) == [False, True]


def test_a_tape_stays_in_its_task() -> None:
    x = leaf(1.0)

    async def recorded() -> list[str]:
        with tz.record() as tape:
            F.exp(x)
            await asyncio.sleep(0)
            F.exp(x)
        return [line.info["op"].__name__ for line in tape]

    async def silent() -> None:
        F.sin(x)
        await asyncio.sleep(0)
        F.sin(x)

    async def both() -> list[Any]:
        return await asyncio.gather(recorded(), silent())

    assert asyncio.run(both())[0] == ["Exp", "Exp"]


# ---- kernels


def test_kernels_replace_bodies_forward_and_backward_within_the_block() -> None:
    called = []

    def forward(x: Any) -> Any:
        called.append("forward")
        return F.sigmoid.forward(x)

    def backward(dy: Any, y: Any) -> Any:
        called.append("backward")
        return F.sigmoid.backward(dy, y) * 10

    x = leaf([0.0, 1.0])
    kernels = {F.sigmoid.forward: forward, F.sigmoid.backward: backward}
    with using(kernels=kernels):
        y = F.sigmoid(x)
        assert called == ["forward"]
        y.sum().backward()
        F.tanh(x)
    assert called == ["forward", "backward"]
    s = 1 / (1 + np.exp(-np.array([0.0, 1.0])))
    np.testing.assert_allclose(x.grad.numpy(), 10 * s * (1 - s))
    F.sigmoid(x).sum().backward()
    assert called == ["forward", "backward"]


def test_either_backward_accepts_either_forward() -> None:
    """A kernel's forward keeps the same auxiliaries as the formula's."""
    x = leaf([[1.0, 2.0], [3.0, -1.0]])
    double = {F.cross_entropy.__globals__["CrossEntropy"].forward:
              lambda x, t: F.cross_entropy.__globals__["CrossEntropy"].forward(x, t)}
    with using(kernels=double):
        loss = F.cross_entropy(x, [0, 1])
    loss.backward()
    expected = x.grad.tolist()
    x.zero_grad()
    F.cross_entropy(x, [0, 1]).backward()
    assert x.grad.tolist() == expected


def test_a_kernel_that_fails_is_told_as_its_op() -> None:
    def broken(x: Any) -> Any:
        raise ValueError("no such shape")

    says = r"Exp \(y = eˣ\) .*no such shape"
    with using(kernels={F.exp.forward: broken}), pytest.raises(ValueError, match=says):
        F.exp(leaf([1.0]))


def test_the_tape_names_the_formula_whatever_body_ran() -> None:
    with using(kernels={F.exp.forward: lambda x: np.exp(x)}), tz.record() as tape:
        F.exp(leaf([1.0]))
    assert tape[0].function is F.exp.forward


def test_second_derivatives_run_on_the_formulas() -> None:
    """A kernel takes arrays; the formulas take Tensors."""
    def arrays_only(dy: Any, y: Any) -> Any:
        assert type(dy) is np.ndarray
        return F.tanh.backward(dy, y)

    x = leaf(0.5)
    with using(kernels={F.tanh.backward: arrays_only}):
        (g,) = tz.grad(F.tanh(x), x, create_graph=True)
        (h,) = tz.grad(g, x)
    y = np.tanh(0.5)
    assert h.item() == pytest.approx(-2 * y * (1 - y * y))


# ---- threads


def test_two_threads_on_shared_weights_give_the_bytes_of_a_serial_run() -> None:
    rng = np.random.default_rng(0)
    w1, w2 = tz.tensor(rng.normal(size=(6, 8))), tz.tensor(rng.normal(size=(8, 3)))  # constants, shared

    def work(seed: int) -> Iterator[bytes]:
        rng = np.random.default_rng(seed)
        x = leaf(rng.normal(size=(5, 6)))
        b = leaf(rng.normal(size=8))
        for _ in range(50):
            loss = F.cross_entropy(F.gelu(F.layer_norm(x, 1.0, 0.0) @ w1 + b) @ w2, [0, 1, 2, 1, 0])
            loss.backward()
            for p in (x, b):
                p.assign(p.detach() - 0.1 * p.grad)
                yield p.grad.numpy().tobytes()
                p.zero_grad()

    serial = [list(work(seed)) for seed in (1, 2)]
    parallel: list[list[bytes]] = [[], []]
    start = threading.Barrier(2)

    def run(i: int) -> None:
        start.wait(10)
        parallel[i] = list(work(i + 1))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert parallel == serial


def test_a_seed_in_a_thread_is_the_threads_own() -> None:
    tz.manual_seed(1)
    expected = tz.manual_seed(1).random(3).tolist()
    tz.manual_seed(1)
    in_a_thread(lambda: tz.manual_seed(99).random(5))
    assert tz.default_generator().random(3).tolist() == expected
