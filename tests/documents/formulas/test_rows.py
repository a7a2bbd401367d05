"""The table F01–F28: complete, in both languages, its lines where it says they are, and its checks true."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.documents.formulas import FORMULAS, Formula, Line
from tinygrad_zh.i18n import in_language
from tinygrad_zh.ops.formula import all_ops

ROOT = Path(tz.__file__).parents[1]
ERRATA = {"F03", "F04", "F05", "F06", "F10", "F12", "F14", "F17", "F18", "F20", "F21", "F22", "F24", "F28"}
NAMED = {"F25", "F26", "F27"}
CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
QUOTED = re.compile("准确率|精确率")  # 000's own words, on which the English of F28 turns

each_row = pytest.mark.parametrize("row", FORMULAS, ids=lambda row: row.id)


def test_all_28_are_there_in_order_with_their_verdicts():
    assert [row.id for row in FORMULAS] == [f"F{i:02}" for i in range(1, 29)]
    assert {row.id for row in FORMULAS if row.verdict == "erratum"} == ERRATA
    assert {row.id for row in FORMULAS if row.verdict == "named"} == NAMED
    assert {row.verdict for row in FORMULAS} == {"exact", "erratum", "named"}


@each_row
def test_a_row_says_where_it_is_printed_and_what_is_to_be_known(row: Formula):
    assert row.places and all(re.fullmatch(r"00[0-4] §\d+(\.\d+)*", place) for place in row.places)
    assert bool(row.corrected) == bool(row.corrected_latex) == (row.verdict == "erratum")
    assert CHINESE.search(row.zh) and row.zh[-1] in "。）"
    assert not CHINESE.search(QUOTED.sub("", row.en)) and row.en[-1] in ".)"
    assert row.corrected != row.formula
    for formula in (row.formula, row.corrected, row.latex, row.corrected_latex):
        assert not CHINESE.search(formula), "a formula is read in both languages"
    with in_language("zh"):
        assert row.words == row.zh
    with in_language("en"):
        assert row.words == row.en


@each_row
def test_the_live_check_holds_and_says_so_in_both_languages(row: Formula):
    findings = row.findings()
    assert findings
    for finding in findings:
        with in_language("en"):
            english = str(finding)
            assert finding, english
        with in_language("zh"):
            chinese = str(finding)
        assert CHINESE.search(chinese) and not CHINESE.search(english)


@each_row
def test_the_check_is_the_same_every_time_and_leaves_the_generator_alone(row: Formula):
    generator = tz.manual_seed(7)
    before = generator.bit_generator.state["state"]["counter"].tolist()
    first, second = row.findings(), row.findings()
    assert [str(finding) for finding in first] == [str(finding) for finding in second]
    assert tz.default_generator() is generator
    assert generator.bit_generator.state["state"]["counter"].tolist() == before


def executed(run) -> set[tuple[str, int]]:
    """(file, line) of every line of the package that runs meanwhile."""
    lines: set[tuple[str, int]] = set()

    def trace(frame, event, argument):
        if not frame.f_code.co_filename.startswith(str(ROOT)):
            return None
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run()
    finally:
        sys.settrace(before)
    return lines


@each_row
def test_the_named_lines_stand_there_and_run_in_the_check(row: Formula):
    ran: set[tuple[str, int]] = set()
    # A thread of its own, so that a debugger or a coverage tool keeps its trace in this one.
    thread = threading.Thread(target=lambda: ran.update(executed(row.findings)))
    thread.start()
    thread.join()
    assert row.lines
    for line in row.lines:
        path = ROOT / line.place.file
        assert path.read_text(encoding="utf-8").splitlines()[line.place.number - 1].strip() == line.code
        assert (str(path), line.place.number) in ran, f"{line.place} did not run"


def test_a_line_that_has_changed_is_missed():
    with pytest.raises(ValueError, match=r"ReLU\.forward holds the line 'return 0' 0 times"):
        _ = Line(tz.functional.relu.forward, "return 0").place


def test_a_line_that_is_there_twice_is_not_one_line():
    def twice(x):
        x = x + 1
        x = x + 1
        return x

    with pytest.raises(ValueError, match="2 times"):
        _ = Line(twice, "x = x + 1").place


def test_the_counter_examples_are_not_among_the_ops_of_the_package():
    assert not any("AsPrinted" in op.__name__ or "formulas" in op.__module__ for op in all_ops())


@each_row
def test_latex_is_balanced(row: Formula):
    for latex in filter(None, (row.latex, row.corrected_latex)):
        for left, right in ("{}", "()"):
            assert latex.count(left) == latex.count(right), latex
        assert latex.count(r"\left(") == latex.count(r"\right)")
        assert latex.isascii()


@each_row
def test_latex_can_be_typeset(row: Formula):
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="matplotlib typesets the LaTeX")
    parser = mathtext.MathTextParser("path")
    for latex in filter(None, (row.latex, row.corrected_latex)):
        width, height = parser.parse(f"${latex}$")[:2]
        assert width > 0 and height > 0


def test_latex_that_is_wrong_is_noticed():
    mathtext = pytest.importorskip("matplotlib.mathtext", reason="matplotlib typesets the LaTeX")
    with pytest.raises(ValueError):
        mathtext.MathTextParser("path").parse(r"$\frac{1}{$")


def test_the_printed_xavier_of_f17_has_a_sixth_of_the_variance_that_relu_needs():
    row = next(row for row in FORMULAS if row.id == "F17")
    tz.manual_seed(0)
    ratio = row.literal((1000, 1000)).var() / tz.nn.init.he_uniform((1000, 1000)).var()
    np.testing.assert_allclose(ratio, 1 / 6, rtol=0.01)
