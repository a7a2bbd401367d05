"""The screen, driven by its keys: every key of the table, both languages, small and large, with no colour."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.stepper.handmade import chain, showcase, square
from tests.stepper.samples import trace
from tinygrad_zh.i18n import display_width, in_language, text
from tinygrad_zh.stepper import navigation
from tinygrad_zh.stepper.glossary import terms_of
from tinygrad_zh.stepper.outline import LIMIT
from tinygrad_zh.stepper.panel import line

pytest.importorskip("textual", reason="Textual is not installed (the extra ui)")
from textual.widgets import Input

from tinygrad_zh.stepper.terminal import paint
from tinygrad_zh.stepper.terminal.app import Stepper
from tinygrad_zh.stepper.terminal.dialogs import Find, Reading

Data = dict[str, Any]
LARGE, SMALL = (120, 40), (80, 24)


def drive(app: Stepper, script: Callable[[Any], Awaitable[None]], size: tuple[int, int] = LARGE) -> None:
    """Run the app without a terminal while the script presses keys."""

    async def session() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await script(pilot)

    asyncio.run(session())


def shown(app: Stepper, part: str) -> str:
    """What a part of the screen says: "#header", "#overlay", "#rows", "#panel", "#scrubber" or "#footer"."""
    return str(app.screen_stack[0].query_one(part).render())


def screen(app: Stepper) -> list[str]:
    """The lines of the whole screen, as they are drawn."""
    return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]


# ---- moving


def test_moving_through_the_steps():
    app = Stepper(square(), 0, "en")

    async def script(pilot):
        await pilot.press("right", "space", "full_stop")
        assert app.index == 3
        await pilot.press("left", "comma")
        assert app.index == 1
        await pilot.press("n", "n")
        assert app.index == 3
        await pilot.press("p")
        assert app.index == 2
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert app.index == 4
        await pilot.press("left_square_bracket")
        assert app.index == 3
        await pilot.press("end")
        assert app.index == 11
        await pilot.press("home", "5")
        assert app.index == 6
        assert "step 6/11" in shown(app, "#header")
        assert " backward " in shown(app, "#header")

    drive(app, script)


def test_searching_and_following_edges():
    app = Stepper(square(), 0, "en")

    async def script(pilot):
        await pilot.press("a")
        assert app.index == 8
        await pilot.press("w")
        assert app.index == 8
        await pilot.press("x")
        assert app.index == 8
        assert "All values are finite" in shown(app, "#footer")
        await pilot.press("g")
        assert app.index == 9
        assert "All values" not in shown(app, "#footer")  # a message stays until the next key
        await pilot.press("g")
        assert "leaf" in shown(app, "#footer")
        await pilot.press("G")
        assert app.index == 7

    drive(app, script)


def test_x_finds_the_first_op_that_made_nan():
    data = trace("nan").document().data
    app = Stepper(data, len(data["steps"]) - 1, "zh")

    async def script(pilot):
        await pilot.press("x")
        assert data["ops"][data["steps"][app.index]["op"]]["name"] == "Log"
        assert "⚠ 含有 inf" in shown(app, "#panel")

    drive(app, script)


def test_find_asks_and_goes_to_each_hit_in_turn():
    app = Stepper(chain(12, 3), 0, "en")

    async def script(pilot):
        await pilot.press("slash")
        assert isinstance(app.screen, Find)
        await pilot.press(*"y7", "enter")
        assert not isinstance(app.screen, Find)
        assert app.index == 7
        assert "y7: hit 1 of 3" in shown(app, "#footer")
        await pilot.press("N")
        assert app.index == 8
        await pilot.press("slash", "escape")
        assert app.index == 8
        await pilot.press("slash", *"zz", "enter")
        assert "Nothing found" in shown(app, "#footer")

    drive(app, script)


def test_letters_go_into_the_search_and_not_to_the_keys():
    app = Stepper(square(), 4, "en")

    async def script(pilot):
        await pilot.press("slash", *"qna5?", "left", "home")
        assert app.screen.query_one(Input).value == "qna5?"
        assert app.screen.query_one(Input).cursor_position == 0
        await pilot.resize_terminal(*SMALL)
        assert app.screen.query_one(Input).value == "qna5?"
        assert app.index == 4

    drive(app, script)


# ---- the picked element


def test_picking_shows_the_terms_of_that_element():
    data = trace("attention").document().data
    index = next(k for k, step in enumerate(data["steps"]) if step["phase"] == "backward" and step["jacobian"]
                 and step["jacobian"]["kind"] == "sparse" and data["ops"][step["op"]]["name"] == "Softmax")
    app = Stepper(data, index, "en")
    row, column = data["steps"][index]["element"]["index"]

    async def script(pilot):
        assert f"[{row}, {column}]" in shown(app, "#panel")
        key, moved = ("l", column + 1) if column < 3 else ("h", column - 1)
        await pilot.press(key)
        words = shown(app, "#panel")
        assert app.pick == (row, moved)
        assert f"[{row}, {moved}]" in words
        assert f"was made for the element [{row}, {column}]" in words
        jacobian = data["steps"][index]["jacobian"]
        upstream = data["arrays"][data["steps"][index]["upstream"][0]]["values"]
        total = math.fsum(v * upstream[r] for r, c, v in zip(*(jacobian[k] for k in ("row", "column", "values")),
                                                             strict=True) if c == row * 4 + moved)
        assert f"= {total:.5g}"[:7] in words
        await pilot.press("right", "left")
        assert app.pick is None

    drive(app, script)


def test_an_element_that_was_not_recorded_says_so():
    app = Stepper(trace("s6").document().data, 0, "en")

    async def script(pilot):
        await pilot.press("h")
        assert "Only the marked element was recorded in full" in shown(app, "#panel")
        await pilot.press("l")
        assert "computed from" in shown(app, "#panel")

    drive(app, script)


# ---- what is shown


def test_the_language_changes_and_the_place_stays():
    data = trace("reused").document().data
    index = next(k for k, step in enumerate(data["steps"]) if step["phase"] == "backward" and step.get("before"))
    app = Stepper(data, index, "zh")

    async def script(pilot):
        await pilot.press("h", "o", "enter")
        before = app.index, app.pick, app.overlay, app.zoom
        assert "反向" in shown(app, "#header")
        await pilot.press("L")
        assert "backward" in shown(app, "#header")
        assert "gradients add, they do not overwrite" in shown(app, "#panel")
        assert "反向" not in "".join(map(str, map(shown, [app] * 3, ["#header", "#panel", "#overlay"])))
        await pilot.press("L")
        assert "该张量被多次使用：梯度相加，而不是覆盖" in shown(app, "#panel")
        assert (app.index, app.pick, app.overlay, app.zoom) == before

    drive(app, script)


def test_check_and_source_can_be_hidden():
    app = Stepper(square(), 8, "en")

    async def script(pilot):
        assert "numeric 6" in shown(app, "#panel")
        assert "▶ 12" in shown(app, "#panel")
        await pilot.press("c", "s")
        assert "numeric 6" not in shown(app, "#panel")
        assert "▶" not in shown(app, "#panel")
        await pilot.press("c", "s")
        assert "▶ 12" in shown(app, "#panel")

    drive(app, script)


def test_the_overlay_goes_through_all_numbers_and_never_shows_0_for_nothing():
    app = Stepper(square(), 1, "en")

    async def script(pilot):
        assert "(1,)" in shown(app, "#rows")
        await pilot.press("o")
        assert "36" in shown(app, "#rows")
        assert shown(app, "#rows").count("–") == 2  # the sum and the update did not run yet
        await pilot.press("o")
        assert shown(app, "#rows").count("–") == 4
        await pilot.press("end")
        assert "‖g‖ 12" in shown(app, "#rows")
        await pilot.press("o")
        assert "3e-10" in shown(app, "#rows")
        await pilot.press("o")
        assert "2 µs" in shown(app, "#rows")
        await pilot.press("o")
        assert "shapes" in shown(app, "#overlay")

    drive(app, script)


def test_the_marks_say_how_far_the_pass_has_come():
    app = Stepper(square(), 1, "en")

    async def script(pilot):
        assert [line[0] for line in shown(app, "#rows").splitlines()] == ["→", "▶", "·", "·"]
        await pilot.press("8")  # step 9, the backward step of the first product
        assert [line[0] for line in shown(app, "#rows").splitlines()] == ["▶", "←", "←", "·"]

    drive(app, script)


def test_zoom_shows_graph_and_step_then_the_graph_then_one_element():
    app = Stepper(square(), 8, "en")

    async def script(pilot):
        visible = [(app.query_one(part).display) for part in ("#graph", "#step")]
        assert visible == [True, True]
        await pilot.press("enter")
        assert [app.query_one(part).display for part in ("#graph", "#step")] == [True, False]
        await pilot.press("enter")
        assert [app.query_one(part).display for part in ("#graph", "#step")] == [False, True]
        assert "upstream" in shown(app, "#panel")  # the factors are said in words
        assert "⇒" not in shown(app, "#panel")
        await pilot.press("enter")
        assert "⇒" in shown(app, "#panel")

    drive(app, script)


def test_modules_open_and_close():
    app = Stepper(chain(1000, 250), 500, "en")

    async def script(pilot):
        assert "▸ Block × 125" in shown(app, "#rows")
        assert "▶     Tanh" in shown(app, "#rows").replace("y500 = ", "")
        await pilot.press("e")
        assert "▶   ▸ blocks.125.first" in shown(app, "#rows")
        await pilot.press("e")
        assert "▾ blocks.125.first" in shown(app, "#rows")
        await pilot.press("E")
        assert len(app.rows) <= LIMIT
        assert "more" in shown(app, "#rows")
        await pilot.press("E")
        assert shown(app, "#rows").splitlines() == [f"▶ ▸ Block × 250{' ' * 14}1000 ops"]
        await pilot.press("E")
        assert "▸ Block × 125" in shown(app, "#rows")

    drive(app, script)


def test_help_and_glossary_open_in_the_language_and_close():
    app = Stepper(square(), 3, "zh")

    async def script(pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, Reading)
        words = str(app.screen.content)
        with in_language("zh"):
            assert all(text(f"stepper.key.{row['action']}") in words for row in navigation.keys())
        assert "尚未计算，并不是 0" in words
        await pilot.press("escape", "t")
        assert isinstance(app.screen, Reading)
        with in_language("zh"):
            assert str(app.screen.content).startswith(terms_of("seed")[0].title)
        await pilot.press("q")
        assert not isinstance(app.screen, Reading)
        assert app.index == 3

    drive(app, script)


def test_the_command_that_comes_back_here():
    data = square()
    data["meta"]["command"] = "tinygrad-zh step demo.py"
    app = Stepper(data, 7, "en")

    async def script(pilot):
        await pilot.press("y")
        assert app.clipboard == "tinygrad-zh step demo.py --at 7"
        assert app.clipboard in shown(app, "#footer")

    drive(app, script)


@pytest.mark.parametrize("key", ["q", "escape"])
def test_quit(key):
    app = Stepper(square(), 0, "en")

    async def script(pilot):
        await pilot.press(key)
        assert not app.is_running

    drive(app, script)


def test_every_key_of_the_table_does_something_and_breaks_nothing():
    app = Stepper(showcase(), 2, "zh")
    keys = [key for row in navigation.keys() if row["action"] not in ("quit", "percent") for key in row["keys"]]

    async def script(pilot):
        for key in keys:
            app.action_do(next(row["action"] for row in navigation.keys() if key in row["keys"]), key)
            if len(app.screen_stack) > 1:
                await pilot.pause()
                app.pop_screen()

    drive(app, script)
    bound = {binding.action for binding in app.BINDINGS}
    assert {f"do('{row['action']}', '{key}')" for row in navigation.keys() for key in row["keys"]} == bound
    assert all(binding.priority for binding in app.BINDINGS)


# ---- the mouse


def test_clicks_on_the_graph_and_on_the_line_of_steps():
    app = Stepper(square(), 0, "en")

    async def script(pilot):
        await pilot.click("#rows", offset=(5, 2))
        assert app.index == 2
        await pilot.click("#scrubber", offset=(119 - 2, 0))
        assert app.index == 11
        await pilot.click("#rows", offset=(5, 0))
        assert app.index == 0

    drive(app, script)


def test_a_click_opens_and_closes_a_module():
    app = Stepper(chain(1000, 250), 0, "en")

    async def script(pilot):
        await pilot.click("#rows", offset=(5, len(app.rows) - 1))
        assert app.rows[-1].kind == "module"
        place = next(k for k, row in enumerate(app.rows) if row.open and row.first == 4)
        await pilot.click("#rows", offset=(5, place))
        assert not any(row.open and row.first == 4 for row in app.rows)

    drive(app, script)


# ---- sizes and colours


def test_no_control_character_is_painted():
    assert paint.painted([line("\x1b[2J", "文\x07")], True).plain == "�[2J文�"


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("name", ["s6", "attention", "error", "nan"])
def test_every_line_of_the_screen_is_as_wide_as_the_screen(name, size):
    data = trace(name).document().data
    app = Stepper(data, 0, "zh")

    async def script(pilot):
        for index in range(0, len(data["steps"]), max(len(data["steps"]) // 5, 1)):
            app.go(index, "percent")
            app.redraw()
            await pilot.pause()
            lines = screen(app)
            assert len(lines) == size[1]
            assert {display_width(line) for line in lines} == {size[0]}
            assert "?" in lines[-1]  # help is always offered

    drive(app, script, size)


def test_a_thousand_ops_are_few_rows():
    app = Stepper(chain(1000), 1000, "en")

    async def script(pilot):
        for _ in range(5):
            await pilot.press("n")
            assert len(app.rows) <= LIMIT
        assert "… 9" in shown(app, "#rows") or "more" in shown(app, "#rows")

    drive(app, script, SMALL)


def test_without_colour_signs_and_words_are_left(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = Stepper(square(), 8, "en")

    async def script(pilot):
        colours = {segment.style.color.triplet for strip in app.screen._compositor.render_strips() for segment in strip
                   if segment.style and segment.style.color and segment.style.color.triplet}
        assert all(c.red == c.green == c.blue for c in colours)
        words = "\n".join(screen(app))
        assert all(sign in words for sign in ("backward", "[6]", "(1)", "▶", "✓ agrees", "◆"))

    drive(app, script)


@pytest.mark.parametrize(("background", "dark"), [("0;15", False), ("15;0", True), ("", True)])
def test_the_theme_follows_the_terminal(monkeypatch, background, dark):
    monkeypatch.setenv("COLORFGBG", background)
    monkeypatch.delenv("TEXTUAL_THEME", raising=False)
    app = Stepper(square(), 8, "en")

    async def script(pilot):
        assert app.current_theme.dark is dark

    drive(app, script)


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("styles", "theme"), [(paint.DARK, paint.THEMES[0]), (paint.LIGHT, paint.THEMES[1])])
@pytest.mark.parametrize("behind", ["background", "surface", "panel"])
def test_every_colour_is_legible(styles, theme, behind):
    """Contrast of at least 4.5 : 1 for text, WCAG 2.2 criterion 1.4.3; the bars of the scrubber are no text: 3 : 1."""
    assert paint.DARK.keys() == paint.LIGHT.keys()
    background = getattr(theme, behind)
    for name, style in styles.items():
        colours = [word for word in style.split() if word.startswith("#")]
        if colours:
            least = 3 if name.endswith("_bar") else 4.5
            assert contrast(colours[0], [*colours, background][1]) >= least, name
