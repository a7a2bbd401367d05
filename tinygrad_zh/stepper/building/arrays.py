"""The numbers of a document: small arrays whole, of large ones a window that contains the element in question."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LIMIT = 64
"""An array with more elements is shown by a window and by its statistics."""
WINDOW = 8
DIGITS = 5
BINS = 16


class Arrays:
    """The list "arrays": each array is packed once for each window that is asked for."""

    def __init__(self, values: str) -> None:
        self.full = values == "full"
        self.packed: list[dict[str, Any]] = []
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        self._alive: list[Any] = []  # an id stands for its array only as long as that lives

    def add(self, array: Any, pick: tuple[int, ...] = ()) -> int:
        """The array's position in the list; a window contains `pick`."""
        values = _on_cpu(array)
        origin = () if self.full or values.size <= LIMIT else window_origin(values.shape, pick)
        key = id(array), origin
        if key not in self._known:
            self._known[key] = len(self.packed)
            self._alive.append(array)
            self.packed.append(pack(values, origin, self.full))
        return self._known[key]


def window_origin(shape: tuple[int, ...], pick: tuple[int, ...]) -> tuple[int, ...]:
    """Where the window begins: over the last two axes around the pick, at the pick's index on the others."""
    pick = pick if len(pick) == len(shape) else (0,) * len(shape)
    lead, plane = pick[:-2], zip(pick[-2:], shape[-2:], strict=True)
    return *lead, *(max(0, min(p - p % WINDOW, n - WINDOW)) for p, n in plane)


def pack(values: np.ndarray[Any, Any], origin: tuple[int, ...], full: bool) -> dict[str, Any]:
    """An array as the document has it."""
    packed: dict[str, Any] = {"shape": list(values.shape), "dtype": str(values.dtype)}
    if not origin:
        return packed | {"values": numbers(values, full)}
    size = [1] * (values.ndim - 2) + [min(WINDOW, n) for n in values.shape[-2:]]
    part = values[tuple(slice(o, o + n) for o, n in zip(origin, size, strict=True))]
    return packed | {"values": numbers(part, full), "origin": list(origin), "window": size} | statistics(values)


def numbers(values: Any, full: bool = False) -> list[Any]:
    """The elements in row-major order, of five digits unless all are wanted; nan and ±inf as strings."""
    flat = np.ravel(values).tolist()
    return [number(v, full) for v in flat]


def number(v: Any, full: bool = False) -> Any:
    """One number for JSON."""
    if isinstance(v, float):
        if not math.isfinite(v):
            return "nan" if v != v else "inf" if v > 0 else "-inf"
        rounded = v if full else float(f"{v:.{DIGITS}g}")
        return rounded if math.isfinite(rounded) else v  # five digits of the largest float would be ∞
    return int(v)


def plain(said: Any, full: bool = False) -> Any:
    """What is said of a step, its numbers as JSON has them."""
    if isinstance(said, dict):
        return {key: plain(value, full) for key, value in said.items()}
    if isinstance(said, list):
        return [plain(value, full) for value in said]
    if isinstance(said, (float, bool)):  # NumPy's float64 is a float
        return number(float(said) if isinstance(said, float) else said, full)
    return said


def statistics(values: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Minimum, maximum, mean, deviation and histogram of what is finite, and how much is not."""
    real = values.dtype.kind == "f"
    counts = {"nan": int(np.isnan(values).sum()) if real else 0, "inf": int(np.isinf(values).sum()) if real else 0}
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return counts | {"min": "nan", "max": "nan", "mean": "nan", "std": "nan",
                         "histogram": {"low": 0, "high": 0, "counts": [0] * BINS}}
    low, high = float(finite.min()), float(finite.max())
    scale = max(-low, high) or 1.0  # sums of huge numbers would overflow
    mean, std = (number(float(f(finite / scale)) * scale) for f in (np.mean, np.std))
    share = (finite - low) / (high - low) if 0 < high - low < math.inf else np.zeros_like(finite)
    bins = np.bincount(np.minimum((share * BINS).astype(int), BINS - 1), minlength=BINS)
    return counts | {"min": number(low), "max": number(high), "mean": mean, "std": std,
                     "histogram": {"low": number(low), "high": number(high), "counts": bins.tolist()}}


def largest(array: Any) -> tuple[int, ...]:
    """The element to look at: the first that is not finite, else the one of greatest size."""
    values = _on_cpu(array)
    if not values.size:
        return ()
    odd = ~np.isfinite(values)
    flat = int(odd.argmax()) if odd.any() else int(np.abs(values).argmax())
    return tuple(int(i) for i in np.unravel_index(flat, values.shape))


def _on_cpu(array: Any) -> np.ndarray[Any, Any]:
    return np.asarray(array.get() if hasattr(array, "get") else array)
