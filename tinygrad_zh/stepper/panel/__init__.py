"""What one step shows, as lines of styled pieces of text: the plain text and the terminal show these. 步骤面板"""

from __future__ import annotations

from tinygrad_zh.stepper.panel.lines import header, panel
from tinygrad_zh.stepper.panel.rows import OVERLAYS, graph_row, progress
from tinygrad_zh.stepper.panel.spans import Line, Span, line, plain, width
from tinygrad_zh.stepper.panel.titles import step_title
from tinygrad_zh.stepper.panel.view import View

__all__ = ["OVERLAYS", "Line", "Span", "View", "graph_row", "header", "line", "panel", "plain",
    "progress", "step_title", "width"]
