"""Two of a kind: a step as it is and the same step compiled, which have to stay equal to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F


class Twin(NamedTuple):
    """A step with its model and its optimizer, made from a seed."""

    model: Any
    optimizer: Any
    step: Callable[..., Any]


def twins(make: Callable[[], Twin], kernels: str = "formulas") -> tuple[Twin, Twin]:
    """(as it is, compiled), from the same initial values."""
    tz.manual_seed(0)
    plain = make()
    tz.manual_seed(0)
    other = make()
    return plain, other._replace(step=tz.compile(other.step, kernels=kernels))


def trained(twin: Twin, batches: Any) -> list[Any]:
    """What the steps return, from a seed on; arrays become tensors for the step as it is, too."""
    tz.manual_seed(1)
    plain = not isinstance(twin.step, tz.program.Compiled)
    return [twin.step(*[tz.tensor(x) if plain and isinstance(x, np.ndarray) else x for x in batch])
            for batch in batches]


def state(twin: Twin) -> dict[str, bytes]:
    """Parameters, running statistics, gradients, and what the optimizer keeps, to the bit."""
    found = {name: t.array.tobytes() for name, t in twin.model.named_tensors()}
    found |= {f"{name}.grad": b"" if t.grad is None else t.grad.array.tobytes()
              for name, t in twin.model.named_parameters()}
    if twin.optimizer is not None:
        found |= {f"optimizer.{name}": array.tobytes() for name, array in twin.optimizer.state_dict().items()}
    return found


def assert_equal(a: Any, b: Any) -> None:
    """Two results are equal to the bit, whatever their structure."""
    assert type(a) is type(b)
    if isinstance(a, tz.Tensor):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert a.array.tobytes() == b.array.tobytes()
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        assert a == b


def assert_twins(make: Callable[[], Twin], batches: Any, replays: int | None = None) -> Twin:
    """Both go through the same batches and stay the same to the bit. replays: how many calls did not run Python."""
    plain, compiled = twins(make)
    assert_equal(trained(plain, batches), trained(compiled, batches))
    assert state(plain) == state(compiled)
    expected = len(batches) - 2 if replays is None else replays
    assert compiled.step.replays == expected, compiled.step.explain()
    return compiled


def classification(model: Any, optimizer: Any, after: Callable[[], Any] | None = None) -> Twin:
    """The usual step; `after` is what happens between backward and update."""

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if after is not None:
            after()
        optimizer.step()
        return loss

    return Twin(model, optimizer, step)


def batches(shape: tuple[int, ...], classes: int = 3, count: int = 5, dtype: Any = np.float32) -> list[Any]:
    """Random inputs and labels."""
    rng = np.random.default_rng(0)
    return [(rng.normal(size=shape).astype(dtype), rng.integers(0, classes, shape[0])) for _ in range(count)]
