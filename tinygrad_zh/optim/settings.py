"""The settings of optimizers, schedules and clipping, checked once, when they are given."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any


def number(name: str, value: Any) -> float:
    """A setting as a Python float. Raises TypeError for what is no number."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} is a number, not {value!r:.80}")
    return float(value)


def not_negative(name: str, value: Any) -> float:
    """Finite and ≥ 0, or ValueError."""
    value = number(name, value)
    if not 0 <= value < float("inf"):
        raise ValueError(f"{name} is a finite number ≥ 0, not {value}")
    return value


def positive(name: str, value: Any) -> float:
    """Finite and > 0, or ValueError."""
    value = number(name, value)
    if not 0 < value < float("inf"):
        raise ValueError(f"{name} is a finite number > 0, not {value}")
    return value


def fraction(name: str, value: Any) -> float:
    """In [0, 1), or ValueError."""
    value = number(name, value)
    if not 0 <= value < 1:
        raise ValueError(f"{name} lies in [0, 1), not {value}")
    return value


def steps(name: str, value: Any) -> int:
    """A whole number ≥ 1, or ValueError; TypeError for what is no whole number."""
    if not isinstance(value, Integral):
        raise TypeError(f"{name} is a whole number of steps, not {value!r:.80}")
    if value < 1:
        raise ValueError(f"{name} is a number of steps ≥ 1, not {value}")
    return int(value)
