"""`tinygrad-zh train --compile`: how the steps of a system are taken, and that the command says so if asked."""

from __future__ import annotations

import pytest

from tinygrad_zh.cli import main


def printed(capsys, *options):
    assert main(["--lang", "en", "train", "s7", "--epochs", "2", *options]) == 0
    out, _, told = capsys.readouterr().out.partition("\nTraining steps: ")
    return [line.partition("  (")[0] for line in out.splitlines()], told.strip()


def test_the_numbers_are_those_of_the_steps_as_written_to_the_bit(capsys):
    plain, silent = printed(capsys)
    assert not silent
    off, told = printed(capsys, "--compile", "off")
    assert told == "as written: compile=False"
    auto, told = printed(capsys, "--compile", "auto")
    assert told == "as written: 64 steps are too few to pay for more"
    replayed, told = printed(capsys, "--compile", "on", "--kernels", "formulas")
    assert told == "replayed by the formulas, as asked"
    assert plain == off == auto == replayed


@pytest.mark.slow  # it compiles
def test_compiled(capsys):
    pytest.importorskip("numba")
    _, told = printed(capsys, "--compile", "on")
    assert told == "compiled, as asked"


def test_another_word_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--compile", "always"])
    assert "always" in capsys.readouterr().err
