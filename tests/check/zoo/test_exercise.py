"""`tinygrad-zh check bug`: the list, an exercise, its hint, its check and its answer."""

from __future__ import annotations

import ast

import pytest

from tinygrad_zh.check.zoo import BUGS, KINDS
from tinygrad_zh.check.zoo.exercise import by_name
from tinygrad_zh.check.zoo.listing import listing, title
from tinygrad_zh.cli import main
from tinygrad_zh.ops.formula import formula


def said(capsys, *words, status=0):
    assert main(["check", "bug", *words]) == status
    out, err = capsys.readouterr()
    return out if status == 0 else err


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_list_names_every_bug_with_its_formula_kind_by_kind(capsys, code):
    lines = said(capsys, "--lang", code).splitlines()
    for bug in BUGS:
        row = next(line for line in lines if line.split()[:1] == [bug.name])
        assert formula(bug.op).forward in row
        assert (formula(bug.op).chinese in row.split(formula(bug.op).forward, 1)[1]) == (code == "zh")
    heads = [line.split()[0] for line in lines if line and not line.startswith(" ")]
    assert heads[: len(KINDS)] == list(KINDS)
    assert str(len(BUGS)) in lines[-2]


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_an_exercise_is_a_program_that_does_not_give_itself_away(bug):
    code = "\n".join(listing(bug))
    ast.parse(code)
    assert "def forward(" in code and "planted" not in code and f"class {bug.name}" not in code
    assert not any(words in code for words in (bug.en, bug.zh, formula(bug.op).forward))
    assert ("\nf = " in code) == (bug.function is not bug.op)


def test_an_exercise_shows_what_the_op_uses():
    assert "def values(x" in "\n".join(listing(by_name("SecondOrderCut")))
    assert "class CubeSlope(Op)" in "\n".join(listing(by_name("SecondOrderHalf")))
    assert listing(by_name("Detached"))[-1] == "f = lambda x: op(x).detach()"


def test_every_kind_has_a_title_in_both_languages():
    for bug in BUGS:
        english, chinese = title(bug)
        assert english.isascii() or not any("一" <= c <= "鿿" for c in english)
        assert all(not c.isascii() for c in chinese) and chinese


def test_an_exercise_shows_numbered_lines_and_inputs_and_no_answer(capsys):
    out = said(capsys, "WholeToEveryTie", "--lang", "en")
    assert "   5      return np.where(x == y, dy, 0)" in out
    assert "x = [-0.206 , -0.1288, -0.2898, -1.2719]" in out
    assert by_name("WholeToEveryTie").cure not in out and "tie" not in out.replace("WholeToEveryTie", "")


def test_a_random_exercise_is_the_same_for_its_seed_and_does_not_tell_its_name(capsys):
    outs = [said(capsys, "--random", "--seed", str(seed)) for seed in (1, 1, 2, 3)]
    assert outs[0] == outs[1] and len(set(outs)) == 3
    answer = said(capsys, "--random", "--seed", "1", "--answer")
    assert sum(f"\n{bug.name}\n" in answer for bug in BUGS) == 1
    assert not any(f"\n{bug.name}\n" in outs[0] for bug in BUGS)


def test_a_hint_tells_the_kind_and_where_it_shows(capsys):
    hidden = said(capsys, "WholeToEveryTie", "--hint", "--lang", "zh")
    assert "ties" in hidden and "并列" in hidden and "x = [1., 3., 3., 2.]" in hidden
    plain = said(capsys, "HalfTheSlope", "--hint", "--lang", "en")
    assert plain.count("x = [") == 1


@pytest.mark.parametrize(("name", "words"), [
    ("HalfTheSlope", "1/2 times"),
    ("StateOnTheOp", "another call"),
    ("SecondOrderHalf", "order 2"),
    ("Raises", "undefined"),
])
def test_the_check_is_run_and_its_report_shown(capsys, name, words):
    out = said(capsys, name, "--check", "--lang", "en")
    assert "FAILED" in out and words in out.partition("FAILED")[2]


@pytest.mark.parametrize("code", ["en", "zh"])
def test_the_answer_is_the_story_the_cure_and_the_trackers(capsys, code):
    out = said(capsys, "RepeatedIndex", "--answer", "--lang", code)
    bug = by_name("RepeatedIndex")
    story = bug.zh if code == "zh" else bug.en
    assert "".join(story.split()) in "".join(out.split())
    assert bug.cure in out and all(thread in out for thread in bug.threads)


def test_a_name_may_be_written_carelessly_and_a_wrong_one_gets_close_ones(capsys):
    assert by_name("half_the_slope").name == by_name("halftheslope").name == "HalfTheSlope"
    assert "HalfTheSlope" in said(capsys, "HalfASlope", "--lang", "en", status=1)
    assert "–" in said(capsys, "qqqq", status=1)


@pytest.mark.parametrize("option", ["--hint", "--check", "--answer"])
def test_an_option_without_a_bug_asks_which(capsys, option):
    assert "--random" in said(capsys, option, status=1)


def test_a_negative_seed_is_refused(capsys):
    assert "from 0 on" in said(capsys, "--random", "--seed", "-1", status=1)
