"""Derivatives by differences, independent of the engine and of its own gradient checker."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

STEP = 1e-3

Function = Callable[..., Sequence[NDArray]]


def numeric_gradient(function: Function, arrays: Sequence[NDArray], which: int, weights: Sequence[NDArray]) -> NDArray:
    """∂(Σ weights · function(*arrays)) / ∂arrays[which], element by element, in float64.

    Central differences D(h) and D(h/2), and Richardson's (4 D(h/2) − D(h)) / 3, whose error is O(h⁴).
    """
    x = arrays[which]
    gradient = np.zeros(x.shape)

    def at(index: tuple[int, ...], moved: float) -> Sequence[NDArray]:
        shifted = x.copy()
        shifted[index] += moved
        return function(*arrays[:which], shifted, *arrays[which + 1 :])

    def quotient(index: tuple[int, ...], h: float) -> float:
        pairs = zip(weights, at(index, h), at(index, -h), strict=True)
        return sum(float((w * (above - below)).sum()) for w, above, below in pairs) / (2 * h)

    for index in np.ndindex(x.shape):
        h = STEP * max(1.0, abs(float(x[index])))
        gradient[index] = (4 * quotient(index, h / 2) - quotient(index, h)) / 3
    return gradient
