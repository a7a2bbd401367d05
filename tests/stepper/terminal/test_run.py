"""Opening the stepper with and without Textual, and stepping by question and answer."""

from __future__ import annotations

import asyncio
import builtins
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stepper.handmade import document, square
from tinygrad_zh.i18n import in_language
from tinygrad_zh.stepper import Document
from tinygrad_zh.stepper.terminal import run
from tinygrad_zh.stepper.terminal.prompt import ask


def answers(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    """Type these, then end the input."""
    typed: Iterator[str] = iter(words)

    def reply(prompt: str = "") -> str:
        print(prompt, end="")
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr(builtins, "input", reply)


def headers(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The first line of each step that was printed."""
    return [line.split("step ")[1].split("/")[0] for line in capsys.readouterr().out.splitlines() if "  cpu" in line]


def test_without_textual_it_says_how_to_install_it_and_asks(monkeypatch, capsys):
    for name in [name for name in sys.modules if name.partition(".")[0] == "textual" or name.endswith("terminal.app")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "textual", None)
    answers(monkeypatch, "q")
    with in_language("en"):
        run(Document(square()), 3)
    captured = capsys.readouterr()
    assert 'pip install "tinygrad-zh[ui]"' in captured.err
    assert "step 3/11" in captured.out


def test_another_missing_module_is_not_hidden(monkeypatch):
    pytest.importorskip("textual", reason="Textual is not installed (the extra ui)")
    monkeypatch.delitem(sys.modules, "tinygrad_zh.stepper.terminal.app", raising=False)
    monkeypatch.setitem(sys.modules, "tinygrad_zh.stepper.terminal.scrubber", None)
    with pytest.raises(ModuleNotFoundError, match="scrubber"):
        run(Document(square()))


def test_in_a_notebook_it_says_what_to_do_instead():
    async def cell():
        run(Document(square()))

    with pytest.raises(RuntimeError, match="make the trace the last value of a cell"):
        asyncio.run(cell())


def test_with_textual_the_screen_opens_at_the_step(monkeypatch):
    pytest.importorskip("textual", reason="Textual is not installed (the extra ui)")
    from tinygrad_zh.stepper.terminal.app import Stepper

    seen: list[Any] = []
    monkeypatch.setattr(Stepper, "run", lambda app: seen.append((app.index, app.code)))
    with in_language("zh"):
        run(Document(square()), 7)
    assert seen == [(7, "zh")]


def test_nothing_recorded(capsys):
    with in_language("en"):
        run(Document(document()))
    assert "nothing to step through" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "steps"),
    [
        (["", "", "p"], ["0", "1", "2", "1"]),
        (["]", "]", "[", "n"], ["0", "3", "4", "3", "4"]),
        (["a", "w", "7", "99"], ["0", "8", "8", "7", "11"]),
        (["/sum_to", "/nothing"], ["0", "5", "5"]),
        (["x", "what?"], ["0", "0", "0"]),
        (["q", ""], ["0"]),
    ],
)
def test_answers_lead_to_steps(monkeypatch, capsys, typed, steps):
    answers(monkeypatch, *typed)
    with in_language("en"):
        ask(square())
    assert headers(capsys) == steps


def test_the_language_changes_between_two_questions(monkeypatch, capsys):
    answers(monkeypatch, "L", "L")
    with in_language("en"):
        ask(square(), 8)
    printed = capsys.readouterr().out
    assert printed.index("gradients add") < printed.index("梯度相加") < printed.rindex("gradients add")


def test_a_question_mark_lists_the_steps(monkeypatch, capsys):
    answers(monkeypatch, "?")
    with in_language("en"):
        ask(square())
    assert "11  update    w ← SGD(w)" in capsys.readouterr().out
