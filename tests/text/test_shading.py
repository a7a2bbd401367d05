from __future__ import annotations

import io
import os
import re
from types import SimpleNamespace

import numpy as np
import pytest

from tinygrad_zh.i18n import display_width
from tinygrad_zh.text import shade
from tinygrad_zh.text.shading import BLACK, DARK_FROM, GROUNDS, WHITE, colours_shown

SENTENCE = "你好，我有一个问题需要咨询。"
PIECE = re.compile(r"\x1b\[38;5;(\d+);48;5;(\d+)m([^\x1b]*)")


def luminance(colour):
    """Relative luminance of one of the 216 colours of the terminal's 6 × 6 × 6 cube, which begins at 16."""
    levels = [0, 95, 135, 175, 215, 255]
    channels = np.array([levels[(colour - 16) // step % 6] for step in (36, 6, 1)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def test_a_line_a_token_where_there_are_no_colours():
    assert shade(["问题", "需", "ok", " "], [0.23, 0.46, 0, 0.01], colours=False).splitlines() == [
        "问题 ██████████           0.230",
        "需   ████████████████████ 0.460",
        "ok                        0.000",
        "␣    ▍                    0.010",
    ]


def test_the_numbers_end_in_one_column():
    lines = shade("问x", [7, 12.5], colours=False).splitlines()
    assert [line[-6:] for line in lines] == [" 7.000", "12.500"]
    assert len(set(map(display_width, lines))) == 1


def test_the_darkest_ground_is_the_largest_weight(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    weights = np.linspace(0.1, 0, len(SENTENCE))
    text, scale = shade(SENTENCE, weights, colours=True).splitlines()
    pieces = PIECE.findall(text)
    assert "".join(token for _, _, token in pieces) == SENTENCE
    steps = [GROUNDS.index(int(ground)) for _, ground, _ in pieces]
    assert steps[0] == len(GROUNDS) - 1
    assert steps[-1] == 0
    assert steps == sorted(steps, reverse=True)
    assert steps[7] == round((1 - 7 / 13) * 8)
    assert re.sub(r"\x1b\[[\d;]*m", "", scale) == "0 " + "  " * len(GROUNDS) + " 0.100"
    assert [int(ground) for _, ground, _ in PIECE.findall(scale)] == list(GROUNDS)


def test_grounds_darken_evenly_and_ink_is_legible_on_each():
    light = [luminance(ground) for ground in GROUNDS]
    lightness = 116 * np.cbrt(light) - 16  # CIE 1976
    assert np.all((7 <= -np.diff(lightness)) & (-np.diff(lightness) <= 14))
    for step, ground in enumerate(light):
        ink = luminance(WHITE if step >= DARK_FROM else BLACK)
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5  # WCAG 2.2, 1.4.3


@pytest.mark.parametrize("columns", [9, 10, 40])
def test_lines_fit_the_terminal_and_end_without_a_colour(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    *lines, _ = shade(SENTENCE, np.ones(len(SENTENCE)), colours=True).splitlines()
    shown = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]
    assert "".join(shown) == SENTENCE
    assert all(display_width(line) == columns // 2 * 2 for line in shown[:-1])
    assert display_width(shown[-1]) <= columns
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_all_zero_is_the_lightest(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text, scale = shade("ab", [0, 0], colours=True).splitlines()
    assert {int(ground) for _, ground, _ in PIECE.findall(text)} == {GROUNDS[0]}
    assert scale.endswith(" 0.000")
    assert shade("a", [0], colours=False).split() == ["a", "0.000"]


@pytest.mark.parametrize("colours", [True, False])
def test_tokens_cannot_command_the_terminal(colours):
    said = shade(["\x1b[2J", "\n", "\r"], [1, 2, 3], colours=colours)
    assert "\x1b[2J" not in said
    assert "�[2J" in said
    assert said.count("␣") == 2
    assert "\r" not in said


class Terminal(io.StringIO):
    def isatty(self):
        return True


def standard_output(monkeypatch, stream):
    """For the module alone: pytest puts its own stream in sys.stdout between a fixture and its test."""
    monkeypatch.setattr("tinygrad_zh.text.shading.sys", SimpleNamespace(stdout=stream))


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "WT_SESSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    standard_output(monkeypatch, Terminal())
    return monkeypatch


def test_a_terminal_shows_colours(terminal):
    assert colours_shown()
    assert "\x1b[" in shade("问题", [0.5, 0.5])


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}], ids=str)
def test_who_wants_none_or_cannot_gets_none(terminal, variables):
    for name, value in variables.items():
        terminal.setenv(name, value) if value else terminal.delenv(name)
    assert not colours_shown()
    assert "\x1b" not in shade("问题", [0.5, 0.5])


def test_an_empty_no_color_asks_for_nothing(terminal):
    terminal.setenv("NO_COLOR", "")
    assert colours_shown()


def test_windows_terminal_shows_colours(terminal):
    terminal.delenv("TERM")
    terminal.setenv("WT_SESSION", "1")
    assert colours_shown()


def test_a_pipe_shows_none(terminal):
    standard_output(terminal, io.StringIO())
    assert not colours_shown()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="pseudo-terminals need Unix")
def test_on_a_real_terminal(terminal):
    main, other = os.openpty()
    with os.fdopen(main), os.fdopen(other, "w") as stream:
        standard_output(terminal, stream)
        assert colours_shown()


@pytest.mark.parametrize(
    ("tokens", "weights", "error", "message"),
    [
        ("abc", [1.0, 2.0], ValueError, r"3 tokens need as many weights, .* \(2,\)"),
        ("", [], ValueError, "at least one"),
        ("ab", [[1.0, 2.0]], ValueError, r"\(1, 2\)"),
        ("ab", [1.0, np.nan], ValueError, r"weights\[1\] is nan"),
        ("ab", [-1.0, 1.0], ValueError, r"weights\[0\] is -1.0"),
        ("ab", ["x", "y"], TypeError, "real numbers"),
    ],
)
def test_wrong_weights_are_refused(tokens, weights, error, message):
    with pytest.raises(error, match=message):
        shade(tokens, weights)
