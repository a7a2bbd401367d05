"""The picture of a gradient check: what is drawn of right, kinked, wrong and nameless rows, in both languages."""

from __future__ import annotations

import csv
import math

import pytest

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import gradient_report
from tinygrad_zh.plot.gradients import kind_of, whole

pytestmark = pytest.mark.filterwarnings("error", "ignore:Glyph")


def row(element, analytic=1.0, numeric=1.0, passed=True, verdict="smooth", name="x", **more):
    size = max(abs(analytic), abs(numeric))
    error = abs(analytic - numeric) / size if size else 0.0
    return {"name": name, "element": element, "direction": "" if element is not None else "signs",
            "analytic": analytic, "numeric": numeric, "error": 1e-12, "tolerance": 1e-7, "step": 1e-3,
            "verdict": verdict, "left": numeric - 1, "right": numeric + 1, "passed": passed, "relative_error": error,
            **more}


GRID = [row((i, j), i + j, i + j) for i in range(2) for j in range(3)]
VECTOR = [row((i,), 1.0 + i, 1.0 + i) for i in range(4)]
WRONG = row((1, 2), 2.0, 3.0, passed=False)
KINK = row((0, 1), 0.0, 0.5, verdict="kink")
DIRECTION = row(None, 4.0, 4.0)


def table(path):
    return list(csv.reader(path.with_suffix(".csv").read_text(encoding="utf-8").splitlines()))


def drawn(tmp_path, words, rows, title="gradient check of f: passed"):
    with in_language("en"):
        return words(gradient_report(rows, tmp_path / "report.svg", title=lambda: title))


@pytest.mark.parametrize("given, kind", [
    (row((0,)), "right"),
    (row((0,), passed=False), "wrong"),
    (row((0,), verdict="kink"), "kink"),
    (row((0,), verdict="kink", passed=False), "wrong"),
    (row((0,), verdict="unbounded"), "other"),
])
def test_how_a_row_is_drawn(given, kind):
    assert kind_of(given) == kind


def test_the_shape_of_an_input():
    assert whole(GRID) == (2, 3)
    assert whole([*GRID, DIRECTION]) == (2, 3)
    assert whole(GRID[:-1]) is None
    assert whole(VECTOR) == (4,)
    assert whole([row((0, 0, 0))]) is None
    assert whole([row(())]) is None
    assert whole([DIRECTION]) is None


def test_the_title_the_axes_and_the_counts(tmp_path, words):
    said = drawn(tmp_path, words, [*GRID[:1], KINK, *GRID[2:5], WRONG, DIRECTION], "gradient check of f: FAILED")
    assert {"gradient check of f: FAILED", "right: 4", "wrong: 1", "at a kink, between its slopes: 1",
            "Relative error of each element of x", "analytic: what the backward pass says",
            "numeric: what differences measure"} <= set(said)
    assert not {"no slope to compare with: 0", "Relative errors, and what was allowed (–)"} & set(said)


def test_chinese(tmp_path, words, pretend_font):
    with in_language("zh"):
        said = words(gradient_report([*GRID[:5], WRONG], tmp_path / "report.svg", title=lambda: "梯度检验 f：未通过"))
    assert {"梯度检验 f：未通过", "正确：5", "错误：1", "x 各元素的相对误差", "解析值：反向传播给出的导数"} <= set(said)


def test_a_right_direction_is_in_the_csv_alone_and_a_wrong_one_is_drawn(tmp_path, words):
    assert "right: 6" in drawn(tmp_path, words, [*GRID, DIRECTION])
    assert len(table(tmp_path / "report.svg")) == 8
    said = drawn(tmp_path, words, [*GRID, row(None, 4.0, 8.0, passed=False, name="")])
    assert {"right: 6", "wrong: 1", "Relative errors, and what was allowed (–)"} <= set(said)


def test_an_input_that_was_sampled_is_sorted(tmp_path, words):
    said = drawn(tmp_path, words, GRID[::2])
    assert {"right: 3", "Relative errors, and what was allowed (–)"} <= set(said)
    assert "Relative error of each element of x" not in said


def test_many_inputs_share_one_panel(tmp_path, words):
    names = {"a": (0,), "b": (0,), "c": (0, 0), "d": (0, 0)}
    said = drawn(tmp_path, words, [row(element, name=name) for name, element in names.items()])
    assert [each for each in said if each.startswith("Relative error")] == ["Relative errors, and what was allowed (–)"]
    assert "right: 4" in said
    said = drawn(tmp_path, words, [row(element, name=name) for name, element in names.items() if name != "b"])
    assert [each[-1] for each in said if each.startswith("Relative error")] == ["c", "d", "a"]


def test_a_map_has_its_scale(tmp_path, words):
    drawn(tmp_path, words, GRID)
    assert "≤" in (tmp_path / "report.svg").read_text(encoding="utf-8")
    drawn(tmp_path, words, VECTOR)
    assert "≤" not in (tmp_path / "report.svg").read_text(encoding="utf-8")


