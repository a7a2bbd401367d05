"""F21: layers without activations between them are one layer. Document 003 §4.2.

    as written   Zₙ = Zₙ₋₁ Wₙ + bₙ               three of these: X (W₁ W₂ W₃) + (b₁ W₂ W₃ + b₂ W₃ + b₃)
    corrected    Zₙ = Aₙ₋₁ Wₙ + bₙ,  Aₙ = f(Zₙ)

in row batches. Two tasks: a disc within a ring, which no straight line separates, made up here; and real digits. For
the disc and the ring the best of all straight lines is found by trying them all, so it is known how good a network
without activations could be at most.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents.report import say, table
from tinygrad_zh.documents.s1 import images
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import Adam
from tinygrad_zh.plot.regions import Region, decision_regions
from tinygrad_zh.train import fit, predict

Array = np.ndarray[Any, Any]
Part = tuple[Array, Array]

POINTS = 200


class Fit(NamedTuple):
    """A trained network on a task: accuracy on what it learnt from and on what it did not."""

    task: str
    model: nn.Sequential
    accuracy: float
    held_out: float


class Task(NamedTuple):
    """The same three layers as written and with activations between; and the one affine map that the first of them is:
    its held-out accuracy, and how far its outputs are from those of the layers, max |difference|, in float64."""

    written: Fit
    corrected: Fit
    collapsed: float
    difference: float


class Measured(NamedTuple):
    """x, y: the disc (0) and the ring (1); best_line: the highest accuracy of any straight line on them."""

    ring: Task
    digits: Task
    x: Array
    y: Array
    best_line: float


def measure(seed: int = 0) -> Measured:
    """Both tasks; the seed draws points, digits and weights."""
    points, held_out = ring(philox(seed)), ring(philox(seed + 1))
    parts = [(data.to_unit(part.pixels).reshape(len(part), -1), part.labels) for part in images(seed)]
    return Measured(compare("ring", (2, 16, 16, 2), points, held_out, 0.01, 200, seed),
                    compare("digits", (784, 100, 100, 10), parts[0], parts[1], 0.001, 5, seed),
                    *points, best_line(*points))


def compare(task: str, sizes: tuple[int, ...], part: Part, held_out: Part, lr: float, epochs: int, seed: int) -> Task:
    """Both networks trained, and the first one collapsed."""
    written, corrected = (train(task, layers, part, held_out, lr, epochs, seed)
                          for layers in (lambda: affine(sizes), lambda: bent(sizes)))
    x, y = held_out[0].astype(np.float64), held_out[1]
    layers = maps(written.model)
    W, b = collapse(layers)
    through = x
    for w, c in layers:
        through = through @ w + c
    z = x @ W + b
    return Task(written, corrected, float(np.mean(z.argmax(axis=1) == y)), float(abs(through - z).max()))


def ring(rng: np.random.Generator) -> tuple[Array, Array]:
    """100 points of a disc of radius 1, and 100 of a ring between 1.3 and 2 around it."""
    y = np.repeat([0, 1], POINTS // 2)
    radius = np.where(y == 0, np.sqrt(rng.uniform(0, 1, POINTS)), np.sqrt(rng.uniform(1.3**2, 4, POINTS)))
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    return (radius * [np.cos(angle), np.sin(angle)]).T.astype(np.float32), y


def affine(sizes: tuple[int, ...]) -> nn.Sequential:
    """Zₙ = Zₙ₋₁ Wₙ + bₙ, as written."""
    return nn.Sequential(*(nn.Dense(inputs, outputs) for inputs, outputs in pairwise(sizes)))


def bent(sizes: tuple[int, ...]) -> nn.Sequential:
    """The same layers with tanh between them, none on the output."""
    first, *others = affine(sizes).layers
    return nn.Sequential(first, *(module for layer in others for module in (nn.Tanh(), layer)))


def train(task: str, network: Callable[[], nn.Sequential], part: Part, held_out: Part, lr: float, epochs: int,
          seed: int) -> Fit:
    """Adam on batches of 32; softmax and cross-entropy."""
    manual_seed(seed)
    model = network()
    fit(model, part, loss=F.cross_entropy, optimizer=Adam(model.parameters(), lr), epochs=epochs, batch_size=32,
        progress="none")
    return Fit(task, model, *(float(np.mean(classes(model, x) == y)) for x, y in (part, held_out)))


def classes(model: nn.Sequential, x: Array) -> Array:
    """The class of the largest output."""
    found: Array = predict(model, x).argmax(axis=1)
    return found


def maps(model: nn.Sequential) -> list[tuple[Array, Array]]:
    """W and b of every layer, in float64."""
    arrays = [p.numpy().astype(np.float64) for p in model.parameters()]
    return list(zip(arrays[::2], arrays[1::2], strict=True))


def collapse(layers: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """One W and b: x W₁ + b₁ put into y W₂ + b₂ is x (W₁ W₂) + (b₁ W₂ + b₂), and so on."""
    W, b = layers[0]
    for w, c in layers[1:]:
        W, b = W @ w, b @ w + c
    return W, b


def best_line(x: Array, y: Array) -> float:
    """The highest accuracy of any straight line, exactly.

    A line can be moved until it passes through two points without another changing sides, and the two can be put on
    either side by turning it a little: so it is enough to try the lines through any two points, both counted right.
    """
    sign, n, best = np.where(y == 1, 1, -1), len(x), 0
    for i in range(n):
        across = (x - x[i]) @ [[0, -1], [1, 0]]  # normal to the line through i and each j
        sides = np.sign(across.astype(np.float64) @ (x - x[i]).T.astype(np.float64))
        right = (sides * sign == 1).sum(axis=1), (sides * sign == -1).sum(axis=1)
        best = max(best, int(np.max(right)) + 2)
    return best / n


def show(measured: Measured) -> None:
    say("experiment.collapse", best=measured.best_line)
    rows = []
    for task in (measured.ring, measured.digits):
        figures = {"written": [f"{task.written.accuracy:.1%}", f"{task.written.held_out:.1%}", "–"],
                   "one": ["–", f"{task.collapsed:.1%}", f"{task.difference:.0e}"],
                   "corrected": [f"{task.corrected.accuracy:.1%}", f"{task.corrected.held_out:.1%}", "–"]}
        name = text(f"experiment.collapse.{task.written.task}")
        rows += [[f"{name} · {text(f'experiment.collapse.{network}')}", *cells] for network, cells in figures.items()]
    table([text("experiment.collapse.network"), text("train.figure.accuracy"), text("experiment.held_out"),
           text("experiment.collapse.difference")], *rows)
    say("experiment.collapse.seen")


def draw(measured: Measured, path: Path) -> Path:
    """Where each network sees the ring."""
    networks = {"written": measured.ring.written, "corrected": measured.ring.corrected}
    regions = [Region(text(f"experiment.collapse.title.{name}", accuracy=net.accuracy), partial(classes, net.model))
               for name, net in networks.items()]
    return decision_regions(regions, measured.x, measured.y, path)
