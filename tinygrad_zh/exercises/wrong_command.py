"""`tinygrad-zh exercise wrong [N]`: a trace with one wrong backward step, and the verdict on an answer. 找错命令"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tinygrad_zh.exercises.planted import WRONG_GRADIENTS, wrong_gradient
from tinygrad_zh.exercises.wrong import WrongGradient
from tinygrad_zh.i18n import text, wrap

WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--html", type=Path, metavar="OUT.html", help=text("cli.exercise.html"))
    parser.add_argument("--text", nargs="?", type=int, const=-1, metavar="STEP", help=text("cli.exercise.text"))
    parser.add_argument("--step", type=int, metavar="STEP", help=text("cli.exercise.step"))


def run(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        print_list()
        return 0
    if not arguments.file.isdecimal():
        raise ValueError(text("exercise.wrong.number", last=len(WRONG_GRADIENTS), number=arguments.file))
    exercise = wrong_gradient(int(arguments.file))
    if arguments.html is not None:
        exercise.document.save_html(arguments.html)
    if arguments.step is not None:
        return _judge(exercise, arguments.step)
    if arguments.answer:
        print(text("exercise.wrong.answer", step=exercise.answer))
        _print(str(exercise.verdict(exercise.answer)).split("\n", 1)[1])
    elif arguments.text is not None:
        exercise.document.print(None if arguments.text < 0 else _step(exercise, arguments.text))
    elif arguments.html is None:
        _open(exercise)
    return 0


def print_list() -> None:
    """A line an exercise."""
    for exercise in WRONG_GRADIENTS:
        print(f"  wrong {exercise.number:<3} {exercise.title}")


def _open(exercise: WrongGradient) -> None:
    """In the terminal's stepper, and then the question, until it is answered; elsewhere as text."""
    if sys.stdin.isatty() and sys.stdout.isatty():
        exercise.document.show()
        _question(exercise)
        while (words := input(text("exercise.wrong.ask")).strip()) and _judge(exercise, words):
            pass
    else:
        exercise.document.print()
        print()
        _question(exercise)


def _question(exercise: WrongGradient) -> None:
    print(text("stepper.exercise.question") + "\n" + text("exercise.wrong.how", number=exercise.number))


def _judge(exercise: WrongGradient, step: int | str) -> int:
    """Print the verdict on a step; 0 if it is the wrong one."""
    verdict = exercise.verdict(_step(exercise, step))
    _print(str(verdict))
    return 0 if verdict else 1


def _print(words: str) -> None:
    for line in words.splitlines():
        print("\n".join(wrap(line, WIDTH)))


def _step(exercise: WrongGradient, step: int | str) -> int:
    last = len(exercise.document.steps) - 1
    if str(step).isdecimal() and int(step) <= last:
        return int(step)
    raise ValueError(text("exercise.wrong.step", last=last, step=step))
