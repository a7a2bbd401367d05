"""`tinygrad-zh train --watch`: any system that fit trains, with a page, with a file, and never waiting in a script."""

from __future__ import annotations

import io
import re

import pytest

from tests.stepper.live.web import get
from tinygrad_zh.cli import main
from tinygrad_zh.documents import train_command


class Terminal(io.StringIO):
    """A terminal at which someone looks at the page before pressing Enter, or Ctrl-C."""

    def __init__(self, end=None):
        super().__init__()
        self.end, self.page = end, ""

    def isatty(self):
        return True

    def input(self):
        self.page = get(re.search(r"http://\S+", self.getvalue())[0])[1]
        if self.end is not None:
            raise self.end
        return ""


def terminal(monkeypatch, end=None):
    screen = Terminal(end)
    monkeypatch.setattr("sys.stdin", screen)
    monkeypatch.setattr("sys.stdout", screen)
    monkeypatch.setattr(train_command, "input", screen.input, raising=False)
    return screen


def test_the_address_is_printed_and_a_script_does_not_wait(capsys):
    assert main(["train", "s7", "--epochs", "1", "--watch", "--lang", "en"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Watch the training at http://127\.0\.0\.1:\d+/[\w-]+/", out) and "Enter" not in out


def test_the_file_alone_serves_nothing(capsys, tmp_path):
    assert main(["train", "s7", "--epochs", "1", "--watch-html", str(tmp_path / "s7.html"), "--lang", "zh"]) == 0
    assert "http://" not in capsys.readouterr().out
    page = (tmp_path / "s7.html").read_text("utf-8")
    assert "<title>S7</title>" in page


@pytest.mark.parametrize("end", [None, KeyboardInterrupt(), EOFError()])
def test_on_a_terminal_the_page_stays_until_its_reader_has_seen_it(monkeypatch, end):
    screen = terminal(monkeypatch, end)
    assert main(["train", "s7", "--epochs", "1", "--watch", "--lang", "en"]) == 0
    assert "until you press Enter" in screen.getvalue() and "<title>S7</title>" in screen.page


def test_a_terminal_without_a_page_does_not_wait(monkeypatch, tmp_path):
    screen = terminal(monkeypatch)
    assert main(["train", "s7", "--epochs", "1", "--watch-html", str(tmp_path / "s7.html")]) == 0
    assert screen.page == ""


def test_a_system_of_several_trainings_has_a_file_for_each(tmp_path, capsys):
    assert main(["train", "s5", "--epochs", "1", "--watch-html", str(tmp_path / "s5.html")]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s5-2.html", "s5-3.html", "s5.html"]


def test_a_system_that_fit_does_not_train_says_so(capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_zh.documents.s6.SEEDS", 1)
    assert main(["train", "s6", "--epochs", "1", "--watch", "--lang", "en"]) == 0
    assert "There was nothing to watch: S6 is not trained by fit." in capsys.readouterr().out


def test_the_figures_are_those_of_an_unwatched_run(capsys, tmp_path):
    command = ["train", "s7", "--epochs", "2", "--lang", "en"]
    main(command)
    unwatched = capsys.readouterr().out
    main([*command, "--watch-html", str(tmp_path / "s7.html")])
    timeless = [re.sub(r"\([\d.]+ s\)", "", out) for out in (unwatched, capsys.readouterr().out)]
    assert timeless[0] == timeless[1]


def test_a_file_that_cannot_be_written_is_said_before_the_training(tmp_path, capsys):
    assert main(["train", "s7", "--watch-html", str(tmp_path / "nowhere" / "out.html"), "--lang", "en"]) == 1
    captured = capsys.readouterr()
    assert "nowhere" in captured.err and "epoch 1" not in captured.out
