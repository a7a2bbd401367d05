"""`tinygrad-zh check`: its subcommands, their help, and a wrong name."""

from __future__ import annotations

import re

import pytest

from tinygrad_zh import cli
from tinygrad_zh.check.command import SUBCOMMANDS
from tinygrad_zh.i18n import catalogue

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_has_help_in_both_languages(name, language, capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--lang", language, "check", name, "--help"])
    said = capsys.readouterr().out
    assert stopped.value.code == 0
    assert catalogue()[f"cli.check.{name}.help"][language][:20] in said
    assert bool(CHINESE.search(said)) == (language == "zh")


def test_without_a_subcommand_it_shows_the_help_and_is_2(capsys):
    assert cli.main(["--lang", "en", "check"]) == 2
    said = capsys.readouterr().err
    assert all(re.search(rf"^ +{name} ", said, re.M) for name in SUBCOMMANDS)


def test_the_examples_name_subcommands():
    for language in ("zh", "en"):
        named = re.findall(r"tinygrad-zh check (\w+)", catalogue()["cli.check.examples"][language])
        assert set(named) <= SUBCOMMANDS.keys() and named


def test_a_wrong_name_is_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--lang", "en", "check", "dance"])
    assert stopped.value.code == 2
    assert "invalid choice: 'dance'" in capsys.readouterr().err
