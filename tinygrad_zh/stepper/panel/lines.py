"""The panel of a step as lines: its header, then its sections with their labels in a column."""

from __future__ import annotations

from tinygrad_zh.i18n import text
from tinygrad_zh.stepper.navigation import group, target
from tinygrad_zh.stepper.panel.phases import sections
from tinygrad_zh.stepper.panel.spans import Line, Span, flow, laid_out, line, paragraph
from tinygrad_zh.stepper.panel.titles import step_title, term_of
from tinygrad_zh.stepper.panel.view import COLUMN, View


def header(view: View) -> Line:
    """Phase, which step of how many, the title of the recording, device and dtype."""
    data, phase = view.data, group(view.step)
    tensor = target(data, view.at)
    dtype = "" if tensor is None else f" {data['tensors'][tensor]['dtype']}"
    where = text("stepper.header.step", step=view.at, last=len(data["steps"]) - 1)
    parts = [where, data["meta"]["title"], f"{data['meta']['device']}{dtype}"]
    return line(Span(f" {text(f'stepper.phase.{phase}')} ", phase), *(f"  {part}" for part in parts if part))


def panel(view: View) -> list[Line]:
    """The title of the step, its op in words, and its sections."""
    lines = _title(view)
    for section in sections(view):
        if view.close and not section.label:
            continue
        lines += laid_out(section.label, section.lines, COLUMN) if section.label else [(), *section.lines, ()]
    return [now for before, now in zip([(), *lines], lines, strict=False) if before or now]  # no two empty lines


def _title(view: View) -> list[Line]:
    title = paragraph(step_title(view.data, view.at), view.width, "title")
    if view.op is None:
        return title
    words = " ".join(filter(None, (term_of(view.data, view.op["name"]), f"#{view.step['op']}")))
    return flow([*title, line(Span(f" {words}", "quiet"))], view.width)
