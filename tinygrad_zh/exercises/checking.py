"""Is an answer right? It is run once, to see that it can be compared, and then compared with measured slopes. 批改"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh.check import gradcheck
from tinygrad_zh.core.random import philox
from tinygrad_zh.exercises.exercise import Array, Exercise
from tinygrad_zh.exercises.mistakes import MISTAKES
from tinygrad_zh.exercises.result import UNWRITTEN, Result

Backward = Callable[..., Any]


class AnswerError(Exception):
    """An answer that cannot be compared, and why: a text of the catalogue, and what fills it."""

    def __init__(self, key: str, **values: Any):
        super().__init__(key)
        self.key = key
        self.values = values


def checked(exercise: Exercise, backward: Any) -> Result:
    """What is to be said about an answer; of what it raises, only KeyboardInterrupt comes out. 中文：批改。"""
    try:
        with np.errstate(all="ignore"):
            gradients(exercise, backward, sample(exercise))
            report = gradcheck(_function(exercise), *_moving(exercise).values(), grad=_claim(exercise, backward))
            return Result(exercise, report, mistake=0 if report else known_mistake(exercise, backward))
    except AnswerError as error:
        return Result(exercise, None, error.key, error.values)
    except (Exception, SystemExit) as error:
        return Result(exercise, None, "exercise.answer.raised", _raised(error, exercise, backward))


def known_mistake(exercise: Exercise, backward: Backward) -> int:
    """Which of the mistakes that are often made it is, counted from 1; 0 for none of them."""
    claimed = gradients(exercise, backward, sample(exercise))
    for number, mistake in enumerate(MISTAKES.get(exercise.name, ()), 1):
        wrong = gradients(exercise, mistake, sample(exercise))
        if all(a.shape == b.shape and np.allclose(a, b, 1e-9) for a, b in zip(claimed, wrong, strict=True)):
            return number
    return 0


def sample(exercise: Exercise) -> dict[str, Array]:
    """{name: array}: copies of the inputs, the outputs, and some upstream gradient."""
    values = exercise.values({name: value.copy() for name, value in exercise.inputs.items()})
    return {"dy": philox(0).normal(size=np.shape(values[exercise.outputs[0]]))} | values


def gradients(exercise: Exercise, backward: Backward, values: dict[str, Array]) -> tuple[Array, ...]:
    """What a backward returns for these values, one array for each input that is asked about."""
    wanted = _asked_for(exercise, backward)
    named = {p.name: values[p.name] for p in wanted if p.kind == p.KEYWORD_ONLY}
    result = backward(*[values[p.name] for p in wanted if p.kind != p.KEYWORD_ONLY], **named)
    if result is None:
        raise AnswerError(UNWRITTEN)
    several = result if isinstance(result, (tuple, list)) and len(exercise.asked) > 1 else [result]
    if len(several) != len(exercise.asked):
        raise AnswerError("exercise.answer.count", wanted=len(exercise.asked), given=len(several))
    return tuple(_array(name, gradient) for name, gradient in zip(exercise.asked, several, strict=True))


def _asked_for(exercise: Exercise, backward: Any) -> list[inspect.Parameter]:
    """The parameters of a backward, each of which names a value. Raises AnswerError for one that names none."""
    if not callable(backward):
        raise AnswerError("exercise.answer.no_function", kind=type(backward).__name__)
    try:
        parameters = inspect.signature(backward).parameters.values()
    except (TypeError, ValueError):  # as many functions that are not written in Python
        raise AnswerError("exercise.answer.no_function", kind=type(backward).__name__) from None
    wanted = [p for p in parameters if p.default is p.empty]
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    unknown = [str(p) for p in wanted if p.name not in exercise.available or p.kind in many]
    if unknown:
        raise AnswerError("exercise.answer.parameters", unknown=", ".join(unknown), names=", ".join(exercise.available))
    return wanted


def _array(name: str, gradient: Any) -> Array:
    try:
        array = np.asarray(gradient)
    except Exception:  # lists of unequal lengths, and whatever an object says of becoming an array
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise AnswerError("exercise.answer.no_numbers", name=name, kind=type(gradient).__name__)
    return array.astype(float) if array.dtype.kind == "b" else array


def _raised(error: BaseException, exercise: Exercise, backward: Any) -> dict[str, Any]:
    """What an answer raised, in which line of its file, and the shapes, which are mostly what is wrong."""
    file = getattr(getattr(backward, "__code__", None), "co_filename", "")
    return {"kind": type(error).__name__, "message": str(error) or "–", "line": line_in(file, error),
            "shapes": exercise.shapes}


def line_in(file: str, error: BaseException) -> int | str:
    """The last line of this file that the error came through, "–" if there is none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return (lines or [None])[-1] or "–"


# ---- as gradcheck sees an exercise


def _moving(exercise: Exercise) -> dict[str, Array]:
    """The inputs that are asked about, and the integers, which are repeated at a special point."""
    return {name: value for name, value in exercise.inputs.items() if name in exercise.asked or value.dtype.kind != "f"}


def _function(exercise: Exercise) -> Callable[..., Array]:
    """The output as a function of those, never a single number: for that gradcheck would hand no upstream gradient."""
    names = list(_moving(exercise))

    def function(*moved: Array) -> Array:
        inputs = exercise.inputs | dict(zip(names, moved, strict=True))
        return np.atleast_1d(exercise.values(inputs)[exercise.outputs[0]])

    function.__name__ = exercise.name
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    return function


def _claim(exercise: Exercise, backward: Backward) -> Callable[..., tuple[Array, ...]]:
    """The answer, called as gradcheck calls a gradient."""
    names = list(_moving(exercise))

    def claim(dy: Array, *moved: Array) -> tuple[Array, ...]:
        values = exercise.values(exercise.inputs | dict(zip(names, moved, strict=True)))
        single = np.ndim(values[exercise.outputs[0]]) == 0
        return gradients(exercise, backward, {"dy": dy[0] if single else dy} | values)

    return claim
