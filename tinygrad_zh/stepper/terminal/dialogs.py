"""What opens over the screen and closes with Esc: the search, the help, and the glossary. 对话框"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tinygrad_zh.i18n import pad, text
from tinygrad_zh.stepper.glossary import TERMS, terms_of
from tinygrad_zh.stepper.navigation import GROUPS, keys
from tinygrad_zh.stepper.panel import Line, Span, line
from tinygrad_zh.stepper.panel.spans import paragraph
from tinygrad_zh.stepper.terminal.paint import painted

SIGNS = {"right": "→", "left": "←", "shift+right": "Shift+→", "shift+left": "Shift+←", "enter": "Enter", "home": "Home",
         "end": "End", "escape": "Esc"}


class Find(ModalScreen[str]):
    """Asks for what to find; "" for nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')")]
    CSS = "Find { align: center bottom; } Find Input { width: 100%; }"

    def __init__(self, prompt: str) -> None:
        super().__init__()
        self.prompt = prompt

    def compose(self) -> ComposeResult:
        yield Input(placeholder=self.prompt)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Reading(ModalScreen[None]):
    """A text to scroll through; any of its keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, "dismiss", priority=True) for key in ("escape", "q", "question_mark", "t", "enter")
    ]
    WIDEST = 96
    CSS = f"""
    Reading {{ align: center middle; }}
    Reading > VerticalScroll {{ width: 90%; max-width: {WIDEST}; height: 90%; border: round $primary; padding: 0 1;
                                background: $surface; }}
    """

    @classmethod
    def room(cls, screen: int) -> int:
        """The cells of a line of the text, on a screen of so many: without borders, padding and the scrollbar."""
        return min(screen * 9 // 10, cls.WIDEST) - 6

    def __init__(self, heading: str, content: Text) -> None:
        super().__init__()
        self.heading, self.content = heading, content

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = self.heading
            yield Static(self.content)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()


def help_text(dark: bool) -> Text:
    """Every key, then every colour and symbol."""
    rows = [("  ".join(SIGNS.get(key, key) for key in _short(row["keys"])), text(f"stepper.key.{row['action']}"))
            for row in keys()]
    column = max(len(signs) for signs, _ in rows) + 2
    lines: list[Line] = [line(Span(pad(signs, column), "strong"), said) for signs, said in rows]
    lines += [(), *(line(Span(f" {text(f'stepper.phase.{phase}')} ", phase), f"  {text(f'stepper.means.{phase}')}")
                    for phase in GROUPS), ()]
    lines += [line(Span(pad(sign, column), style), text(f"stepper.means.{name}")) for sign, style, name in SYMBOLS]
    return painted(lines, dark)


def _short(names: Sequence[str]) -> Sequence[str]:
    return ["0 … 9"] if "0" in names else names


SYMBOLS = (("▶", "strong", "current"), ("·", "waiting", "waiting"), ("→", "", "ran"), ("←", "", "passed"),
           ("–", "quiet", "nothing"), ("[0.5]", "picked", "picked"), ("(0.5)", "source", "source"),
           ("0.5", "positive", "positive"), ("-0.5", "negative", "negative"), ("nan inf", "bad", "bad"),
           ("+█ -░ ·", "", "shades"), ("⇒", "strong", "rule"), ("✓ ✗", "good", "check"))


def glossary_text(phase: str, op: str, room: int, dark: bool) -> Text:
    """The terms of this step, then all of them."""
    here = terms_of(phase, op)
    lines: list[Line] = []
    for term in [*here, *(term for term in TERMS.values() if term not in here)]:
        lines += [line(Span(term.title, "title")), *paragraph(term.means, room), ()]
    return painted(lines, dark)
