"""The steps that statements are made of. 计算步骤

    Pointwise     y[i] = value at i
    Reduction     y[i] = Σ_k value at (i, k)                 or the product, the maximum, the minimum
    Product       y[…, i, j] = Σ_k a[…, i, k] b[…, k, j]
    ScatterSum    y = 0, then y[place of i] += value at i
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_zh.program.lowering.expressions import Element, Expression, Place, Shape, elements


@dataclass
class Pointwise:
    """y[i] = value at i. place: where the value goes, if it is only a part of y; other steps fill in the rest."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    value: Expression
    place: Place | None = None


@dataclass
class Reduction:
    """y = the sum ("add"), product ("multiply"), "maximum" or "minimum" of value over axes. shape: with those as 1."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    value: Expression
    kind: str
    axes: tuple[int, ...]


@dataclass
class Product:
    """y = a @ b, both with the leading axes of y; a stride of 0 stands for what is broadcast."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    a: Element
    b: Element


@dataclass
class ScatterSum:
    """y = 0; y[place] += value, index by index; an index that comes twice receives both."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    value: Expression
    place: Place


Looped = Pointwise | Reduction | ScatterSum
Step = Looped | Product


def read_by(step: Step) -> Iterator[Element]:
    """Every element of named arrays that a step reads."""
    if isinstance(step, Product):
        yield from (step.a, step.b)
        return
    yield from elements(step.value)
    if isinstance(step, (Pointwise, ScatterSum)) and step.place is not None:
        for gather in step.place.gathers:
            yield from elements(gather.index)


def size_of(shape: Shape) -> int:
    return math.prod(shape)
