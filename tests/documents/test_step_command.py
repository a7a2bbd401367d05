"""The command step: systems, programs, saved traces; what it writes, and what it says of bad input."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tinygrad_zh as tz
from tinygrad_zh.cli import main
from tinygrad_zh.documents import SYSTEMS, script
from tinygrad_zh.documents.script import record_function, record_script
from tinygrad_zh.documents.step_command import first_step
from tinygrad_zh.i18n import text

Capture = pytest.CaptureFixture[str]
ROOT = Path(tz.__file__).parents[1]

PROGRAM = """
import sys
from tempfile import gettempdir
import numpy as np
import tinygrad_zh as tz

def loss():
    x = tz.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.sum().backward()

def needs(x, *more, scale, name="x"):
    return x

def refuses():
    a, b = tz.tensor(np.ones((2, 3)), requires_grad=True), tz.tensor(np.ones((2, 3)))
    c = a * 2.0
    return c @ b

def calls():
    refuses()

print("arguments", sys.argv[1:])
if __name__ == "__main__":
    loss()
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def written(tmp_path: Path, *words: str, status: int = 0) -> dict[str, Any]:
    """The trace that `tinygrad-zh step … --json` writes."""
    out = tmp_path / "out.json"
    assert main(["--lang", "en", "step", words[0], "--json", str(out), *words[1:]]) == status
    data: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return data


