"""kernels/README.md: its example is right, its names and numbers are the package's."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh_kernels as library
from tinygrad_zh import cli
from tinygrad_zh.i18n import in_language

README = Path(library.__file__).parents[1] / "README.md"
TEXT = README.read_text(encoding="utf-8")
CHINESE, ENGLISH = TEXT.split("## English")
NUMBERS = {"nine": 9, "九": 9}


@pytest.fixture
def mine(tmp_path):
    (code,) = re.findall(r"```python\n# mine\.py\n(.*?)```", ENGLISH, re.DOTALL)
    path = tmp_path / "mine.py"
    path.write_text(code, encoding="utf-8")
    yield path
    library.get("softmax.forward").own.pop("mine", None)


def test_the_example_is_the_same_in_both_languages_and_right(mine, capsys):
    assert mine.read_text(encoding="utf-8") in CHINESE
    with in_language("en"), np.errstate(all="ignore"):
        assert cli.main(["kernels", "check", "--file", str(mine)]) == 0
    assert "right: 1 · wrong: 0" in capsys.readouterr().out


def test_the_bodies_of_softmax_are_as_many_as_it_says():
    count = len(library.bodies(library.get("softmax.forward")))
    said = [*re.findall(r"one formula, (\w+) bodies", ENGLISH), *re.findall(r"一个公式，(.)种写法", CHINESE)]
    assert [NUMBERS[word] for word in said] == [count, count]


def test_the_ladders_that_it_names_are_there():
    for half in (CHINESE, ENGLISH):
        rungs = re.findall(r"`(cuda-c[\w-]*)`", half)
        assert len(rungs) >= 4 and set(rungs) <= library.bodies(library.get("softmax.forward")).keys()


def test_its_commands_and_links_exist():
    commands = re.findall(r"tinygrad-zh kernels (\w+)", TEXT)
    assert {"list", "show", "run", "check", "time"} <= set(commands)
    for link in re.findall(r"\]\(([^#)]+)\)", TEXT):
        assert (README.parent / link).exists(), link


def test_both_languages_have_the_same_sections():
    shape = [re.findall(r"^(#{3}|\||```\w*|- )", half, re.MULTILINE) for half in (CHINESE, ENGLISH)]
    assert shape[0] == shape[1]
