from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

import pytest

import tinygrad_zh.cli
from tinygrad_zh import cli
from tinygrad_zh._version import __version__
from tinygrad_zh.i18n import language, text

ROOT = Path(tinygrad_zh.cli.__file__).parents[1]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def english_terminal(monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_LANG", "en")
    monkeypatch.delenv("TINYGRAD_ZH_TRACEBACK", raising=False)


@pytest.fixture
def command(monkeypatch):
    """Make `tinygrad-zh doctor` run what the test gives; `doctor` lends its name and its help."""

    def make(run, add_arguments=lambda parser: None):
        module = ModuleType("a_command")
        module.run, module.add_arguments = run, add_arguments
        monkeypatch.setitem(sys.modules, "a_command", module)
        monkeypatch.setitem(cli.COMMANDS, "doctor", "a_command")

    return make


def python(*words, **options):
    """A fresh interpreter that imports this checkout."""
    return subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        check=False,
        **options,
    )


def raises(error):
    def run(arguments):
        raise error

    return run


def test_arguments_reach_the_command_and_its_status_comes_back(command):
    given = []

    def run(arguments):
        given.append(arguments)
        return 7

    command(run, lambda parser: parser.add_argument("--epochs", type=int))
    assert cli.main(["doctor", "--epochs", "3"]) == 7
    assert given[0].epochs == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["doctor"], "en"),
        (["--lang", "zh", "doctor"], "zh"),
        (["--lang=zh", "doctor"], "zh"),
        (["doctor", "--lang", "zh"], "zh"),
        (["doctor", "--lang=zh"], "zh"),
        (["--lang", "en", "doctor"], "en"),
    ],
)
def test_lang_is_heard_before_and_after_the_command(command, words, expected):
    spoken = []
    command(lambda arguments: spoken.append(language()) or 0)
    assert cli.main(words) == 0
    assert spoken == [expected]
    assert language() == "en", "the choice ends with the run"


def test_the_lang_of_the_outer_command_is_not_overwritten(command):
    given = []
    command(lambda arguments: given.append(arguments.lang) or 0)
    cli.main(["--lang", "zh", "doctor"])
    assert given == ["zh"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lang", "fr", "doctor"], "invalid choice: 'fr'"),
        (["--lang"], "expected one argument"),
        (["dance"], "invalid choice: 'dance'"),
        (["doctor", "--jso"], "unrecognized arguments: --jso"),
        (["--lang", "zh", "dance"], "tinygrad-zh：错误：参数 命令：无效的选择：'dance'"),
        (["doctor", "--lang", "zh", "--jso"], "无法识别的参数：--jso"),
    ],
)
def test_wrong_usage_is_2(capsys, words, said):
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == cli.USAGE
    assert said in capsys.readouterr().err


def test_no_command_shows_the_help_and_is_2(capsys):
    assert cli.main([]) == cli.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    assert all(name in err for name in cli.COMMANDS)


@pytest.mark.parametrize("code", ["zh", "en"])
def test_help_in_both_languages(capsys, code):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--lang", code, "--help"])
    assert stopped.value.code == cli.OK
    said = capsys.readouterr().out
    assert "tinygrad-zh train" in said
    for name in cli.COMMANDS:
        assert re.search(rf"^ +{name} ", said, re.MULTILINE)
    assert bool(CHINESE.search(said)) == (code == "zh")


@pytest.mark.parametrize("code", ["zh", "en"])
@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help_with_examples(capsys, name, code):
    with pytest.raises(SystemExit) as stopped:
        cli.main([name, "--help", "--lang", code])
    assert stopped.value.code == cli.OK
    said = capsys.readouterr().out
    assert "--lang {zh,en}" in said
    assert f"  tinygrad-zh {name}" in said.replace("--lang zh ", "").replace("--lang en ", "")
    assert bool(CHINESE.search(re.sub('".*?"', "", said))) == (code == "zh")  # in quotes: what one may ask


def test_version(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == cli.OK
    assert capsys.readouterr().out == f"tinygrad-zh {__version__}\n"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("batch_size is 0;\n  use at least 1"), "error: batch_size is 0; use at least 1"),
        (FileNotFoundError(2, "No such file", "a.csv"), "error: No such file: a.csv"),
        (ConnectionError("could not download x"), "error: could not download x"),
        (ImportError("drawing needs matplotlib"), "error: drawing needs matplotlib"),
        (ValueError(), "error: ValueError"),
    ],
)
def test_an_expected_error_is_one_sentence(command, capsys, error, sentence):
    command(raises(error))
    assert cli.main(["doctor"]) == cli.FAILED
    assert capsys.readouterr() == ("", sentence + "\n")


def test_the_traceback_can_be_asked_for(command, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_TRACEBACK", "1")
    command(raises(ValueError("x")))
    with pytest.raises(ValueError, match="x"):
        cli.main(["doctor"])


@pytest.mark.parametrize("error", [TypeError("x"), KeyError("x"), RuntimeError("x"), AssertionError("x")])
def test_a_bug_keeps_its_traceback(command, error):
    command(raises(error))
    with pytest.raises(type(error)):
        cli.main(["doctor"])


def test_ctrl_c_is_one_line_and_130(command, capsys):
    command(raises(KeyboardInterrupt()))
    assert cli.main(["doctor"]) == cli.INTERRUPTED
    assert capsys.readouterr() == ("", "\n" + text("cli.interrupted") + "\n")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_closed_pipe_is_quiet(unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tinygrad_zh", "doctor"],
            stdout=writing,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            check=False,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (cli.PIPE_CLOSED, b"")


def test_a_terminal_without_chinese_gets_question_marks():
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = python("-m", "tinygrad_zh", "--lang", "zh", "--help", env=ascii_only)
    assert (done.returncode, done.stderr) == (cli.OK, "")
    assert "tinygrad-zh train" in done.stdout
    assert "???" in done.stdout


def test_output_may_be_no_file(command):
    command(lambda arguments: print("损失") or 0)
    output = io.StringIO()
    with redirect_stdout(output):
        assert cli.main(["doctor"]) == cli.OK
    assert output.getvalue() == "损失\n"


def test_only_the_command_that_runs_is_imported():
    program = (
        "import sys; from tinygrad_zh import cli; cli.main(sys.argv[1:]);"
        "print(sorted(set(sys.modules) & set(cli.COMMANDS.values())))"
    )
    assert python("-c", program).stdout == "[]\n"
    assert python("-c", program, "doctor").stdout.splitlines()[-1] == "['tinygrad_zh.doctor']"
