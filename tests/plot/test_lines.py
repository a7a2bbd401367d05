from __future__ import annotations

import csv

import numpy as np
import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot.lines import Panel, line_panels
from tinygrad_zh.plot.regions import Region, decision_regions
from tinygrad_zh.plot.scatter import predicted_and_true

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")


def rows(path):
    return list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


def panel(title, *names, **options):
    return Panel(title, "step", "J", {name: ([0, 1], [1.0, 2.0]) for name in names}, **options)


def test_one_legend_where_the_panels_share_their_lines(tmp_path, words):
    said = words(line_panels([panel("left", "right sign", "wrong sign"), panel("right", "right sign", "wrong sign")],
                             tmp_path / "lines.svg"))
    assert (said.count("right sign"), said.count("wrong sign"), said.count("step")) == (1, 1, 2)
    assert {"left", "right", "J"} <= set(said)


def test_a_legend_each_where_they_do_not(tmp_path, words):
    said = words(line_panels([panel("left", "a", "b"), panel("right", "c")], tmp_path / "lines.svg"))
    assert [said.count(name) for name in "abc"] == [1, 1, 0]  # a line alone is named by its title


def test_the_table_has_every_point_and_also_what_cannot_be_drawn(tmp_path):
    lines = {"a": (range(3), np.array([1.0, np.inf, np.nan])), "b": ([5], [0.25])}
    path = line_panels([Panel("P", "x", "y", lines, log=True, limits=(0.1, None), marks=[(1, 1)])], tmp_path / "l.png")
    assert rows(path) == [["panel", "line", "x", "y"], ["P", "a", "0", "1.0"], ["P", "a", "1", "inf"],
                          ["P", "a", "2", "nan"], ["P", "b", "5", "0.25"]]


def test_lines_that_cannot_be_told_apart_or_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not 0 panels"):
        line_panels([], tmp_path / "l.png")
    with pytest.raises(ValueError, match="1 to 5 names"):
        line_panels([panel("P", *"abcdef")], tmp_path / "l.png")
    with pytest.raises(ValueError, match='"a" has 2 x and 1 y'):
        line_panels([Panel("P", "x", "y", {"a": ([0, 1], [1.0])})], tmp_path / "l.png")
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_drawn_on_one_scale(tmp_path, words):
    with in_language("en"):
        path = predicted_and_true({"small": ([1.0, 2.0], [1.5, 1.0]), "large": ([0.0], [9.0])}, tmp_path / "s.svg")
    assert {"small", "large", "true", "predicted"} <= set(words(path))
    assert rows(path)[1:] == [["small", "1.0", "1.5"], ["small", "2.0", "1.0"], ["large", "0.0", "9.0"]]
    with pytest.raises(ValueError, match='"small" has 1 true values and 2'):
        predicted_and_true({"small": ([1.0], [1.5, 1.0])}, tmp_path / "t.svg")
    with pytest.raises(ValueError, match="nothing to draw"):
        predicted_and_true({}, tmp_path / "t.svg")


def test_regions_ask_the_classifier_of_the_whole_plane(tmp_path, words):
    asked = []

    def right_of_zero(x):
        asked.append(x)
        return (x[:, 0] > 0).astype(int)

    points = [[-1.0, 0.0], [1.0, 2.0]]
    path = decision_regions([Region("halves", right_of_zero)], points, [0, 1], tmp_path / "regions.svg")
    assert "halves" in words(path)
    assert rows(path) == [["x1", "x2", "class", "halves"], ["-1.0", "0.0", "0", "0"], ["1.0", "2.0", "1", "1"]]
    plane = asked[1]
    assert plane.min() < -1 and plane[:, 1].max() > 2 and len(plane) == 200**2
    with pytest.raises(ValueError, match=r"\(2, 2\) and \(1,\)"):
        decision_regions([Region("halves", right_of_zero)], points, [0], tmp_path / "no.svg")
