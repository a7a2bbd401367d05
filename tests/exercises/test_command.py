"""`tinygrad-zh exercise`: the list with progress, files that are never overwritten, verdicts, hints, answers."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from tinygrad_zh import cli
from tinygrad_zh.exercises import EXERCISES
from tinygrad_zh.exercises.answer_file import checked_file, template
from tinygrad_zh.i18n import in_language

LANGUAGES = ("zh", "en")


def run(capsys, *words: object, status: int = 0) -> str:
    assert cli.main(["exercise", *map(str, words)]) == status
    return capsys.readouterr().out


def refused(capsys, *words: object) -> str:
    assert cli.main(["exercise", "--lang", "en", *map(str, words)]) == 1
    err: str = capsys.readouterr().err
    assert len(err.splitlines()) == 1
    return err


@pytest.fixture
def answered(tmp_path):
    """A file with this backward in the place of the missing one."""

    def file(name: str, body: str) -> Path:
        path = tmp_path / f"{name}.py"
        with in_language("en"):
            path.write_text(template(EXERCISES[name], path).replace("    ...\n", body), encoding="utf-8")
        return path

    return file


# ---- the list


@pytest.mark.parametrize(
    ("language", "progress"), [("en", "1 of 14 right, by the files in"), ("zh", "14 题中对了 1 题")]
)
def test_the_list_shows_how_far_one_is(capsys, answered, language, progress):
    answered("square", "    return dy * 2 * x\n")
    answered("relu", "    return dy\n")
    answered("sigmoid", "    ...\n")
    folder = answered("mean", "    return oh no\n").parent
    out = run(capsys, "--lang", language, "--out", folder)
    marks = {line.split()[1]: line.split()[0] for line in out.splitlines() if line.startswith(("  ○", "  ●", "  ✗"))}
    assert marks.keys() == EXERCISES.keys()
    assert [marks[name] for name in ("square", "relu", "sigmoid", "mean", "softmax")] == ["●", "✗", "○", "✗", "○"]
    assert progress in out
    assert out.count("  wrong ") == 10


def test_without_a_folder_the_list_looks_where_the_advice_says(capsys, answered, monkeypatch):
    folder = answered("square", "    return dy * 2 * x\n").parent
    folder.rename(folder.with_name("tinygrad-zh-exercises"))
    monkeypatch.chdir(folder.parent)
    assert "  ● square" in run(capsys, "--lang", "en")


# ---- one exercise


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_says_what_is_asked_and_how_to_go_on(capsys, language, name):
    out = run(capsys, "--lang", language, name)
    assert f"tinygrad-zh exercise {name} --out tinygrad-zh-exercises" in out
    assert f"tinygrad-zh exercise {name} tinygrad-zh-exercises/{name}.py" in out
    assert "--hint" in out


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EXERCISES)
def test_the_file_is_python_that_is_still_to_be_written_and_the_answer_fits_in(tmp_path, name, language):
    exercise = EXERCISES[name]
    path = tmp_path / f"{name}.py"
    with in_language(language):
        path.write_text(template(exercise, path), encoding="utf-8")
    assert checked_file(exercise, str(path)).mark == "○"
    body = exercise.source(exercise.answer).partition("\n")[2]
    path.write_text(path.read_text(encoding="utf-8").replace("    ...", body), encoding="utf-8")
    assert checked_file(exercise, str(path))


def test_a_file_is_written_once(capsys, tmp_path):
    folder = tmp_path / "my" / "answers"
    out = run(capsys, "--lang", "en", "sigmoid", "--out", folder)
    path = folder / "sigmoid.py"
    assert out == f"Written: {path}. Fill in backward, then:  tinygrad-zh exercise sigmoid {path}\n"
    path.write_text("mine", encoding="utf-8")
    assert "exists already and is left as it is" in refused(capsys, "sigmoid", "--out", folder)
    assert path.read_text(encoding="utf-8") == "mine"


def test_an_answer_is_judged(capsys, answered):
    right = answered("sigmoid", "    return dy * y * (1 - y)\n")
    assert run(capsys, "--lang", "en", "sigmoid", right).startswith("● sigmoid  right. ")
    assert run(capsys, "--lang", "zh", "sigmoid", right).startswith("● sigmoid  正确。")
    wrong = answered("relu", "    return dy\n")
    assert run(capsys, "--lang", "zh", "relu", wrong, status=1).startswith("✗ relu  ∂L/∂x：缺少因子 (x > 0)")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("def backward(dy, y):\n    return dy * (\n", "the file is not Python: line 2: '(' was never closed"),
        ("x = 1 / 0\n", "the file itself raises ZeroDivisionError in line 1: division by zero"),
        ("raise SystemExit('stop')\n", "the file itself raises SystemExit in line 1: stop"),
        ("import a_module_that_nobody_has\n", "the file itself raises ModuleNotFoundError in line 1"),
        ("def bakward(dy, y):\n    return dy\n", "the file defines no backward"),
        ("backward = 3\n", "backward is to be a Python function, this is int"),
        ("", "the file defines no backward"),
        ("\n\ndef backward(dy, y):\n    return dy * y * (1 - z)\n", "line 4 raises NameError: name 'z' is not defined"),
        ("def backward(dy, y):\n    return y @ dy\n", "line 2 raises ValueError"),
    ],
)
def test_a_file_with_something_wrong_gets_one_sentence(capsys, tmp_path, content, words):
    path = tmp_path / "sigmoid.py"
    path.write_text(content, encoding="utf-8")
    out = run(capsys, "--lang", "en", "sigmoid", path, status=1)
    assert out.startswith(f"✗ sigmoid  {words}") and len(out.splitlines()) == 1


def test_a_file_that_is_no_text(capsys, tmp_path):
    path = tmp_path / "sigmoid.py"
    path.write_bytes(b"\x00\xff\xfe")
    out = run(capsys, "--lang", "en", "sigmoid", path, status=1)
    assert out.startswith("✗ sigmoid  ") and len(out.splitlines()) == 1


def test_there_is_no_such_file_or_exercise(capsys, tmp_path):
    assert "No such file" in refused(capsys, "sigmoid", tmp_path / "none.py")
    assert "no exercise sigmod; close ones: sigmoid" in refused(capsys, "sigmod")


# ---- help


def test_hints_come_one_at_a_time(capsys):
    first = run(capsys, "--lang", "en", "sigmoid", "--hint")
    assert first.startswith("Hint 1 of 3: Differentiate") and "--hint 2" in first and "y (1 − y)" not in first
    last = run(capsys, "--lang", "en", "sigmoid", "--hint", 3)
    assert "y (1 − y)" in last and "--hint 4" not in last
    assert run(capsys, "--lang", "zh", "sigmoid", "--hint", 2).startswith("提示 2/3：")
    assert "has the hints 1 to 3, not 4" in refused(capsys, "sigmoid", "--hint", 4)


def test_a_hint_beside_a_verdict(capsys, answered):
    out = run(capsys, "--lang", "en", "relu", answered("relu", "    return dy\n"), "--hint", status=1)
    assert out.startswith("✗ relu") and "Hint 1 of 3" in out


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_comes_with_its_derivation(capsys, language, name):
    out = run(capsys, "--lang", language, name, "--answer")
    assert "    def backward(" in out
    with in_language(language):
        assert EXERCISES[name].derivation.replace(" ", "") in out.replace("\n", "").replace(" ", "")


# ---- which gradient is wrong?


def test_the_wrong_gradients_are_listed(capsys):
    assert run(capsys, "--lang", "en", "wrong").splitlines()[0] == "  wrong 1   one neuron, two samples"


@pytest.mark.parametrize("number", ["0", "11", "-1", "one", "sigmoid.py"])
def test_there_is_no_such_wrong_gradient(capsys, number):
    assert f"there are the exercises wrong 1 to wrong 10, not {number}" in refused(capsys, "wrong", "--", number)


def test_without_a_terminal_the_steps_are_printed_and_the_question(capsys):
    out = run(capsys, "--lang", "en", "wrong", 1)
    assert "Sigmoid → ∂L/∂z" in out and "Exactly one backward step of this trace is wrong" in out
    assert "tinygrad-zh exercise wrong 1 --step STEP" in out


def test_one_step_in_full_has_no_numeric_check_and_no_rule(capsys):
    out = run(capsys, "--lang", "en", "wrong", 1, "--text", 7)
    assert "∂L/∂z[0, 0] = 0.66523·1.7352 = 1.1543" in out
    assert "check" not in out and "planted.py" not in out and "lambda" not in out
    assert "this trace has the steps 0 to 12, not 13" in refused(capsys, "wrong", 1, "--text", 13)


def test_an_answer_is_right_or_wrong(capsys):
    out = run(capsys, "--lang", "zh", "wrong", 1, "--step", 7)
    assert out.startswith("● 答对了：错的是第 7 步（Sigmoid → ∂L/∂z）。")
    assert "记录里是 1.1543，量出来的是 0.38643" in out and "诊断：缺少因子 1 − y" in out
    out = run(capsys, "--lang", "en", "wrong", 1, "--step", 6, status=1)
    assert out.startswith("✗ Not this one: step 6 (HalfSquaredError → ∂L/∂y)") and "Diagnosis" not in out
    out = run(capsys, "--lang", "en", "wrong", 1, "--step", 0, status=1)
    assert out == "Step 0 computes no gradient; name a backward step.\n"
    assert "this trace has the steps 0 to 12, not 99" in refused(capsys, "wrong", 1, "--step", 99)


def test_giving_up(capsys):
    out = run(capsys, "--lang", "en", "wrong", 2, "--answer")
    assert out.startswith("The wrong step is step 10.") and "the sign is flipped" in out and "Right" not in out


def test_the_page_is_written(capsys, tmp_path):
    path = tmp_path / "wrong.html"
    assert str(path) in run(capsys, "--lang", "en", "wrong", 1, "--html", path)
    assert "wrong-gradient" in path.read_text(encoding="utf-8")


def test_in_a_terminal_the_stepper_opens_and_the_question_is_asked_until_it_is_answered(capsys, monkeypatch):
    from tinygrad_zh.stepper import Document

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    shown = []
    answers = iter(["6", " 7 "])
    monkeypatch.setattr(Document, "show", lambda document, step=0: shown.append(document))
    monkeypatch.setattr("builtins.input", lambda prompt: next(answers))
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    assert cli.main(["exercise", "--lang", "en", "wrong", "1"]) == 0
    assert [each.data["meta"]["title"] for each in shown] == ["wrong 1"]
    out = terminal.getvalue()
    assert out.index("✗ Not this one: step 6") < out.index("● Right: step 7")
    assert list(answers) == []


def test_an_empty_line_ends_the_questions(monkeypatch):
    from tinygrad_zh.exercises import wrong_command
    from tinygrad_zh.exercises.planted import wrong_gradient

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(type(wrong_gradient(1).document), "show", lambda document, step=0: None)
    monkeypatch.setattr("builtins.input", lambda prompt: "")
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stdout", Terminal())
    wrong_command._open(wrong_gradient(1))
