"""Is an answer right? It is run once, to see that it can be compared, and then compared with measured slopes. 批改"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh.check import Report, gradcheck
from tinygrad_zh.core.random import philox
from tinygrad_zh.exercises.exercise import Array, Exercise, listed
from tinygrad_zh.exercises.result import Result
from tinygrad_zh.i18n import text

Backward = Callable[..., Any]


class AnswerError(Exception):
    """An answer that cannot be compared; the message is one sentence in the language in force."""


class UnwrittenError(AnswerError):
    """An answer that is still to be written: it returns None."""


def checked(exercise: Exercise, backward: Any) -> Result:
    """What is to be said about an answer; of what it raises, only KeyboardInterrupt comes out. 中文：批改。"""
    try:
        return Result(exercise, compared(exercise, backward))
    except AnswerError as error:
        return Result(exercise, sentence=str(error), unwritten=isinstance(error, UnwrittenError))


def compared(exercise: Exercise, backward: Any) -> Report:
    """What the gradient check says of an answer. Raises AnswerError, whatever the answer itself raises."""
    values = exercise.values({name: value.copy() for name, value in exercise.inputs.items()})
    _asked_for(exercise, backward)
    try:
        with np.errstate(all="ignore"):
            dy = philox(0).normal(size=np.shape(values[exercise.outputs[0]]))
            gradients(exercise, backward, {"dy": dy} | values)
            return gradcheck(_function(exercise), *_moving(exercise).values(), grad=_claim(exercise, backward))
    except AnswerError:
        raise
    except (Exception, SystemExit) as error:
        raise AnswerError(_raised(error, backward)) from error


def gradients(exercise: Exercise, backward: Backward, values: dict[str, Array]) -> tuple[Array, ...]:
    """What a backward returns for these values, one array for each input that is asked about."""
    wanted = _asked_for(exercise, backward)
    named = {p.name: values[p.name] for p in wanted if p.kind == p.KEYWORD_ONLY}
    result = backward(*[values[p.name] for p in wanted if p.kind != p.KEYWORD_ONLY], **named)
    if result is None:
        raise UnwrittenError(text("exercise.answer.unwritten"))
    several = result if isinstance(result, (tuple, list)) and len(exercise.asked) > 1 else [result]
    if len(several) != len(exercise.asked):
        asked = listed(f"∂L/∂{name}" for name in exercise.asked)
        raise AnswerError(text("exercise.answer.count", asked=asked, wanted=len(exercise.asked), given=len(several)))
    return tuple(_array(name, gradient) for name, gradient in zip(exercise.asked, several, strict=True))


def _asked_for(exercise: Exercise, backward: Any) -> list[inspect.Parameter]:
    """The parameters of a backward, each of which names a value. Raises AnswerError for one that names none."""
    if not callable(backward):
        raise AnswerError(text("exercise.answer.no_function", kind=type(backward).__name__))
    try:
        parameters = inspect.signature(backward).parameters.values()
    except ValueError:  # of a function that is not written in Python
        raise AnswerError(text("exercise.answer.no_function", kind=type(backward).__name__)) from None
    wanted = [p for p in parameters if p.default is p.empty]
    many = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    unknown = [str(p) for p in wanted if p.name not in exercise.available or p.kind in many]
    if unknown:
        names = listed(exercise.available)
        raise AnswerError(text("exercise.answer.parameters", unknown=listed(unknown), names=names))
    return wanted


def _array(name: str, gradient: Any) -> Array:
    try:
        array = np.asarray(gradient)
    except Exception:  # lists of unequal lengths, and whatever an object says of becoming an array
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise AnswerError(text("exercise.answer.no_numbers", name=name, kind=type(gradient).__name__))
    return array.astype(float) if array.dtype.kind == "b" else array


def _raised(error: BaseException, backward: Any) -> str:
    """What an answer raised, and in which line of its file."""
    file = getattr(getattr(backward, "__code__", None), "co_filename", "")
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    where = text("exercise.answer.line", line=lines[-1]) if lines else ""
    return text("exercise.answer.raised", kind=type(error).__name__, message=str(error) or "–", where=where)


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
