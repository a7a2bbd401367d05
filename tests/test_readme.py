"""The READMEs: the same in both languages; their commands exist, their code runs, their tables are measured."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import readme as tables
from tinygrad_zh.check.zoo import BUGS, KINDS
from tinygrad_zh.cli import main

ROOT = Path(__file__).resolve().parents[1]
READMES = {"en": ROOT / "README.md", "zh": ROOT / "README.zh.md"}


def text(language: str) -> str:
    return READMES[language].read_text(encoding="utf-8")


def blocks(language: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text(language), re.DOTALL)


def without_comments(code: str) -> list[str]:
    return [line.split("  #")[0] for line in code.splitlines()]


def test_both_have_the_same_sections_commands_code_links_and_tables() -> None:
    en, zh = text("en"), text("zh")
    assert [len(m) for m in re.findall(r"^#+", en, re.M)] == [len(m) for m in re.findall(r"^#+", zh, re.M)]
    assert blocks("en", "sh") == blocks("zh", "sh")
    assert list(map(without_comments, blocks("en", "python"))) == list(map(without_comments, blocks("zh", "python")))
    assert re.findall(r"<!--.*?-->", en) == re.findall(r"<!--.*?-->", zh)
    assert en.count("\n|") == zh.count("\n|")
    commands = [set(re.findall(r"`(tinygrad-zh [^`]+|python [^`]+)`", readme)) for readme in (en, zh)]
    assert commands[0] == commands[1]


def test_the_first_two_shell_lines_train_and_test() -> None:
    first, second = blocks("en", "sh")[0].splitlines()
    assert first.startswith("python3 -m venv .venv && ") and first.endswith("tinygrad-zh train")
    assert second.endswith("python -m pytest")


@pytest.mark.parametrize("language", READMES)
def test_it_says_that_it_is_not_tinygrad_and_its_files_exist(language: str) -> None:
    readme = text(language)
    assert {"en": "not the tinygrad project", "zh": "与 tinygrad 项目无关"}[language] in readme
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("language", READMES)
def test_the_measured_tables_are_those_of_the_result_files(language: str) -> None:
    assert text(language) == tables.filled(text(language), language)
    assert text(language).count("<!-- table:") == len(tables.TABLES)


@pytest.mark.parametrize("language", READMES)
def test_it_counts_the_zoo_as_it_is(language: str) -> None:
    counts = (len(BUGS), len(KINDS), sum(bool(bug.threads) for bug in BUGS))
    words = {"en": "holds {} broken backwards in {} kinds; {} of them",
             "zh": "里有 {1} 类共 {0} 个写错的反向传播，其中 {2} 个"}
    assert words[language].format(*counts) in text(language)


def test_every_command_of_the_table_is_understood(capsys: pytest.CaptureFixture[str]) -> None:
    for command in re.findall(r"^\| `tinygrad-zh ([^`]+)`", text("en"), re.M):
        name = shlex.split(command)[0]
        with pytest.raises(SystemExit) as stop:
            main([name, "--help"])
        assert stop.value.code == 0
        help_ = capsys.readouterr().out
        for option in re.findall(r"--\w+", command):
            assert option in help_, command


@pytest.mark.slow
def test_the_code_runs_and_prints_what_its_comments_say(tmp_path: Path) -> None:
    code = "\n".join(blocks("en", "python"))
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120,
                         env={"PYTHONPATH": f"{ROOT}:{ROOT / 'kernels'}", "PYTHONIOENCODING": "utf-8", "PATH": ""})
    assert run.returncode == 0, run.stderr
    assert "[0.25  0.105]" in run.stdout
    assert "tensor([[ 6.,  0.],\n        [ 0., 12.]])" in run.stdout
    assert re.search(r"x +\[1\] = 2 +11 +12 ", run.stdout)
    assert (tmp_path / "digits.safetensors").exists()
