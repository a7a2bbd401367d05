"""The plain text of a trace: one line a step, or one step in full; it reads well aloud, too. 文本前端"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.i18n import display_width, pad, text
from tinygrad_zh.stepper.navigation import GROUPS, group, target
from tinygrad_zh.stepper.panel import View, header, panel, plain, step_title

Data = dict[str, Any]


def step_text(data: Data, index: int, width: int = 100) -> str:
    """One step in full, in the language in force; `width` is how many cells a line may take. 中文：一步的全文"""
    view = View(data, index, width=width)
    lines = [header(view), (), *panel(view)]
    return "\n".join(map(plain, lines)).strip()


def listing(data: Data) -> str:
    """One line for each step: its number, phase, what it does, and its shape. 中文：步骤列表"""
    phases = {name: text(f"stepper.phase.{name}") for name in GROUPS}
    column = max(map(display_width, phases.values())) + 2
    digits = len(str(len(data["steps"]) - 1))
    return "\n".join(
        f"{k:>{digits}}  {pad(phases[group(step)], column)}{_printable(step_title(data, k))}{_shape(data, k)}"
        for k, step in enumerate(data["steps"])
    )


def _shape(data: Data, index: int) -> str:
    tensor = target(data, index)
    return "" if tensor is None else f"  {tuple(data['tensors'][tensor]['shape'])}"


def _printable(words: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in words)
