"""The file in which a learner writes an answer: made once, never overwritten, run to be checked. 答案文件"""

from __future__ import annotations

from pathlib import Path

from tinygrad_zh.check.experiments.file import module_of
from tinygrad_zh.exercises.checking import checked, line_in
from tinygrad_zh.exercises.exercise import Exercise
from tinygrad_zh.exercises.result import Result
from tinygrad_zh.i18n import text, wrap

WIDTH = 100


def written(exercise: Exercise, folder: Path) -> Path:
    """Write folder/<name>.py, in which backward is missing. Raises FileExistsError rather than overwrite an answer."""
    path = folder / f"{exercise.name}.py"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(template(exercise, path))
    except FileExistsError:
        raise FileExistsError(text("exercise.exists", path=path)) from None
    return path


def template(exercise: Exercise, path: Path) -> str:
    """The file: the exercise, forward, and a backward that returns nothing yet."""
    question = "\n".join(line for part in exercise.question.splitlines() for line in wrap(part, WIDTH))
    how = text("exercise.file.check", name=exercise.name, path=path.as_posix())
    return (
        f'"""{exercise.title}: {exercise.formula}\n\n{question}\n\n{how}\n"""\n\n'
        f"import numpy as np\n\n\n{exercise.source(exercise.forward)}\n\n\n"
        f"def backward({', '.join(exercise.available)}):\n    ...\n"
    )


def checked_file(exercise: Exercise, file: str) -> Result:
    """What is to be said about the backward in a file. Raises OSError where the file cannot be read."""
    try:
        module = module_of(file)
    except OSError:
        raise
    except SyntaxError as error:
        return Result(exercise, None, "exercise.file.syntax", {"line": error.lineno or "–", "message": error.msg})
    except (Exception, SystemExit) as error:
        values = {"kind": type(error).__name__, "message": str(error) or "–",
                  "line": line_in(str(Path(file).resolve()), error)}
        return Result(exercise, None, "exercise.file.raised", values)
    if not hasattr(module, "backward"):
        return Result(exercise, None, "exercise.file.no_backward")
    return checked(exercise, module.backward)
