"""Stepping with nothing but print() and input(): a step, then a question; the keys are the same. 问答式"""

from __future__ import annotations

from typing import Any

from tinygrad_zh.i18n import in_language, language, text
from tinygrad_zh.stepper.navigation import MOVES, find_next, keys
from tinygrad_zh.stepper.text import listing, step_text

Data = dict[str, Any]

OTHER = {"zh": "English", "en": "中文"}
"""The language to change to, by its own name."""

ACTIONS = {key: row["action"] for row in keys() for key in row["keys"]}


def ask(data: Data, index: int = 0) -> None:
    """Print a step and ask where to go, until "q" or the end of the input."""
    code: str = language()
    while True:
        with in_language(code):
            print(f"\n{step_text(data, index)}\n")
            try:
                answer = input(text("stepper.prompt", other=OTHER[code])).strip()
            except EOFError:
                return
            action = ACTIONS.get(answer)
            if action == "quit":
                return
            if action == "language":
                code = "en" if code == "zh" else "zh"
            elif answer == "?":
                print(listing(data))
            else:
                index = _moved(data, index, answer)


def _moved(data: Data, index: int, answer: str) -> int:
    """Where an answer leads: a number, "/words", a key of the table, or nothing for the next step."""
    if answer.isdecimal():
        return min(int(answer), len(data["steps"]) - 1)
    if answer.startswith("/"):
        found = find_next(data, answer[1:], index)
    else:
        move = MOVES.get(ACTIONS.get(answer, "next" if not answer else ""))
        if move is None:
            print(text("stepper.unknown", answer=answer))
            return index
        found = move(data, index)
    if found is None:
        print(text("stepper.none.here"))
        return index
    return found
