"""Curves of bounded length that keep their shape."""

from __future__ import annotations

import math
from itertools import groupby

LIMIT = 512


class Curve:
    """Values by step. Of every `width` steps only the least and the greatest stay; where that is more than LIMIT
    points, the width doubles. 中文：曲线。

    So memory does not grow, every part of a long training is drawn as finely as any other, and a spike of one step
    stays to be seen. nan counts as the greatest: where it came up is what everyone looks for. The latest point is
    always there. The page keeps its own curves by the same rule.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit, self.width = limit, 1
        self.steps: list[int] = []
        self.values: list[float] = []

    def add(self, step: int, value: float) -> None:
        """A point; one at the same step as the latest takes its place."""
        if self.steps and self.steps[-1] == step:
            self.values[-1] = value
            return
        if self.width > 1:
            self._settle()
        self.steps.append(step)
        self.values.append(value)
        if len(self.steps) > self.limit:
            self._widen()

    def _settle(self) -> None:
        """The latest point is no longer it, and joins those of its stretch: of three, the middle one goes."""
        last = len(self.steps) - 1
        if last >= 2 and self._stretch(last) == self._stretch(last - 2):
            middle = sorted(range(last - 2, last + 1), key=self._rank)[1]
            del self.steps[middle], self.values[middle]

    def _widen(self) -> None:
        """Wider stretches, until a quarter of the room is free again."""
        while len(self.steps) > self.limit * 3 // 4:
            self.width *= 2
            last = len(self.steps) - 1
            kept = [i for _, group in groupby(range(last), key=self._stretch) for i in self._extremes(list(group))]
            self.steps = [self.steps[i] for i in (*kept, last)]
            self.values = [self.values[i] for i in (*kept, last)]

    def _extremes(self, group: list[int]) -> list[int]:
        ranked = sorted(group, key=self._rank)
        return sorted({ranked[0], ranked[-1]})

    def _stretch(self, i: int) -> int:
        return self.steps[i] // self.width

    def _rank(self, i: int) -> tuple[bool, float]:
        value = self.values[i]
        return (True, 0.0) if math.isnan(value) else (False, value)
