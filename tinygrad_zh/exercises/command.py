"""`tinygrad-zh exercise`: the exercises, their files, hints and answers, and the verdict on an answer. 练习命令"""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import indent

from tinygrad_zh.exercises import missing_backward, wrong_command
from tinygrad_zh.exercises.answer_file import checked_file, written
from tinygrad_zh.exercises.exercise import EXERCISES, HINTS, Exercise
from tinygrad_zh.i18n import display_width, pad, text, wrap

FOLDER = Path("tinygrad-zh-exercises")
WIDTH = 80


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help=text("cli.exercise.name"))
    parser.add_argument("file", nargs="?", metavar="FILE.py|N", help=text("cli.exercise.file"))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help=text("cli.exercise.out"))
    parser.add_argument("--hint", type=int, nargs="?", const=1, metavar=f"1–{HINTS}", help=text("cli.exercise.hint"))
    parser.add_argument("--answer", action="store_true", help=text("cli.exercise.answer"))
    wrong_command.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        _list(arguments.out or FOLDER)
        return 0
    if arguments.name == "wrong":
        return wrong_command.run(arguments)
    exercise = missing_backward(arguments.name)
    status = 0
    if arguments.out is not None:
        path = written(exercise, arguments.out)
        print(text("exercise.written", path=path, name=exercise.name))
    elif arguments.file is not None:
        result = checked_file(exercise, arguments.file)
        print(result)
        status = 0 if result else 1
    elif arguments.hint is None and not arguments.answer:
        print(f"{exercise}\n\n{text('exercise.how', name=exercise.name, folder=FOLDER)}")
    if arguments.hint is not None:
        _hint(exercise, arguments.hint)
    if arguments.answer:
        _answer(exercise)
    return status


def _list(folder: Path) -> None:
    """Every exercise, and how the file in the folder stands."""
    widest = max(map(len, EXERCISES))
    titles = max(display_width(exercise.title) for exercise in EXERCISES.values())
    done = 0
    print(text("exercise.list.backward"))
    for exercise in EXERCISES.values():
        file = folder / f"{exercise.name}.py"
        result = checked_file(exercise, str(file)) if file.exists() else None
        done += bool(result)
        mark = result.mark if result is not None else "○"
        print(f"  {mark} {pad(exercise.name, widest)}  {pad(exercise.title, titles)}  {exercise.formula}")
    print(text("exercise.list.progress", done=done, all=len(EXERCISES), folder=folder))
    print("\n" + text("exercise.list.wrong"))
    wrong_command.print_list()
    print("\n" + text("exercise.list.more"))


def _hint(exercise: Exercise, number: int) -> None:
    _print_wrapped(text("exercise.hint", number=number, hints=HINTS, words=exercise.hint(number)))
    if number < HINTS:
        print(text("exercise.hint.next", name=exercise.name, number=number + 1))


def _answer(exercise: Exercise) -> None:
    print(f"{exercise.name}  {exercise.title}\n\n    {exercise.formula}\n")
    print(indent(exercise.source(exercise.answer), "    ") + "\n")
    _print_wrapped(exercise.derivation)


def _print_wrapped(words: str) -> None:
    for line in wrap(words, WIDTH):
        print(line)
