"""The text of a step: golden files in both languages, and numbers that are the document's."""

from __future__ import annotations

import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.stepper.golden import DOCUMENTS, FOLDER, golden
from tests.stepper.handmade import array, chain, showcase, square
from tests.stepper.samples import trace
from tinygrad_zh.i18n import LANGUAGES, display_width, in_language
from tinygrad_zh.stepper.panel.element import element, picked_array
from tinygrad_zh.stepper.panel.grid import grid, moved, nearest, value_at
from tinygrad_zh.stepper.panel.numbers import number
from tinygrad_zh.stepper.panel.spans import plain
from tinygrad_zh.stepper.text import listing, step_text

Data = dict[str, Any]
RECORDED = ("s6", "mlp", "reused", "softmax", "attention", "nan", "error")
CELL = re.compile(r"[^\s\[\]()]+")


@cache
def document(name: str) -> Data:
    return trace(name).document().data


def text_of(data: Data, index: int, code: str = "en", width: int = 100) -> str:
    with in_language(code):
        return step_text(data, index, width)


def indices(shape: list[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for size in shape:
        found = [(*index, i) for index in found for i in range(size)]
    return found


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", DOCUMENTS)
def test_golden(name, code):
    path = Path(FOLDER, f"{name}.{code}.txt")
    assert golden(name, code) == path.read_text(encoding="utf-8"), "python -m tests.stepper.golden writes it again"


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_step_has_its_text_and_no_line_is_too_wide(name, code):
    data = document(name)
    for index in range(len(data["steps"])):
        words = text_of(data, index, code)
        assert all(display_width(line) <= 100 for line in words.splitlines())
        assert f"{index}/{len(data['steps']) - 1}" in words.splitlines()[0]


@pytest.mark.parametrize("name", RECORDED)
def test_a_narrow_screen_only_wraps(name):
    data = document(name)
    for index in range(len(data["steps"])):
        words = text_of(data, index, "zh", 49)
        # Only closing punctuation hangs over the edge, and what has no place to break.
        wide = [line for line in words.splitlines()[1:] if display_width(line.rstrip("，。；：）")) > 49]
        assert [line for line in wide if " " in line.strip() and "：" not in line] == []


# ---- what is not there


def test_a_gradient_that_was_not_computed_is_a_dash_and_never_0():
    first, second = (text_of(square(), index) for index in (7, 8))
    assert "before      – nothing was there yet" in first
    assert not re.search(r"before.*\b0\b", first)
    assert "before ∂L/∂h     contribution     after ∂L/∂h" in second
    assert "[6]           +  [6]           =  [12]" in second
    assert text_of(square(), 10).count("–") == 1


def test_the_banner_is_there_for_several_uses_only():
    banner = "used more than once: gradients add, they do not overwrite"
    shown = [banner in text_of(square(), index) for index in range(12)]
    assert [k for k, there in enumerate(shown) if there] == [7, 8]


def test_an_update_is_no_use():
    data = document("s6")
    updated = {step["tensor"] for step in data["steps"] if step["phase"] == "update"}
    for index, step in enumerate(data["steps"]):
        if step["phase"] == "backward" and step["tensor"] in updated:
            assert "该张量被多次使用" not in text_of(data, index, "zh")


# ---- one element


@pytest.mark.parametrize("name", RECORDED)
def test_the_terms_of_every_element_add_up_to_it(name):
    """Σ coefficient · upstream = value: the recorded element exactly, others to the digits of the document."""
    data, count = document(name), 0
    for step in data["steps"]:
        if step["phase"] != "backward" or step["jacobian"] is None:
            continue
        shown = picked_array(data, step)
        for index in indices(shown["shape"]):
            found = element(data, step, index)
            products = [float(term["coefficient"]) * float(term["value"]) for term in found["terms"]]
            total = math.fsum(products) + (found["rest"] or {"sum": 0})["sum"]
            value = float(found["value"])
            if math.isfinite(value) and math.isfinite(total):
                assert total == pytest.approx(value, rel=1e-4, abs=1e-4 * sum(map(abs, products)) + 1e-12)
                count += 1
    assert count >= (0 if name == "error" else 5)


def test_the_terms_of_another_element_are_those_of_its_column():
    step = showcase()["steps"][2]
    found = element(showcase(), step, (0,))
    assert [(term["coefficient"], term["output"], term["index"]) for term in found["terms"]] == [(4.0, 1, [0])]


def test_an_element_without_a_jacobian_says_that_only_the_marked_one_was_recorded():
    found = element(document("mlp"), document("mlp")["steps"][0], (0, 0))
    assert "terms" not in found
    assert "inputs" not in found
    assert found["value"] == value_at(picked_array(document("mlp"), document("mlp")["steps"][0]), (0, 0))


@pytest.mark.parametrize("name", ["s6", "attention", "reused"])
def test_the_written_products_give_the_written_value(name):
    """Read off the text alone: the numbers in "0.25·(-0.2) + … = -0.05"."""
    data, read = document(name), 0
    for index, step in enumerate(data["steps"]):
        if step["phase"] == "backward":
            words = " ".join(text_of(data, index).split())
            written = re.search(r" element (.*) each term: ", words)[1]
            products = re.findall(r"[=+] (\S+)·(\S+)", written)
            rest = [float(value) for value in re.findall(r"more = ([^)]+)", written)]
            total = sum(float(c.strip("()")) * float(u.strip("()")) for c, u in products) + sum(rest)
            assert products
            assert total == pytest.approx(float(written.split()[-1]), rel=1e-3, abs=1e-6)
            read += 1
    assert read >= 4


# ---- arrays


@pytest.mark.parametrize("room", [9, 20, 49, 100])
@pytest.mark.parametrize("shape", [[], [3], [1, 1], [4, 5], [64], [2, 3, 4], [30, 40]])
def test_the_numbers_of_a_grid_are_those_of_the_array(shape, room):
    """What is shown is a block of the array round the picked element, each number to four digits."""
    size = math.prod(shape)
    data = array(shape, [math.sin(k * k + 1) * 10 ** (k % 5 - 2) for k in range(size)])
    for picked in indices(shape)[:: max(size // 7, 1)]:
        with in_language("en"):
            lines = [plain(each) for each in grid("x", data, room, picked)][1:]
        numbers = lines[: next((k for k, line in enumerate(lines) if line.startswith("elements")), None)]
        rows = [[float(cell) for cell in CELL.findall(line)] for line in numbers]
        assert all(display_width(line) <= room for line in numbers) or len(rows[0]) == 1
        (marked,) = re.findall(r"\[(\S+)\]", "\n".join(numbers))
        assert float(marked) == pytest.approx(value_at(data, picked), rel=1e-3)
        flat, width = [float(number(v)) for v in data["values"]], shape[-1] if shape else 1
        places = [k for k in range(size) if flat[k : k + len(rows[0])] == rows[0] and k % width + len(rows[0]) <= width]
        assert any(all(row == flat[k + r * width :][: len(row)] for r, row in enumerate(rows)) for k in places)


def test_columns_are_aligned_at_their_points():
    lines = [plain(each) for each in grid("x", array([3, 2], [1.5, -10.25, 100.0, 0.125, 0.5, 3.0]), 40, (0, 0))]
    assert lines[1:] == ["  [1.5] -10.25", " 100      0.125", "   0.5    3"]


def test_a_window_says_which_part_it_is_and_how_the_whole_is_spread():
    data = showcase()["arrays"][0]
    lines = "\n".join(plain(each) for each in grid("W", data, 100, (3, 5)))
    assert "[2–9, 4–11]" in lines
    assert "-4.571" in lines
    assert value_at(data, (2, 4)) == data["values"][0]
    assert value_at(data, (0, 0)) is None
    assert nearest(data, (0, 0)) == (2, 4)


def test_the_picked_element_moves_and_stays_inside():
    data = array([2, 2, 3], list(range(12)))
    assert moved(data, (0, 0, 0), 0, 1) == (0, 0, 1)
    assert moved(data, (0, 0, 2), 0, 1) == (0, 0, 2)
    assert moved(data, (0, 1, 0), 1, 0) == (1, 0, 0)  # below the last row the next matrix begins
    assert moved(data, (1, 1, 0), 1, 0) == (1, 1, 0)
    assert moved(data, (0, 0, 0), -1, 0) == (0, 0, 0)
    assert moved(array([], [1]), (), 1, 1) == ()
    window = showcase()["arrays"][0]
    assert moved(window, (2, 4), -1, -1) == (2, 4)
    assert moved(window, (9, 11), 1, 1) == (9, 11)


@pytest.mark.parametrize("code", LANGUAGES)
def test_nan_and_inf_are_words(code):
    words = text_of(document("nan"), 1, code)
    assert {"⚠ contains inf", "⚠ contains nan"} <= set(re.findall(r"⚠ contains \w+", words)) or "⚠ 含有 inf" in words
    assert "[nan]" in words


# ---- the list of steps, and what someone else's file may contain


@pytest.mark.parametrize("code", LANGUAGES)
def test_the_list_has_a_line_for_each_step_in_columns(code):
    with in_language(code):
        lines = listing(document("s6")).splitlines()
    assert len(lines) == len(document("s6")["steps"])
    backward = "反向" if code == "zh" else "backward"
    column = display_width(lines[0][: lines[0].index(lines[0].split()[2])])
    assert all(display_width(line[: line.index(line.split()[2])]) == column for line in lines)
    assert sum(backward in line for line in lines) > 10


def test_control_characters_of_a_file_do_not_reach_the_terminal():
    data = square()
    data["tensors"][2]["name"] = "h\x1b[31m"
    data["sources"]["demo.py"]["6"] = "q = h\x1b]0;title\x07 * h"
    data["meta"]["title"] = "\x1b[2J"
    with in_language("en"):
        everything = listing(data) + "".join(step_text(data, k) for k in range(12))
    assert all(c.isprintable() or c == "\n" for c in everything)


def test_a_thousand_ops_have_their_texts():
    data = chain(1000, 250)
    with in_language("en"):
        assert len(listing(data).splitlines()) == 2001
    assert "step 2000/2000" in text_of(data, 2000)