def test_what_is_not_finite_is_drawn_and_counted(tmp_path, words):
    nothing = {"passed": False, "relative_error": math.nan}
    rows = [*VECTOR[:2], row((2,), math.nan, 2.0, **nothing), row((3,), math.inf, math.nan, **nothing)]
    said = drawn(tmp_path, words, rows)
    assert {"right: 2", "not finite: 2"} <= set(said)
    said = drawn(tmp_path, words, [row((0, 0), math.nan, 2.0, **nothing)])
    assert "not finite: 1" in said


def test_gradients_of_many_sizes_are_drawn_on_logarithmic_axes(tmp_path, words):
    said = drawn(tmp_path, words, [row((i,), 10.0**-i, 10.0**-i) for i in range(9)])
    assert "right: 9" in said
    assert "0.2" not in said
    assert "0.2" in drawn(tmp_path, words, [row((i,), i / 5, i / 5) for i in range(6)])


@pytest.fixture
def panels(monkeypatch):
    """The axes that are painted for some rows."""
    from matplotlib.figure import Figure

    def panels(rows):
        figure = Figure()
        monkeypatch.setattr("tinygrad_zh.plot.gradients.draw", lambda path, size, paint, header, table: paint(figure))
        gradient_report(rows, "report.png", title=lambda: "f")
        return figure.axes

    return panels


def lines(axes):
    return [line.get_xydata().tolist() for line in axes.lines]


def test_the_shades_are_the_relative_errors_and_a_kink_has_none(panels):
    shades = panels([*GRID[:1], KINK, *GRID[2:5], WRONG])[1].images[0].get_array().filled(math.nan).tolist()
    assert shades[0][0] == shades[0][2] == shades[1][0] == -16
    assert shades[1][2] == pytest.approx(math.log10(1 / 3))
    assert math.isnan(shades[0][1])


def test_what_is_wrong_and_kinks_bear_marks_on_the_map(panels):
    marks = panels([*GRID[:1], KINK, *GRID[2:5], WRONG])[1].lines
    assert [(mark.get_marker(), mark.get_xydata().tolist()) for mark in marks] == [("D", [[1, 0]]), ("X", [[2, 1]])]


def test_a_kink_spans_its_slopes_and_the_others_what_is_allowed(panels):
    drawn = lines(panels([KINK, row((1, 1), 2.0, 2.0)])[0])
    assert [[-0.5, 0.0], [1.5, 0.0]] in drawn
    assert [[2.0 - 1e-7, 2.0], [2.0 + 1e-7, 2.0]] in drawn


def test_a_lost_value_stands_at_its_numeric_slope_if_there_is_one(panels):
    lost = row((1,), math.nan, -7.0, passed=False, relative_error=math.nan)
    drawn = lines(panels([row((0,), 1.0, 1.0), lost])[0])
    assert [[-7.0, 0.02]] in drawn
    assert [[-7.0, -7.0], [1.0, 1.0]] in drawn


def test_what_was_allowed_stands_beside_each_error(panels):
    drawn = lines(panels([row((0,), 2.0, 2.0), row((1,), 4.0, 2.0, passed=False)])[1])
    assert drawn == [[[0, 1e-16]], [[1, 0.5]], [[0, 5e-8]], [[1, 2.5e-8]]]


def test_a_gradient_of_zero_has_no_relative_error(panels):
    zero = row((0,), 1e-17, -3e-12)
    assert zero["relative_error"] > 1
    assert lines(panels([zero, row((1,))])[1])[0] == [[0, 1e-16], [1, 1e-16]]
    wrong = row((0,), 0.0, 1e-9, passed=False)
    assert [[0, 1]] in lines(panels([wrong, row((1,))])[1])


def test_zeros_alone(tmp_path, words):
    assert "right: 2" in drawn(tmp_path, words, [row((0,), 0.0, 0.0), row((1,), 0.0, 0.0)])


def test_directions_alone(tmp_path, words):
    assert "right: 1" in drawn(tmp_path, words, [DIRECTION])


def test_the_csv_has_all_rows_as_they_are(tmp_path):
    path = gradient_report([*GRID, KINK, DIRECTION], tmp_path / "report.png", title=lambda: "f")
    header, *rows = table(path)
    assert header == list(GRID[0])
    assert [float(each[header.index("analytic")]) for each in rows] == [r["analytic"] for r in [*GRID, KINK, DIRECTION]]
    assert rows[-1][header.index("element")] == ""


def test_the_same_rows_give_the_same_bytes(tmp_path):
    first, second = (gradient_report(GRID, tmp_path / name, title=lambda: "f") for name in ("a.svg", "b.svg"))
    assert first.read_bytes() == second.read_bytes()


def test_no_rows():
    with pytest.raises(ValueError, match="nothing to draw"):
        gradient_report([], "report.png", title=lambda: "f")
