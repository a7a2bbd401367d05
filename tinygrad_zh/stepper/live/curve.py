"""Curves of bounded length that keep their shape."""

from __future__ import annotations

import math

LIMIT = 512


class Curve:
    """Values by step. When there are LIMIT of them, of every four only the least and the greatest stay. 中文：曲线。

    So a spike stays to be seen however long training lasts, and memory does not grow. nan counts as the greatest:
    where it came up is what everyone looks for. The page thins its own curves by the same rule.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.steps: list[int] = []
        self.values: list[float] = []

    def add(self, step: int, value: float) -> None:
        if self.steps and self.steps[-1] == step:
            self.values[-1] = value
            return
        if len(self.steps) >= self.limit:
            kept = [i for start in range(0, len(self.steps), 4) for i in self._extremes(start)]
            self.steps = [self.steps[i] for i in kept]
            self.values = [self.values[i] for i in kept]
        self.steps.append(step)
        self.values.append(value)

    def _extremes(self, start: int) -> list[int]:
        four = sorted(range(start, min(start + 4, len(self.steps))), key=self._rank)
        return sorted({four[0], four[-1]})

    def _rank(self, i: int) -> tuple[bool, float]:
        value = self.values[i]
        return (True, 0.0) if math.isnan(value) else (False, value)
