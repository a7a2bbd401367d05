"""Traces to look at and to test with: `python -m tests.stepper.samples FOLDER` writes each as JSON and as a page."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import nn
from tinygrad_zh.documents import s6

F = tz.functional


def s6_step() -> None:
    """S6's network, one step on both points."""
    model, X, Y = s6.network(), tz.tensor(s6.POINTS, name="X"), tz.tensor(s6.LABELS, name="Y")
    J = F.binary_cross_entropy(model(X), Y)
    J.backward()
    tz.optim.SGD(model.parameters(), lr=0.5).step()


def mlp() -> None:
    """Two dense layers, softmax cross-entropy, SGD."""
    x, t = tz.tensor(np.random.default_rng(0).normal(size=(4, 5))), np.array([0, 2, 1, 2])
    W1 = tz.tensor(np.random.default_rng(1).normal(size=(5, 6)) / 2, requires_grad=True)
    b1 = tz.tensor(np.zeros(6), requires_grad=True)
    W2 = tz.tensor(np.random.default_rng(2).normal(size=(6, 3)) / 2, requires_grad=True)
    b2 = tz.tensor(np.zeros(3), requires_grad=True)
    h = F.tanh(x @ W1 + b1)
    z = h @ W2 + b2
    loss = F.cross_entropy(z, t)
    loss.backward()
    tz.optim.SGD([W1, b1, W2, b2], lr=0.1).step()


def reused() -> None:
    """A tensor that is used three times."""
    x = tz.tensor([1.0, -2.0, 3.0], dtype=np.float64, requires_grad=True)
    s = F.tanh(x)
    y = s * x + s
    L = y.sum()
    L.backward()


def softmax() -> None:
    """Softmax, then the cross-entropy of its probabilities."""
    z = tz.tensor([[2.0, 1.0, -1.0], [0.5, 0.0, 0.5]], dtype=np.float64, requires_grad=True)
    p = F.softmax(z)
    L = -F.log(p[[0, 1], [0, 2]]).mean()
    L.backward()


def attention() -> None:
    """One head of self-attention over four tokens."""
    generator = np.random.default_rng(3)
    x = tz.tensor(generator.normal(size=(4, 6)))
    WQ, WK, WV = (tz.tensor(generator.normal(size=(6, 3)) / 2, requires_grad=True) for _ in range(3))
    Q, K, V = x @ WQ, x @ WK, x @ WV
    P = F.softmax(Q @ K.mT / 3 ** 0.5)
    Y = P @ V
    L = (Y * Y).mean()
    L.backward()


class Block(nn.Module):
    """x + tanh(x W + b)"""

    def __init__(self, width: int) -> None:
        self.dense = nn.Dense(width, width)

    def forward(self, x: Any) -> Any:
        return x + F.tanh(self.dense(x))


class Stack(nn.Module):
    """Equal blocks, one after the other."""

    def __init__(self, depth: int, width: int) -> None:
        self.blocks = [Block(width) for _ in range(depth)]

    def forward(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return x


def stack(depth: int, width: int = 5, rows: int = 4) -> None:
    """4 · depth + 1 ops."""
    model = Stack(depth, width)
    x = tz.tensor(np.random.default_rng(0).normal(size=(rows, width)), dtype=np.float32)
    loss = model(x).mean()
    loss.backward()


def flat(length: int = 999) -> None:
    """A chain without a module: length + 1 ops."""
    x = tz.tensor(np.linspace(-1, 1, 4), requires_grad=True)
    for _ in range(length // 3):
        x = F.tanh(x * 1.5) + 0.1
    x.sum().backward()


def error() -> None:
    """A matrix product whose inner sizes differ."""
    x, W = tz.tensor(np.ones((4, 5))), tz.tensor(np.ones((6, 3)), requires_grad=True)
    h = F.relu(x * 2.0)
    y = h @ W
    y.sum().backward()


def nan() -> None:
    """A logarithm of zero."""
    x = tz.tensor([[0.5, 0.0], [2.0, 1.0]], requires_grad=True)
    with np.errstate(all="ignore"):
        y = F.log(x) * x
        y.sum().backward()


SAMPLES: dict[str, Callable[[], None]] = {
    "s6": s6_step, "mlp": mlp, "reused": reused, "softmax": softmax, "attention": attention,
    "mlp30": lambda: stack(30), "blocks250": lambda: stack(250), "flat999": flat, "error": error, "nan": nan,
}  # fmt: skip


def trace(name: str) -> tz.stepper.Trace:
    """The sample's trace, the same each time."""
    tz.manual_seed(0)
    with suppress(ValueError), tz.record(title=name) as found:
        SAMPLES[name]()
    return found


def main(folder: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    traces = {name: trace(name) for name in SAMPLES}
    for name, found in traces.items():
        found.save_json(Path(folder, f"{name}.json"))
    for name, found in traces.items():
        found.save_html(Path(folder, f"{name}.html"))


if __name__ == "__main__":
    main(sys.argv[1])
