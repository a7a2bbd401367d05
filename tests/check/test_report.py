"""What a report says, in both languages, and as data."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.check.test_diagnoses import BIRTHS, CASES
from tests.check.test_odd_functions import ODD
from tests.check.zoo.diagnoses import DIAGNOSES
from tinygrad_zh import functional as F
from tinygrad_zh.check import Failure, Report, gradcheck
from tinygrad_zh.check.zoo import BUGS
from tinygrad_zh.i18n import catalogue, display_width, in_language

X = np.array([[0.5, -2.0], [1.0, 0.25]])


def half():
    return gradcheck(lambda x: (x**2).sum(), X, grad=X)


def test_a_passed_report_in_both_languages():
    report = gradcheck(F.tanh, tz.tensor(X, name="z"))
    with in_language("en"):
        lines = str(report).splitlines()
    assert lines[0] == "gradient check of Tanh: passed"
    assert lines[1] == "  4 elements and 2 directions, method ladder, order 1"
    assert lines[2] == "  and 18 comparisons at 8 special points"
    assert lines[4].split() == "input element analytic numeric error bar relative error step verdict".split()
    assert lines[5].split()[0] == "z"
    with in_language("zh"):
        assert str(report).startswith("梯度检验 Tanh：通过\n  4 个元素，2 个方向")


def test_a_failed_report_in_both_languages():
    report = half()
    with in_language("en"):
        said = str(report)
    assert "FAILED, 1 found" in said
    assert "✗ x: off by a constant factor: 1/2 times what it should be" in said
    assert "[0, 1]" in said
    with in_language("zh"):
        assert "✗ x: 相差一个常数因子：是正确值的 1/2 倍" in str(report)


def test_columns_line_up_in_cells():
    with in_language("zh"):
        heads, *rows = str(half()).splitlines()[4:]
    assert len(rows) == 4
    assert {display_width(row.partition("光滑")[0]) for row in rows} == {display_width(heads.partition("判定")[0])}


def test_the_worst_row():
    worst = half().worst
    assert (worst.name, worst.element) == ("x", (0, 1))
    assert (worst.analytic, worst.numeric) == (-2.0, pytest.approx(-4.0))
    assert worst.relative_error == pytest.approx(0.5)
    assert worst.step > 0
    assert 0 < worst.error < 1e-9
    assert not worst.passed


def test_the_table_is_plain_rows():
    rows = gradcheck(F.tanh, X, special=False).table()
    assert len(rows) == 6
    assert rows[3]["element"] == (1, 1)
    assert rows[5]["direction"] == "signs"
    assert all(type(value) in (str, float, bool, tuple, type(None)) for row in rows for value in row.values())


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.name in DIAGNOSES and bug.name != "WrongSignOfMany"],
                         ids=str)
def test_json_brings_every_report_back(bug):
    report = gradcheck(bug.function, *bug.showing, order=bug.order)
    source = report.to_json()
    json.loads(source, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    again = Report.from_json(source)
    assert again.to_json() == source
    for code in ("zh", "en"):
        with in_language(code):
            assert str(again) == str(report)


def test_a_report_is_the_same_every_time_and_hangs_on_its_seed():
    first, second, third = (gradcheck(F.softmax, X, seed=seed).to_json() for seed in (0, 0, 1))
    assert first == second != third


def test_one_line_says_what_is_wrong():
    with in_language("en"):
        assert repr(half()) == ("<gradient check of f: FAILED, 1 found; x: off by a constant factor: 1/2 times what it "
                                "should be>")
    with in_language("zh"):
        assert repr(gradcheck(F.tanh, X)) == "<梯度检验 Tanh：通过>"


def test_a_notebook_shows_the_whole_report():
    shown = []
    half()._repr_pretty_(SimpleNamespace(text=shown.append), False)
    assert shown == [str(half())]


def test_a_report_draws_itself(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    report = half()
    assert report.plot(tmp_path / "report.png").stat().st_size > 10_000
    assert len((tmp_path / "report.csv").read_text().splitlines()) == 1 + len(report.comparisons)
    drawn = []
    monkeypatch.setattr("tinygrad_zh.check.report.gradient_report",
                        lambda rows, path, title: drawn.append((rows, path, title)))
    with in_language("en"):
        report.plot("somewhere.png")
    ((rows, path, title),) = drawn
    assert (len(rows), path) == (len(report.comparisons), "somewhere.png")
    for code, first in (("en", "gradient check of f: FAILED, 1 found"), ("zh", "梯度检验 f：未通过，发现 1 处问题")):
        with in_language(code):
            assert title().splitlines() == [first, f"✗ {report.failures[0]}"]


def test_long_arrays_and_titles_are_cut_short(monkeypatch):
    failure = Failure("gradient", "x", "sign", point="zeros", inputs={"x": "[0. " + "0. " * 100 + "]"})
    with in_language("en"):
        assert str(failure).endswith("0. 0.…)")
        assert len(str(failure)) < 150
    titles = []
    monkeypatch.setattr("tinygrad_zh.check.report.gradient_report", lambda rows, path, title: titles.append(title()))
    replace(half(), failures=(failure,) * 9).plot("somewhere.png")
    assert [line.count("✗") for line in titles[0].splitlines()] == [0, 1, 1, 1, 0]


def test_the_special_point_is_drawn_where_alone_something_is_wrong(monkeypatch):
    class WrongAtZero(tz.Op):
        def forward(x):
            return x * x

        def backward(dy, x):
            return np.where(x == 0, dy, 2 * x * dy)

    drawn = []
    monkeypatch.setattr("tinygrad_zh.check.report.gradient_report", lambda rows, path, title: drawn.extend(rows))
    report = gradcheck(WrongAtZero, X)
    assert not report
    report.plot("somewhere.png")
    with in_language("en"):
        assert all(len(line) < 250 for line in str(report).splitlines())
        assert "x = [[0. 0.] [0. 0.]]" in str(report)
    assert {row["point"] for row in drawn} == {next(row.point for row in report.comparisons if not row.passed)} != {""}


def test_a_report_is_frozen():
    with pytest.raises(FrozenInstanceError):
        half().failures = ()


def test_every_diagnosis_is_said_by_some_test():
    """A text that nothing can bring up is dead."""
    prefix = "check.diagnosis."
    texts = {key.removeprefix(prefix) for key in catalogue() if key.startswith(prefix)}
    planted = set(DIAGNOSES.values()) | {diagnosis for *_, diagnosis in ODD}
    homework = {"unreduced", "unreduced_and_wrong", "transposed_shape", "reshaped", "shape", "dtype", "one_element",
                "writes_upstream"}
    homework |= {"no_op", "unused"}  # of whole models
    homework |= {"overwritten", *CASES, "elements", *(case[2] for case in BIRTHS)}
    assert texts - planted - homework == set()
