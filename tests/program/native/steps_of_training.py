"""Small training steps, twice the same: one to compile, one to compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor
from tinygrad_zh.optim import SGD, Adam, Momentum, Optimizer
from tinygrad_zh.program.compiling.recorded import Recorded, run
from tinygrad_zh.program.native.program import Program, build


class Training(NamedTuple):
    step: Callable[..., Any]
    batch: tuple[Tensor, ...]
    optimizer: Optimizer

    def arrays(self) -> list[Any]:
        return [t.array for t in self.batch]

    def state(self) -> list[Any]:
        """Copies of parameters, gradients, and what the optimizer keeps."""
        kept = [t for state in self.optimizer.state for t in state.values()]
        gradients = [p.grad for p in self.optimizer.parameters if p.grad is not None]
        return [t.array.copy() for t in (*self.optimizer.parameters, *gradients, *kept)]


def trained(model: nn.Module, loss: Any, optimizer: Any, *batch: Any) -> Training:
    made = optimizer(model.parameters())

    def step(x: Any, y: Any) -> Tensor:
        made.zero_grad()
        value = loss(model(x), y)
        value.backward()
        made.step()
        return value

    return Training(step, tuple(map(tz.tensor, batch)), made)


def regression() -> Training:
    """PERFORMANCE.md's case c: no step is smaller."""
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    x = rng.standard_normal((20, 2)).astype(np.float32)
    model = nn.Sequential(nn.Dense(2, 5), nn.ReLU(), nn.Dense(5, 1))
    return trained(model, F.mse_loss, lambda p: SGD(p, 0.05), x, x.sum(axis=1, keepdims=True))


def classes() -> Training:
    """Cases a and b: labels, and Adam with its t."""
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    x, y = rng.random((8, 6), np.float32), rng.integers(0, 4, 8)
    model = nn.Sequential(nn.Dense(6, 5), nn.Tanh(), nn.Dense(5, 4))
    return trained(model, F.cross_entropy, lambda p: Adam(p, 0.01), x, y)


def yes_or_no() -> Training:
    """Case d: a loss of numbers instead of labels, and momentum."""
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    x = rng.standard_normal((8, 3)).astype(np.float32)
    t = (x[:, :1] > 0).astype(np.float32)
    model = nn.Sequential(nn.Dense(3, 4), nn.Sigmoid(), nn.Dense(4, 1))
    return trained(model, F.binary_cross_entropy_with_logits, lambda p: Momentum(p, 0.1), x, t)


class Reader(nn.Module):
    """Case e: tokens, attention, norms, and a mean over the words."""

    def __init__(self) -> None:
        self.embedding = nn.Embedding(11, 8)
        self.blocks = nn.Encoder(1, 8, 2, 12)
        self.out = nn.Dense(8, 2)

    def forward(self, t: Any) -> Tensor:
        return self.out(self.blocks(self.embedding(t)).mean(axis=1))


def sentences() -> Training:
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    return trained(Reader(), F.cross_entropy, lambda p: SGD(p, 0.1), rng.integers(0, 11, (3, 5)), rng.integers(0, 2, 3))


def pictures() -> Training:
    """Case f: convolutions and pooling, which Python calls."""
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    x, y = rng.random((2, 1, 8, 8), np.float32), rng.integers(0, 3, 2)
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Dense(48, 3))
    return trained(model, F.cross_entropy, lambda p: Adam(p, 0.01), x, y)


def dropped() -> Training:
    """A generator draws anew in each step."""
    rng = np.random.default_rng(0)
    tz.manual_seed(0)
    x = rng.standard_normal((20, 2)).astype(np.float32)
    model = nn.Sequential(nn.Dense(2, 5), nn.ReLU(), nn.Dropout(0.5), nn.Dense(5, 1))
    return trained(model, F.mse_loss, lambda p: SGD(p, 0.05), x, x.sum(axis=1, keepdims=True))


def recorded(training: Training) -> Recorded:
    """The second step: in the first there are no gradients yet."""
    training.step(*training.batch)
    value, tape = run(lambda: training.step(*training.batch), training.arrays())
    return Recorded(tape, [value.array])


def compiled(training: Training) -> Program:
    return build(recorded(training))
