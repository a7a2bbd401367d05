"""All steps on one line: the height and the colour say the phase, ◆ says where we are. 进度条"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.stepper.navigation import group
from tinygrad_zh.stepper.panel import Line, Span

Data = dict[str, Any]

_BARS = {"forward": "▁", "seed": "┃", "backward": "▃", "update": "▅", "error": "!"}
_RAREST_FIRST = ("error", "seed", "update", "backward", "forward")


def scrubber(data: Data, index: int, room: int) -> Line:
    """The line in `room` cells; what is rare is seen, where a cell stands for several steps."""
    groups = [group(step) for step in data["steps"]]
    cells = []
    for x in range(room):
        start = step_at(data, x, room)
        stop = max(step_at(data, x + 1, room), start + 1)
        phase = next(name for name in _RAREST_FIRST if name in groups[start:stop])
        here = start <= index < stop
        cells.append(Span("◆", phase) if here else Span(_BARS[phase], f"{phase}_bar"))
    return tuple(cells)


def step_at(data: Data, x: int, room: int) -> int:
    """The first step of cell x."""
    return x * len(data["steps"]) // room
