"""Exercises that are checked on the spot: write the missing backward; find the wrong gradient. 练习"""

from __future__ import annotations

import difflib

from tinygrad_zh.exercises.backwards import EXERCISES
from tinygrad_zh.exercises.exercise import Exercise
from tinygrad_zh.exercises.planted import WRONG_GRADIENTS, wrong_gradient
from tinygrad_zh.exercises.result import Result
from tinygrad_zh.exercises.wrong import Verdict, WrongGradient
from tinygrad_zh.i18n import text

__all__ = ["EXERCISES", "WRONG_GRADIENTS", "Exercise", "Result", "Verdict", "WrongGradient", "missing_backward",
           "wrong_gradient"]


def missing_backward(name: str) -> Exercise:
    """The exercise of that name: print it, write a backward, hand it to its `check`. 中文：补写反向传播的练习。

    Raises ValueError, which names close ones.

    >>> from tinygrad_zh.exercises import missing_backward
    >>> exercise = missing_backward("square")
    >>> exercise.formula
    'y = x²'
    >>> def backward(dy, x):
    ...     return dy * x
    >>> result = exercise.check(backward)
    >>> bool(result), result.report.failures[0].diagnosis, result.report.failures[0].values
    (False, 'factor', {'factor': '1/2'})
    """
    wanted = name.lower().replace("-", "_")
    if wanted not in EXERCISES:
        near = ", ".join(difflib.get_close_matches(wanted, EXERCISES, 3, 0.4)) or "–"
        raise ValueError(text("exercise.unknown", name=name, near=near))
    return EXERCISES[wanted]