def refused(capsys: Capture, *words: str) -> str:
    """The one sentence that a call that fails prints."""
    assert main(["--lang", "en", "step", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1
    return error


def phases(data: dict[str, Any]) -> list[str]:
    return [step["phase"] for step in data["steps"]]


# ---- what can be opened


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_opens(name: str, tmp_path: Path) -> None:
    if name == "s2":
        pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    data = written(tmp_path, name)
    assert {"forward", "seed", "backward"} <= set(phases(data))
    assert {"update", "assign"} & set(phases(data))
    assert data["meta"]["command"] == f"tinygrad-zh step {name}"


def test_a_program_is_run_and_recorded(program: Path, tmp_path: Path, capsys: Capture) -> None:
    data = written(tmp_path, str(program))
    assert [op["name"] for op in data["ops"]] == ["Mul", "Sum"]
    assert phases(data) == ["forward", "forward", "seed", "backward", "backward", "backward"]
    assert data["meta"]["title"] == "program.py"
    assert data["ops"][0]["where"][1:] == [9, "loss"]
    assert "arguments []" in capsys.readouterr().out


def test_a_function_is_called_and_the_rest_of_its_file_is_not_recorded(program: Path, tmp_path: Path) -> None:
    program.write_text(PROGRAM.replace("if __name__", "tz.tensor(1.0) + 1.0\nif __name__"), encoding="utf-8")
    data = written(tmp_path, f"{program}:loss")
    assert [op["name"] for op in data["ops"]] == ["Mul", "Sum"]
    assert data["meta"]["title"] == "program.py:loss"


@pytest.mark.parametrize("words", [["--", "--rows", "4"], ["--at", "1", "--", "--rows", "4"]])
def test_what_stands_behind_two_dashes_goes_to_the_program(
    program: Path, tmp_path: Path, capsys: Capture, words: list[str]
) -> None:
    written(tmp_path, str(program), *words)
    assert "arguments ['--rows', '4']" in capsys.readouterr().out


def test_two_dashes_are_no_argument_of_another_command(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--lang", "en", "summary", "s6", "--", "--rows", "4"])
    assert stopped.value.code == 2
    assert "unrecognized arguments" in capsys.readouterr().err


def test_the_process_is_afterwards_as_it_was_before(program: Path, tmp_path: Path) -> None:
    before = list(sys.argv), list(sys.path), sys.modules["__main__"], os.getcwd()
    program.write_text("import os, sys\nsys.argv.append('x')\nsys.path.append('/nowhere')\nos.chdir('..')\n" + PROGRAM,
                       encoding="utf-8")
    written(tmp_path, str(program))
    written(tmp_path, f"{program}:loss")
    assert (list(sys.argv), list(sys.path), sys.modules["__main__"], os.getcwd()) == before
    assert "__step__" not in sys.modules


def test_a_program_imports_what_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("import tinygrad_zh as tz\nx = tz.tensor(2.0, requires_grad=True)\n")
    (tmp_path / "program.py").write_text("from beside_it import x\n(x * x).backward()\n")
    assert [op["name"] for op in written(tmp_path, str(tmp_path / "program.py"))["ops"]] == ["Mul"]


def test_a_saved_trace_opens_again(program: Path, tmp_path: Path, capsys: Capture) -> None:
    first = written(tmp_path, str(program))
    trace = tmp_path / "trace.json"
    (tmp_path / "out.json").rename(trace)
    assert written(tmp_path, str(trace)) == first


def test_full_values_keep_every_bit(tmp_path: Path) -> None:
    (tmp_path / "third.py").write_text("import tinygrad_zh as tz\nx = tz.tensor(1 / 3, 'float64', requires_grad=True)\n"
                                       "(x * x).backward()\n")
    data = written(tmp_path, str(tmp_path / "third.py"), "--values", "full")
    assert 1 / 3 in [value for array in data["arrays"] for value in array["values"]]
    (tmp_path / "out.json").rename(tmp_path / "full.json")
    assert written(tmp_path, str(tmp_path / "full.json"), "--values", "full") == data


# ---- how a program can end


def test_an_error_is_where_the_trace_opens_and_its_last_line_is_said(
    program: Path, tmp_path: Path, capsys: Capture
) -> None:
    data = written(tmp_path, f"{program}:refuses", status=1)
    assert phases(data)[-1] == "error"
    assert data["steps"][-1]["name"].lower() == "matmul"
    error = capsys.readouterr().err
    assert f"{program}, line 18: ValueError: " in error and "(2, 3)" in error


def test_the_line_that_is_named_is_the_innermost_of_the_program(
    program: Path, tmp_path: Path, capsys: Capture
) -> None:
    written(tmp_path, f"{program}:calls", status=1)
    assert f"{program}, line 18: ValueError: " in capsys.readouterr().err


def test_a_program_whose_very_first_op_fails_opens_at_it(tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text("import numpy as np\nimport tinygrad_zh as tz\n"
                                       "tz.tensor(np.ones((2, 3))) @ tz.tensor(np.ones((2, 3)))\n")
    data = written(tmp_path, str(tmp_path / "first.py"), status=1)
    assert phases(data) == ["error"]
    assert "(2, 3)" in data["steps"][0]["message"]


def test_it_opens_at_an_error_only_if_the_program_ended_in_it(program: Path, tmp_path: Path, capsys: Capture) -> None:
    handled = "    try:\n        tz.tensor([1.0, 2.0]) + tz.tensor([1.0] * 3)\n    except ValueError:\n        loss()\n"
    program.write_text(PROGRAM + handled, encoding="utf-8")
    assert phases(written(tmp_path, str(program))).count("error") == 1
    assert first_step(tz.stepper.load(tmp_path / "out.json"), None) == 0
    assert capsys.readouterr().err == ""
    written(tmp_path, f"{program}:refuses", status=1)
    assert first_step(tz.stepper.load(tmp_path / "out.json"), None) == 1


def test_a_page_is_linked_at_the_step_asked_for(tmp_path: Path, capsys: Capture) -> None:
    page = tmp_path / "page.html"
    assert main(["--lang", "zh", "step", "s8", "--html", str(page), "--at", "-3"]) == 0
    assert f"{page.as_uri()}#step=6" in capsys.readouterr().out
    assert '<html lang="zh' in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(("code", "status"), [("", 0), ("0", 0), ("3", 1), ("'no data'", 1)])
def test_sys_exit_ends_the_program_and_not_the_command(
    program: Path, tmp_path: Path, capsys: Capture, code: str, status: int
) -> None:
    program.write_text(f"{PROGRAM}    sys.exit({code})\n", encoding="utf-8")
    assert len(written(tmp_path, str(program), status=status)["ops"]) == 2
    assert (f"sys.exit({code})" in capsys.readouterr().err) == bool(status)


def test_a_long_training_is_stopped(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "long.py").write_text("""
import tinygrad_zh as tz
x = tz.tensor(1.0, requires_grad=True)
optimizer = tz.optim.SGD([x], lr=0.1)
while True:
    try:
        optimizer.zero_grad()
        (x * x).backward()
        optimizer.step()
    except Exception:
        pass
""")
    data = written(tmp_path, str(tmp_path / "long.py"), "--steps", "50")
    assert 45 <= len(data["steps"]) <= 55
    assert "--steps N records more" in capsys.readouterr().err


def test_a_program_whose_values_are_large_is_stopped_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "MEMORY", 10_000)
    (tmp_path / "large.py").write_text("import numpy as np\nimport tinygrad_zh as tz\nx = tz.tensor(np.zeros(250))\n"
                                       "while True:\n    x = x + 1.0\n")
    recorded = record_script(tmp_path / "large.py")
    assert isinstance(recorded.ended, script.Enough) and str(recorded.ended) == "memory"
    assert len(recorded.trace) == 5


def test_an_error_at_the_last_step_is_still_said(tmp_path: Path) -> None:
    (tmp_path / "last.py").write_text("import tinygrad_zh as tz\nx = tz.tensor(1.0) + 1.0\n1 / 0\n")
    recorded = record_script(tmp_path / "last.py", steps=1)
    assert isinstance(recorded.ended, ZeroDivisionError)
    assert recorded.trace[-1].kind == "error"


def test_a_program_that_records_for_itself_is_seen_as_it_recorded(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import tinygrad_zh as tz\nx = tz.tensor(1.0, requires_grad=True) + 1.0\n"
                                     "with tz.stepper.record(title='mine') as trace:\n    (x * 3.0).sum()\n")
    assert written(tmp_path, str(tmp_path / "own.py"))["meta"]["title"] == "mine"


def test_ctrl_c_passes_on(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "slow.py").write_text("import tinygrad_zh as tz\ntz.tensor(1.0) + 1.0\nraise KeyboardInterrupt\n")
    out = tmp_path / "page.html"
    assert main(["--lang", "en", "step", str(tmp_path / "slow.py"), "--html", str(out)]) == 130
    assert not out.exists()
    assert text("cli.interrupted") in capsys.readouterr().err


@pytest.mark.parametrize(("words", "fixed"), [([], "null"), (["--lang", "zh"], '"zh"'), (["--lang", "en"], '"en"')])
def test_a_page_follows_its_reader_s_language_unless_one_was_asked_for(
    words: list[str], fixed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYGRAD_ZH_LANG", raising=False)
    saved: list[str | None] = []
    monkeypatch.setattr("tinygrad_zh.stepper.page.save", lambda path, documents, title, lang: saved.append(lang))
    assert main([*words, "step", "s8", "--html", str(tmp_path / "page.html")]) == 0
    assert json.dumps(saved) == f"[{fixed}]"


# ---- bad input: one sentence, and nothing written


def test_what_is_nothing_of_the_kind(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    for what in ("s99", str(tmp_path / "missing.py"), str(tmp_path / "missing.py:loss"), str(tmp_path / "notes.txt"),
                 str(tmp_path), "", ":", "s6:loss"):
        assert "neither a system (s1, " in refused(capsys, what)


@pytest.mark.parametrize(("source", "said"), [
    ("x = = 1\n", "line 1: invalid syntax"),
    ("if True:\nx = 1\n", "line 2: expected an indented block"),
    ("x = 1\x00\n", "null byte"),
    ("# -*- coding: nonsense -*-\n", "encoding"),
    ("x = '" + "é\n", "line 1: unterminated string"),
    ("(" * 5000, "too many nested parentheses"),
])
def test_what_is_no_python(capsys: Capture, tmp_path: Path, source: str, said: str) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(source, encoding="utf-8")
    error = refused(capsys, str(path))
    assert f"{path}, line " in error and said in error


def test_a_function_that_is_not_there(program: Path, capsys: Capture) -> None:
    error = refused(capsys, f"{program}:los")
    assert "has no function los" in error and error.rstrip().endswith("without arguments: loss, refuses, calls")


def test_a_function_that_needs_arguments(program: Path, capsys: Capture) -> None:
    assert "needs x, scale" in refused(capsys, f"{program}:needs")


def test_a_program_that_computes_nothing(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "nothing.py").write_text("print('hello')\n")
    error = refused(capsys, str(tmp_path / "nothing.py"))
    assert "No op of tinygrad_zh ran" in error and "FILE.py:function" in error


@pytest.mark.parametrize("function", ["", ":loss"])
def test_a_program_that_fails_before_it_computes(tmp_path: Path, capsys: Capture, function: str) -> None:
    path = tmp_path / "early.py"
    path.write_text("import tinygrad_zh as tz\nx = {}['key']\ndef loss(): return tz.tensor(1.0) + 1.0\n")
    error = refused(capsys, f"{path}{function}")
    assert error == f"error: {path}, line 2: KeyError: 'key'\n"


@pytest.mark.parametrize("option", ["--html", "--json"])
def test_an_output_that_cannot_be_written_is_said_before_the_program_runs(
    program: Path, tmp_path: Path, capsys: Capture, option: str
) -> None:
    for out in (tmp_path, tmp_path / "no" / "folder.out"):
        assert main(["--lang", "en", "step", str(program), option, str(out)]) == 1
        printed = capsys.readouterr()
        assert "cannot be written" in printed.err and "arguments" not in printed.out


@pytest.mark.parametrize(("content", "said"), [
    ("", "no trace of tinygrad_zh"),
    ("{}", "schema"),
    ("[" * 100_000, "no trace of tinygrad_zh"),
    ('{"schema": "tinygrad_zh.trace/2"}', "tinygrad_zh.trace/2"),
    ("\x00\x01", "no trace of tinygrad_zh"),
])
def test_json_that_is_no_trace(tmp_path: Path, capsys: Capture, content: str, said: str) -> None:
    path = tmp_path / "strange.json"
    path.write_text(content, encoding="utf-8")
    assert said in refused(capsys, str(path), "--html", str(tmp_path / "page.html"))
    assert not (tmp_path / "page.html").exists()


def test_digits_that_were_not_saved_cannot_be_shown(program: Path, tmp_path: Path, capsys: Capture) -> None:
    written(tmp_path, str(program))
    capsys.readouterr()
    assert "five digits" in refused(capsys, str(tmp_path / "out.json"), "--values", "full")


def test_a_saved_trace_that_is_not_there(capsys: Capture) -> None:
    assert "missing.json" in refused(capsys, "missing.json")


@pytest.mark.parametrize("words", [["--at", "1000"], ["--text", "1000"], ["--text", "-1000"]])
def test_a_step_that_the_trace_has_not(capsys: Capture, words: list[str]) -> None:
    assert "1000" in refused(capsys, "s8", *words)


def test_text_takes_a_number(capsys: Capture) -> None:
    assert "tinygrad-zh step s6 --text 30" in refused(capsys, "--text", "s6")


def test_steps_are_at_least_one(capsys: Capture) -> None:
    assert "≥ 1" in refused(capsys, "s6", "--steps", "0")


# ---- as text


@pytest.mark.parametrize("language", ["en", "zh"])
def test_without_a_terminal_it_is_a_list_of_the_steps(language: str, capsys: Capture) -> None:
    assert main(["--lang", language, "step", "s8"]) == 0
    listed = capsys.readouterr().out
    assert main(["--lang", language, "step", "s8", "--text"]) == 0
    assert capsys.readouterr().out == listed
    assert listed.count("\n") >= 9 and "MatMul" in listed


def test_one_step_in_full(capsys: Capture) -> None:
    assert main(["--lang", "en", "step", "s8", "--text", "3"]) == 0
    by_option = capsys.readouterr().out
    assert main(["--lang", "en", "step", "s8", "--at", "3"]) == 0
    assert capsys.readouterr().out == by_option != ""


def test_as_a_process(program: Path, tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-m", "tinygrad_zh", "--lang", "en", "step", f"{program}:refuses"],
                         capture_output=True, text=True, encoding="utf-8", stdin=subprocess.DEVNULL, cwd=ROOT,
                         env={**os.environ, "PYTHONIOENCODING": "utf-8"}, check=False)
    assert ran.returncode == 1
    assert "matmul" in ran.stdout.lower()
    assert ran.stderr.splitlines()[-1].startswith(f"{program}, line 18: ValueError: ")
    assert "Traceback" not in ran.stderr


def test_a_function_is_recorded_apart_from_its_import(program: Path) -> None:
    recorded = record_function(program, "loss")
    assert recorded.ended is None
    assert [line.kind for line in recorded.trace][:3] == ["forward", "forward", "seed"]
