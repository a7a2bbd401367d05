from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh.i18n import display_width, fill, pad, visible, wrap

MIXED = st.text(alphabet="损失准确率，。（）abc ∂σ²e\u0301", max_size=40)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", 0),
        ("loss", 4),
        ("损失", 4),
        ("损失 loss", 9),
        ("（）", 4),
        ("e\u0301", 1),
        ("ａ", 2),
        ("∂L/∂x", 5),
        ("─", 1),
    ],
)
def test_width_in_cells(text, cells):
    assert display_width(text) == cells


@given(MIXED, st.integers(0, 60), st.sampled_from("<>"))
def test_padding_adds_spaces_on_one_side_only(text, width, align):
    padded = pad(text, width, align)
    assert display_width(padded) == max(width, display_width(text))
    spaces = " " * (len(padded) - len(text))
    assert padded == (text + spaces if align == "<" else spaces + text)


def test_padding_has_two_sides():
    with pytest.raises(ValueError, match=r"'<'.*'>'"):
        pad("x", 3, "^")


@given(MIXED, st.integers(1, 30))
def test_wrapping_loses_nothing_but_spaces(text, width):
    assert "".join(wrap(text, width)).replace(" ", "") == text.replace(" ", "")


@given(st.text(alphabet="损失准确率", max_size=60), st.integers(2, 30))
def test_chinese_fills_its_lines(text, width):
    *full, last = wrap(text, width)
    assert all(display_width(line) == width // 2 * 2 for line in full)
    assert display_width(last) <= width


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("", 10, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("unbreakable", 4, ["unbreakable"]),
        ("第一行\n第二行", 20, ["第一行", "第二行"]),
        ("损失下降。", 8, ["损失下降。"]),
        ("用 tinygrad_zh 训练", 14, ["用 tinygrad_zh", "训练"]),
    ],
)
def test_lines_break_where_a_reader_expects(text, width, lines):
    assert wrap(text, width) == lines


@given(st.lists(MIXED, max_size=12), st.integers(1, 30))
def test_lines_of_tokens_are_full_and_lose_nothing(tokens, width):
    lines = fill(tokens, width)
    assert [token for line in lines for token in line] == tokens
    cells = [display_width("".join(line)) for line in lines]
    assert all(taken <= width for taken, line in zip(cells, lines, strict=True) if len(line) > 1)
    assert all(taken + display_width(after[0]) > width for taken, after in zip(cells, lines[1:], strict=False))


@pytest.mark.parametrize(
    ("token", "shown"),
    [("问", "问"), (" ", "␣"), ("\u3000", "␣"), ("\r\n", "␣␣"), ("\x1b", "�"), ("\u200b", "�"), ("", "")],
)
def test_what_shows_nothing_becomes_visible(token, shown):
    assert visible(token) == shown
