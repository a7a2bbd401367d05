"""What is trained: networks, their first weights and their batches, drawn with NumPy, the same for every framework.

Weights have the layout of this engine: a matrix is (inputs, outputs), a kernel (outputs, inputs, rows, columns).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Weights = dict[str, Array]
Batch = tuple[Array, Array]

BATCHES = 6
SEED = 7


class Case(NamedTuple):
    """A network and how it is trained.

    model: "mlp" with the widths in `sizes`; "transformer" with vocabulary, width, heads, hidden, depth, length,
    classes; "cnn" with channels, channels, classes on pictures of 28 × 28. loss: "cross-entropy", "mse" or "bce" (with
    logits). optimizer: "adam" or "sgd".
    """

    name: str
    model: str
    sizes: tuple[int, ...]
    batch: int
    loss: str = "cross-entropy"
    optimizer: str = "adam"
    rate: float = 1e-3

    def __str__(self) -> str:
        sizes = {"mlp": "–".join(map(str, self.sizes)),
                 "transformer": "transformer of vocabulary {}, width {}, heads {}, hidden {}, depth {}, length {}, "
                                "classes {}",
                 "cnn": "convolutions of {} and {} kernels, classes {}"}[self.model].format(*self.sizes)
        return f"{self.name}: {sizes}, batch {self.batch}, {self.loss}, {self.optimizer}"


class Transformer(NamedTuple):
    """What the sizes of a transformer mean."""

    vocabulary: int
    width: int
    heads: int
    hidden: int
    depth: int
    length: int
    classes: int


CASES = {case.name: case for case in (
    Case("a32", "mlp", (784, 128, 10), 32),
    Case("a64", "mlp", (784, 128, 10), 64),
    Case("a512", "mlp", (784, 128, 10), 512),
    Case("b", "mlp", (784, 1000, 10), 1000, optimizer="sgd", rate=0.01),
    Case("c", "mlp", (2, 10, 1), 100, "mse", "sgd", 0.01),
    Case("d", "mlp", (100, 128, 64, 1), 64, "bce"),
    Case("e", "transformer", Transformer(10_000, 128, 4, 128, 2, 100, 10), 32),
    Case("f", "cnn", (8, 16, 10), 64),
    Case("wide", "mlp", (784, 2048, 2048, 10), 256),
    Case("deep", "transformer", Transformer(10_000, 256, 8, 1024, 4, 128, 10), 8),
)}
"""Cases a to f are systems of the documents (S3, S1, S5, S7, S4, S11); two more are larger."""

TINY = {case.name: case for case in (
    Case("a32", "mlp", (6, 5, 3), 4),
    Case("b", "mlp", (6, 7, 3), 5, optimizer="sgd", rate=0.01),
    Case("c", "mlp", (2, 3, 1), 4, "mse", "sgd", 0.01),
    Case("d", "mlp", (5, 4, 3, 1), 4, "bce"),
    Case("e", "transformer", Transformer(20, 8, 2, 8, 2, 5, 3), 2),
    Case("f", "cnn", (2, 3, 3), 2),
)}
"""The same kinds, so small that a step is nothing: to try the program, not to measure."""


def weights(case: Case) -> Weights:
    """The first values of all parameters by name, in the order of the layers."""
    rng = np.random.default_rng(SEED)
    return {"mlp": _mlp, "transformer": _transformer, "cnn": _cnn}[case.model](case.sizes, rng)


def batches(case: Case) -> list[Batch]:
    """What the steps are made on, in turn."""
    rng = np.random.default_rng(SEED + 1)
    return [(_inputs(case, rng), _targets(case, rng)) for _ in range(BATCHES)]


def _dense(rng: np.random.Generator, name: str, inputs: int, outputs: int) -> Weights:
    W = rng.standard_normal((inputs, outputs), np.float32) / np.float32(inputs) ** 0.5
    return {f"{name}.W": W, f"{name}.b": np.zeros(outputs, np.float32)}


def _norm(name: str, width: int) -> Weights:
    return {f"{name}.gamma": np.ones(width, np.float32), f"{name}.beta": np.zeros(width, np.float32)}


def _mlp(sizes: tuple[int, ...], rng: np.random.Generator) -> Weights:
    layers = [_dense(rng, str(i), *widths) for i, widths in enumerate(pairwise(sizes))]
    return {name: array for layer in layers for name, array in layer.items()}


def _transformer(sizes: tuple[int, ...], rng: np.random.Generator) -> Weights:
    of = Transformer(*sizes)
    found: Weights = {"embedding": rng.standard_normal((of.vocabulary, of.width), np.float32)}
    for i in range(of.depth):
        for part in ("query", "key", "value", "output"):
            found |= _dense(rng, f"{i}.{part}", of.width, of.width)
        found |= _norm(f"{i}.norm1", of.width)
        found |= _dense(rng, f"{i}.first", of.width, of.hidden) | _dense(rng, f"{i}.second", of.hidden, of.width)
        found |= _norm(f"{i}.norm2", of.width)
    return found | _dense(rng, "classes", of.width, of.classes)


def _cnn(sizes: tuple[int, ...], rng: np.random.Generator) -> Weights:
    found: Weights = {}
    first, second, classes = sizes
    for i, (inputs, outputs) in enumerate(((1, first), (first, second))):
        found[f"{i}.W"] = rng.standard_normal((outputs, inputs, 3, 3), np.float32) / np.float32(9 * inputs) ** 0.5
        found[f"{i}.b"] = np.zeros(outputs, np.float32)
    return found | _dense(rng, "classes", 49 * second, classes)


def _inputs(case: Case, rng: np.random.Generator) -> Array:
    if case.model == "transformer":
        of = Transformer(*case.sizes)
        return rng.integers(0, of.vocabulary, (case.batch, of.length))
    shape = (1, 28, 28) if case.model == "cnn" else case.sizes[:1]
    return rng.standard_normal((case.batch, *shape), np.float32)


def _targets(case: Case, rng: np.random.Generator) -> Array:
    if case.loss == "cross-entropy":
        return rng.integers(0, case.sizes[-1], case.batch)
    if case.loss == "mse":
        return rng.standard_normal((case.batch, 1), np.float32)
    return rng.integers(0, 2, (case.batch, 1)).astype(np.float32)


def positions(length: int, width: int) -> Array:
    """The sines and cosines that are added to the embedded tokens (Vaswani et al. 2017, §3.5)."""
    column = np.arange(width)
    angle = np.arange(length)[:, None] / 10000 ** (column // 2 * 2 / width)
    return np.where(column % 2, np.cos(angle), np.sin(angle)).astype(np.float32)
