"""What has been seen of a training run, as the data that the page draws; all of it bounded.

    {"schema": "tinygrad_zh.live/1", "title", "run": 1 for the first training watched, "step", "epoch", "seconds",
     "state": "waiting" | "running" | "ended" | "interrupted" | "failed", "why", "probed": the latest probe's step,
     "parameters": [{"name", "shape"}], "activations": [{"name", "op", "units", "samples"}],
     "curves": {"loss": [[steps], [values]], "gradient/0.W": …},
     "first": {"weights/0.W": histogram, …}, "now": the same, and {"stuck/1 ReLU": [share of the samples, by cell]}}

A curve is loss, average (of the loss), figure/<name in the history>, weight/<parameter>, gradient/, update/,
mean/<activation>, std/, stuck/.
A histogram is {"low", "high", "counts", "nan"}. Numbers that are none are the strings "nan", "inf", "-inf".
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from typing import Any

from tinygrad_zh.stepper.live.curve import Curve


class Film:
    """One training run as it was seen. 中文：训练过程的影像。"""

    def __init__(self, title: str = "", state: str = "waiting") -> None:
        self.facts: dict[str, Any] = {"schema": "tinygrad_zh.live/1", "title": title, "state": state, "why": None,
                                      "step": 0, "epoch": 0, "seconds": 0.0, "parameters": [], "activations": []}
        self.curves: dict[str, Curve] = {}
        self.told: dict[str, int] = {}
        self.first: dict[str, Any] = {}
        self.now: dict[str, Any] = {}

    def add(self, curve: str, step: int, value: float) -> None:
        """A point of a curve."""
        known = self.curves.get(curve)
        if known is None:
            known = self.curves[curve] = Curve()
        known.add(step, value)

    def strip(self, name: str, drawn: Any) -> None:
        """A histogram or a row of cells: the first and the latest are kept."""
        self.first.setdefault(name, drawn)
        self.now[name] = drawn

    def whole(self) -> dict[str, Any]:
        """Everything, for who comes now."""
        curves = {name: [list(curve.steps), list(curve.values)] for name, curve in self.curves.items()}
        return {**self.facts, "curves": curves, "first": dict(self.first), "now": dict(self.now)}

    def news(self) -> dict[str, Any]:
        """What is new since the last news: of each curve the points from the last one told on, which may be another."""
        curves = {}
        for name, curve in self.curves.items():
            start = bisect_left(curve.steps, self.told.get(name, 0))
            curves[name] = [curve.steps[start:], curve.values[start:]]
            self.told[name] = curve.steps[-1]
        return {**self.facts, "curves": curves, "now": dict(self.now)}


def encoded(data: Any) -> str:
    """JSON with numbers of four digits, and words for those that JSON has not."""
    return json.dumps(_plain(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
