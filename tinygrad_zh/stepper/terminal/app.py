"""The stepper as a Textual app: the graph to the left, the step to the right, all steps on a line below. 终端界面"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.screen import Screen
from textual.widgets import Static

from tinygrad_zh.i18n import in_language, text
from tinygrad_zh.stepper.navigation import MOVES, find, find_next, keys, op_of, percent, step_of
from tinygrad_zh.stepper.outline import Row, enclosing, outline
from tinygrad_zh.stepper.panel import OVERLAYS, Line, Span, View, graph_row, header, line, panel, progress, width
from tinygrad_zh.stepper.panel.element import picked_array
from tinygrad_zh.stepper.panel.grid import moved
from tinygrad_zh.stepper.terminal.dialogs import SIGNS, Find, Reading, glossary_text, help_text
from tinygrad_zh.stepper.terminal.paint import THEMES, painted
from tinygrad_zh.stepper.terminal.prompt import OTHER
from tinygrad_zh.stepper.terminal.scrubber import scrubber, step_at

Data = dict[str, Any]

_NAMES = {".": "full_stop", ",": "comma", "[": "left_square_bracket", "]": "right_square_bracket", "/": "slash",
          "?": "question_mark"}
_ARROWS = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0)}
_HINTS = ("next", "previous", "help", "language", "quit", "next_op", "next_phase", "left", "find", "zoom")
WIDE, GRAPH, NARROW_GRAPH = 100, 40, 29
"""From so many cells on the graph is wide; how wide it is then and otherwise."""
ZOOMS = ("tensor", "graph", "element")
"""Graph and step; the graph alone; one element alone. Enter goes through them."""


class Stepper(App[None]):
    """Step through a document."""

    # Without priority a widget with the focus would take Home and End, the arrows and Enter for itself.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(_NAMES.get(key, key), f"do('{row['action']}', '{key}')", priority=True, show=False)
        for row in keys() for key in row["keys"]
    ]
    ENABLE_COMMAND_PALETTE = False  # its commands are in English only
    CSS = f"""
    #header, #scrubber, #footer {{ height: 1; padding: 0 1; }}
    #header {{ background: $panel; }}
    #graph {{ width: {GRAPH}; border-right: solid $primary; padding: 0 1 0 0; }}
    #step {{ padding: 0 1; }}
    #overlay {{ dock: top; height: 1; background: $background; }}
    .narrow #graph {{ width: {NARROW_GRAPH}; }}
    .graph #graph {{ width: 1fr; border-right: none; }}
    .graph #step, .element #graph {{ display: none; }}
    VerticalScroll {{ scrollbar-size-vertical: 1; }}
    """

    def __init__(self, data: Data, index: int = 0, code: str = "en") -> None:
        super().__init__()
        self.data, self.index, self.code = data, index, code
        self.pick: tuple[int, ...] | None = None
        self.check = self.source = True
        self.overlay, self.zoom = OVERLAYS[0], ZOOMS[0]
        self.opened: set[int] = set()
        self.closed: set[int] = set()
        self.wanted = ""
        self.message = ""
        self.rows: list[Row] = []

    # ---- the screen

    def compose(self) -> ComposeResult:
        yield Static(id="header")
        with Horizontal(id="body"):
            with VerticalScroll(id="graph", can_focus=False):
                yield Static(id="overlay")
                yield Graph(id="rows")
            with VerticalScroll(id="step"):
                yield Static(id="panel")
        yield Scrubber(id="scrubber")
        yield Static(id="footer")

    def on_mount(self) -> None:
        for theme in THEMES:
            self.register_theme(theme)
        if "TEXTUAL_THEME" not in os.environ:
            self.theme = "stepper-light" if _light_terminal() else "stepper-dark"
        self.query_one("#step").focus()
        self.redraw()

    def on_resize(self) -> None:
        self.redraw()

    @property
    def base(self) -> Screen[Any]:
        """The screen below any dialog."""
        return self.screen_stack[0]

    def redraw(self) -> None:
        """Everything that there is to see, from the state."""
        room = self.size.width
        self.base.set_class(room < WIDE, "narrow")
        for zoom in ZOOMS:
            self.base.set_class(zoom == self.zoom, zoom)
        graph = NARROW_GRAPH if room < WIDE else GRAPH
        with in_language(self.code):
            view = View(self.data, self.index, self.pick, self.check, self.source, self.zoom == "element",
                        room - 3 - (0 if self.zoom == "element" else graph))
            self._show("#header", [header(view)])
            self._show("#panel", panel(view))
            self._show("#scrubber", [scrubber(self.data, self.index, room - 2)])
            self._show("#footer", [self._footer()])
            self._draw_graph(room - 1 if self.zoom == "graph" else graph - 3)

    def _draw_graph(self, room: int) -> None:
        self.rows = outline(self.data, op_of(self.data, self.index), opened=self.opened, closed=self.closed)
        so_far = progress(self.data, self.index)
        heading = text("stepper.graph.title", overlay=text(f"stepper.overlay.{self.overlay}"))
        self._show("#overlay", [line(Span(heading, "quiet"))])
        self._show("#rows", [graph_row(self.data, row, so_far, self.overlay, room) for row in self.rows])
        here = next((k for k, row in enumerate(self.rows) if row.current), 0)
        pane = self.base.query_one("#graph", VerticalScroll)
        pane.scroll_to(y=max(here - pane.size.height // 2, 0), animate=False)

    def _footer(self) -> Line:
        if self.message:
            return line(Span(self.message, "strong"))
        names = {row["action"]: SIGNS.get(row["keys"][0], row["keys"][0]) for row in keys()}
        names["left"] = "hjkl"
        shown: Line = ()
        for action in _HINTS:
            words = OTHER[self.code] if action == "language" else text(f"stepper.hint.{action}")
            hint = line(Span(names[action], "strong"), f" {words}  ")
            shown = (*shown, *hint) if width(shown + hint) <= self.size.width else shown
        return shown

    def _show(self, selector: str, lines: list[Line]) -> None:
        self.base.query_one(selector, Static).update(painted(lines, self.current_theme.dark))

    # ---- what the keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """In a dialog the keys are the dialog's."""
        return action != "do" or len(self.screen_stack) == 1

    def action_do(self, action: str, key: str) -> None:
        """One key of the table."""
        self.message = ""
        with in_language(self.code):
            if action in MOVES:
                self.go(MOVES[action](self.data, self.index), action)
            elif action == "percent":
                self.go(percent(self.data, int(key)), action)
            elif action in _ARROWS:
                self._pick(*_ARROWS[action])
            else:
                getattr(self, f"_{action}")()
        self.redraw()

    def go(self, index: int | None, action: str) -> None:
        """To a step, from its top, with its own picked element; None says that there is nothing to go to."""
        if index is None:
            self.message = text(f"stepper.none.{action}")
        elif index != self.index:
            self.index, self.pick = index, None
            self.base.query_one("#step", VerticalScroll).scroll_home(animate=False)

    def _pick(self, down: int, right: int) -> None:
        step = self.data["steps"][self.index]
        array = picked_array(self.data, step)
        if array is not None and array["values"]:
            self.pick = moved(array, View(self.data, self.index, self.pick).picked, down, right)

    def _zoom(self) -> None:
        self.zoom = _after(ZOOMS, self.zoom)

    def _overlay(self) -> None:
        self.overlay = _after(OVERLAYS, self.overlay)

    def _check(self) -> None:
        self.check = not self.check

    def _source(self) -> None:
        self.source = not self.source

    def _language(self) -> None:
        self.code = "en" if self.code == "zh" else "zh"

    def _expand(self) -> None:
        """Close the innermost module of the current op, or open the one that stands for it."""
        op = op_of(self.data, self.index)
        row = next((row for row in self.rows if row.current), None)
        if op is None or row is None:
            return
        around = enclosing(self.data, op)[::-1]
        if row.kind == "module":
            self._open(around[row.depth])
        elif around:
            self._close(around[-1])

    def _open(self, module: int) -> None:
        self.opened.add(module)
        self.closed.discard(module)

    def _close(self, module: int) -> None:
        self.closed.add(module)
        self.opened.discard(module)

    def _expand_all(self) -> None:
        """Open all modules, then close all, then leave it to the step again."""
        every = set(range(len(self.data["modules"])))
        if self.opened == every:
            self.opened, self.closed = set(), every
        elif self.closed == every:
            self.opened, self.closed = set(), set()
        else:
            self.opened, self.closed = every, set()

    def _find(self) -> None:
        self.push_screen(Find(text("stepper.key.find")), self._found)

    def _found(self, query: str | None) -> None:
        if query:
            self.wanted = query
            self.action_do("find_next", "")

    def _find_next(self) -> None:
        hits = find(self.data, self.wanted) if self.wanted else []
        self.go(find_next(self.data, self.wanted, self.index) if hits else None, "find")
        if hits:
            place = hits.index(self.index) + 1
            self.message = text("stepper.found", query=self.wanted, place=place, count=len(hits))

    def _link(self) -> None:
        command = f"{self.data['meta']['command'] or 'tinygrad-zh step trace.json'} --at {self.index}"
        self.copy_to_clipboard(command)
        self.message = text("stepper.copied", command=command)

    def _glossary(self) -> None:
        step, op = self.data["steps"][self.index], self.data["steps"][self.index].get("op")
        name = "" if op is None else self.data["ops"][op]["name"]
        words = glossary_text(step["phase"], name, Reading.room(self.size.width), self.current_theme.dark)
        self.push_screen(Reading(text("stepper.key.glossary"), words))

    def _help(self) -> None:
        self.push_screen(Reading(text("stepper.key.help"), help_text(self.current_theme.dark)))

    def _quit(self) -> None:
        self.exit()

    # ---- what the mouse does

    def click_row(self, y: int) -> None:
        """A click on a row of the graph: to the step of its op; a module opens or closes."""
        if not 0 <= y < len(self.rows):
            return
        row = self.rows[y]
        if row.kind == "module":
            (self._close if row.open else self._open)(row.number)
        else:
            self.go(step_of(self.data, row.first, self.index), "producer")
        self.redraw()

    def click_scrubber(self, x: int, room: int) -> None:
        """A click on the line of all steps."""
        self.go(step_at(self.data, min(max(x, 0), room - 1), room), "percent")
        self.redraw()


class Graph(Static):
    """The rows of the graph."""

    def on_click(self, event: events.Click) -> None:
        app = self.app
        assert isinstance(app, Stepper)
        app.click_row(event.y)


class Scrubber(Static):
    """The line of all steps."""

    def on_click(self, event: events.Click) -> None:
        app = self.app
        assert isinstance(app, Stepper)
        app.click_scrubber(event.x - 1, self.size.width)


def _after(values: tuple[str, ...], value: str) -> str:
    return values[(values.index(value) + 1) % len(values)]


def _light_terminal() -> bool:
    """Whether the terminal says, as rxvt, Konsole and others do, that its background is white (7 or 15)."""
    return os.environ.get("COLORFGBG", "").rpartition(";")[2] in ("7", "15")
