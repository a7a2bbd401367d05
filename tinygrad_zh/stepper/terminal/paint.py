"""What the styles of a line look like, in a dark and in a light theme: blue and orange, told apart by everyone. 配色

A colour never stands alone: a sign, a word or a bracket says the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text
from textual.theme import Theme

from tinygrad_zh.stepper.panel import Line

THEMES = (
    Theme("stepper-dark", dark=True, primary="#1f6feb", foreground="#e6edf3", background="#0d1117", surface="#161b22",
          panel="#21262d"),
    Theme("stepper-light", dark=False, primary="#0969da", foreground="#1f2328", background="#ffffff", surface="#f6f8fa",
          panel="#eaeef2"),
)

_PHASES = {"forward": "#1f6feb", "seed": "#8250df", "backward": "#bc4c00", "update": "#1a7f37", "error": "#cf222e"}

_SAME = {"": "", "strong": "bold", "title": "bold", "picked": "bold reverse", "current": "bold reverse",
         **{phase: f"bold #ffffff on {colour}" for phase, colour in _PHASES.items()},
         **{f"{phase}_bar": colour for phase, colour in _PHASES.items()}}

DARK = {**_SAME, "quiet": "#8b949e", "label": "#8b949e", "name": "bold", "formula": "bold #e3b341", "code": "#c9d1d9",
        "positive": "#79c0ff", "negative": "#ffa657", "zero": "#8b949e", "bad": "bold #ff7b72", "good": "bold #7ee787",
        "coefficient": "#d2a8ff", "source": "bold underline #7ee787", "picked_mark": "bold", "waiting": "#8b949e",
        "banner": "bold #ffffff on #6e40c9", "forward_bar": "#388bfd", "seed_bar": "#a371f7",
        "backward_bar": "#db6d28", "update_bar": "#2ea043", "error_bar": "#f85149"}

LIGHT = {**_SAME, "quiet": "#59636e", "label": "#59636e", "name": "bold", "formula": "bold #7d4e00", "code": "#1f2328",
         "positive": "#0550ae", "negative": "#953800", "zero": "#59636e", "bad": "bold #a40e26", "good": "bold #116329",
         "coefficient": "#6639ba", "source": "bold underline #116329", "picked_mark": "bold", "waiting": "#59636e",
         "banner": "bold #ffffff on #8250df"}


def painted(lines: Iterable[Line], dark: bool) -> Text:
    """The lines with their styles; nothing in them is read as markup, and no control character goes through."""
    styles = DARK if dark else LIGHT
    drawn = Text(no_wrap=True, end="")
    for k, pieces in enumerate(lines):
        if k:
            drawn.append("\n")
        for span in pieces:
            drawn.append("".join(c if c.isprintable() else "�" for c in span.text), styles[span.style])
    return drawn
