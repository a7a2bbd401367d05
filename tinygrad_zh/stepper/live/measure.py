"""What is measured of a network while it learns: pure functions of its arrays and of a recorded probe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core import Tape, grad
from tinygrad_zh.core.mode import using
from tinygrad_zh.core.tape import Line
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import move
from tinygrad_zh.ops.activation import GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softplus, Tanh

Array = np.ndarray[Any, Any]

ACTIVATIONS = (ReLU, LeakyReLU, Sigmoid, Tanh, GELU, SiLU, Softplus)
BINS, CELLS = 24, 128
COUNTED = 10_000
"""Elements that a histogram counts; of a larger array, so many evenly spaced ones."""
FLAT = 0.01
"""A slope that passes on hardly anything: σ beyond ±4.6, tanh beyond ±3, ReLU where it is 0."""


def norm(array: Array) -> float:
    """‖a‖ = √Σ a² over all elements."""
    return float(np.linalg.norm(array.ravel()))


def histogram(array: Array) -> dict[str, Any]:
    """How many elements lie in each of 24 equal parts between the least and the greatest; nan and ∞ apart."""
    flat = array.ravel()
    flat = flat[:: -(-flat.size // COUNTED)] if flat.size else flat
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        return {"low": 0.0, "high": 0.0, "counts": [0] * BINS, "nan": int(flat.size)}
    low, high = float(finite.min()), float(finite.max())
    scale = BINS / (high - low) if high > low else 0.0
    places = ((finite.astype(np.float64) - low) * scale).astype(np.intp)
    counts = np.bincount(np.minimum(places, BINS - 1), minlength=BINS)
    return {"low": low, "high": high, "counts": counts.tolist(), "nan": int(flat.size - finite.size)}


class Activation(NamedTuple):
    """The outputs of one activation for the probe's samples.

    stuck: for each unit (an element of one sample's output) the share of the samples where ∂y/∂x is nearly 0.
    """

    name: str
    op: str
    y: Array
    stuck: Array

    def cells(self) -> list[float]:
        """`stuck` as at most 128 cells: the means of as many runs of neighbouring units."""
        parts = np.array_split(self.stuck, min(CELLS, self.stuck.size))
        return [float(part.mean()) for part in parts]

    def share(self) -> float:
        """The share of units that are stuck for every sample: dead (ReLU) or saturated (σ, tanh)."""
        return float((self.stuck == 1).mean())


def activations(tape: Tape, paths: Mapping[int, str]) -> list[Activation]:
    """The activations inside the model, in the order in which they ran. paths: a module's path by its id.

    What one line of the program calls again and again, such as a cell of a recurrent network, is one activation: its
    outputs are samples of the same units.
    """
    calls: dict[tuple[Any, ...], list[Line]] = {}
    for line in tape.of("forward"):
        if line.info["op"] in ACTIVATIONS and line.info["modules"] and line.outputs[0].ndim:
            path = paths.get(id(line.info["modules"][-1]), "")
            key = (path, line.info["op"].__name__, line.info["where"], line.outputs[0].shape[1:])
            calls.setdefault(key, []).append(line)
    found: list[Activation] = []
    for (path, op, *_), lines in calls.items():
        y, slope = (np.concatenate([move(part, "cpu") for part in parts])
                    for parts in ([line.outputs[0] for line in lines], [_slope(line) for line in lines]))
        stuck = ((np.abs(slope) <= FLAT) & np.isfinite(y)).reshape(len(y), -1).mean(axis=0)  # nan is worse than dead
        found.append(Activation(_unused(f"{path} {op}".strip(), found), op, y, stuck))
    return found


def _slope(line: Line) -> Array:
    """∂y/∂x of every element, from the op's own backward."""
    op, x = line.info["op"], leaf(line.arguments[0], requires_grad=True)
    with using(grad=True, tape=None):
        return grad(op(x, **line.keywords), x, np.ones_like(x.array))[0].array


def _unused(name: str, found: list[Activation]) -> str:
    """The name, numbered if there is one of that name already."""
    names = {activation.name for activation in found}
    return next(each for each in (name, *(f"{name} ({n})" for n in range(2, len(found) + 2))) if each not in names)
