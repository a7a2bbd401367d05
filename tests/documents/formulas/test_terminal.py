"""The command formulas: the list, one formula, all findings, names that do not exist."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tinygrad_zh.cli import main
from tinygrad_zh.documents import formulas_command
from tinygrad_zh.documents.formulas import FORMULAS
from tinygrad_zh.i18n import in_language

Capture = pytest.CaptureFixture[str]
ROWS = {row.id: row for row in FORMULAS}


def shown(capsys: Capture, *words: str, status: int = 0) -> str:
    assert main(words) == status
    return capsys.readouterr().out


@pytest.mark.parametrize(("language", "verdicts"), [("en", ("exact", "erratum", "named")),
                                                    ("zh", ("准确", "勘误", "仅提及"))])
def test_the_list_has_a_line_a_formula_with_its_verdict_and_the_check(capsys: Capture, language: str, verdicts):
    lines = shown(capsys, "--lang", language, "formulas").splitlines()
    for row, line in zip(FORMULAS, lines, strict=False):
        verdict = verdicts[("exact", "erratum", "named").index(row.verdict)]
        assert line.startswith(f"{row.id} ✓ {verdict}")
        assert row.formula in line and all(place in line for place in row.places)


def test_the_list_in_latex(capsys: Capture):
    lines = shown(capsys, "formulas", "--latex").splitlines()
    assert all(row.latex in line for row, line in zip(FORMULAS, lines, strict=False))


@pytest.mark.parametrize("name", ["F05", "f5", "5"])
def test_one_formula_shows_both_versions_its_lines_and_the_diagnosis(capsys: Capture, name: str):
    page = shown(capsys, "--lang", "en", "formulas", name)
    row = ROWS["F05"]
    assert row.formula in page and row.corrected in page and "000 §4.2" in page
    for line in row.lines:
        assert str(line.place) in page and line.code in page
    assert "the factor (x > 0) is missing" in page
    assert "gradient check of HiddenErrorAsPrinted: FAILED" in page
    assert row.latex not in page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("row", FORMULAS, ids=lambda row: row.id)
def test_every_formula_can_be_shown(capsys: Capture, language: str, row):
    page = shown(capsys, "--lang", language, "formulas", row.id, "--latex")
    with in_language(language):
        assert row.words[:20] in page
    assert row.formula in page and row.latex in page and row.corrected_latex in page
    assert "✗" not in page.partition("\n\n" + ("梯度检验" if language == "zh" else "gradient check"))[0]


def test_check_prints_every_finding(capsys: Capture):
    page = shown(capsys, "--lang", "en", "formulas", "--check")
    total = sum(len(row.findings()) for row in FORMULAS)
    assert page.count("\n  ✓ ") == total
    assert page.endswith(f"\nAll {total} findings hold.\n")


def test_check_fails_where_a_finding_does_not_hold(capsys: Capture, monkeypatch: pytest.MonkeyPatch):
    row = ROWS["F04"]
    wrong = replace(row, ours=row.literal)
    monkeypatch.setattr(formulas_command, "FORMULAS", (ROWS["F02"], wrong))
    page = shown(capsys, "--lang", "zh", "formulas", "--check", status=1)
    assert "F02 ✓" in page and "F04 ✗" in page and "  ✗ 梯度检验通过：∂J/∂a₃ = a₃ − y" in page
    assert page.endswith("4 项结论中有 1 项不成立。\n")
    assert shown(capsys, "formulas", "F04", "--check", status=1)
    assert shown(capsys, "formulas", "F02", "--check")
    assert "F04 ✗" in shown(capsys, "formulas")


@pytest.mark.parametrize(("wrong", "near"), [("F50", "F20"), ("F29", "F2"), ("sigmod", "Sigmoid")])
def test_a_name_that_does_not_exist_gets_near_ones(capsys: Capture, wrong: str, near: str):
    assert main(["--lang", "en", "formulas", wrong]) == 1
    error = capsys.readouterr().err
    assert wrong in error and near in error


def test_an_op_is_shown_by_its_name(capsys: Capture):
    assert "def backward(dy, y, *, axis):" in shown(capsys, "formulas", "log_softmax")


def test_check_ops_and_edges_exclude_each_other():
    with pytest.raises(SystemExit):
        main(["formulas", "--ops", "--edges"])
