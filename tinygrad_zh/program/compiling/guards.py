"""What a program was made for, besides shapes: what the step finds in its variables, modules and gradients. 守卫

A replay does not run Python. So whatever Python would look up, and find to be another than in the recording, has to be
noticed before: a layer in eval(), another dropout rate, a parameter that was replaced, a gradient that is there now.
Each of these is a comparison of two references, and they are written out in one line after the other.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic)
"""What is told apart by its value."""


class Place(NamedTuple):
    """Where Python finds something: what stands before and behind the holder makes the expression, `name` is what the
    user's program calls it."""

    holder: Any
    path: str
    value: Any
    name: str
    before: str = ""

    def now(self) -> Any:
        """What is found there now; the place itself if it is gone."""
        try:
            return eval(f"{self.before}holder{self.path}", {"holder": self.holder})
        except (AttributeError, LookupError, ValueError):
            return self

    def same(self) -> bool:
        """Whether it still is what it was."""
        return same(self.now(), self.value)


def same(now: Any, then: Any) -> bool:
    """One object, or two equal plain values of one type, or collections of such."""
    if now is then:
        return True
    if type(now) is not type(then):
        return False
    if isinstance(then, float):
        return (now == then and math.copysign(1, now) == math.copysign(1, then)) or bool(now != now and then != then)
    if isinstance(then, (list, tuple)):
        return len(now) == len(then) and all(map(same, now, then))
    return isinstance(then, (*PLAIN, set, frozenset)) and bool(now == then)


def plain(x: Any) -> Any:
    """Of a scalar of NumPy's the number, which is what a step is given."""
    return x.item() if isinstance(x, np.generic) else x
