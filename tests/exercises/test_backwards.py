"""The exercises' answers are right, and of every typical mistake the right thing is said, in both languages."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest

from tests.exercises.mistakes import MISTAKES
from tinygrad_zh.exercises import EXERCISES, Result, missing_backward
from tinygrad_zh.exercises import mistakes as known
from tinygrad_zh.exercises.exercise import HINTS
from tinygrad_zh.i18n import LANGUAGES, catalogue, in_language

CASES = [(name, number) for name, rows in MISTAKES.items() for number in range(len(rows))]


@pytest.mark.parametrize("name", EXERCISES)
def test_the_answer_is_right(name):
    result = missing_backward(name).check(EXERCISES[name].answer)
    assert result and result.mark == "●"
    assert len(result.report.points) >= 8


def test_every_exercise_has_mistakes():
    assert MISTAKES.keys() == EXERCISES.keys()


@cache
def judged(name: str, number: int) -> Result:
    return missing_backward(name).check(MISTAKES[name][number][0])


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_mistake_is_diagnosed(name, number):
    result = judged(name, number)
    assert not result and result.mark == "✗"
    for language in LANGUAGES:
        with in_language(language):
            words = MISTAKES[name][number][1][language]
            assert words in "\n".join(result.sentences)
            assert words in str(result)


def test_every_known_mistake_is_among_them():
    keys = {key for key in catalogue() if re.fullmatch(r"exercise\.\w+\.mistake\d+", key)}
    assert keys == {f"exercise.{name}.mistake{n}" for name, rows in known.MISTAKES.items()
                    for n in range(1, len(rows) + 1)}
    assert keys <= {f"exercise.{name}.mistake{judged(name, number).mistake}" for name, number in CASES}


@pytest.mark.parametrize("name", known.MISTAKES)
def test_a_known_mistake_is_no_right_answer(name):
    for mistake in known.MISTAKES[name]:
        assert not missing_backward(name).check(mistake)


def test_where_the_pattern_is_unknown_but_the_mistake_is_not_nobody_reads_of_an_unknown_pattern():
    with in_language("en"):
        result = missing_backward("sigmoid").check(lambda dy, y: dy * (1 - y**2))
    assert result.report.failures[0].diagnosis == "elements"
    assert result.sentences == ["1 − y² is the derivative of tanh; that of σ is y (1 − y)."]


def test_a_backward_without_dy_is_told_so_and_nothing_else():
    with in_language("en"):
        result = missing_backward("mean").check(lambda x: np.ones(x.shape) / x.size)
    assert result.sentences == ["∂L/∂x: dy is missing: for an upstream gradient of 0 it gives 0.0833, not 0."]


# ---- what is set


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_are_there(name, language):
    exercise = EXERCISES[name]
    with in_language(language):
        words = [exercise.title, exercise.about, exercise.derivation, *map(exercise.hint, range(1, HINTS + 1))]
        assert len(set(words)) == len(words)
        shown = str(exercise)
    assert exercise.formula in shown and "def forward(" in shown and "def backward" not in shown
    assert all(f"∂L/∂{asked}" in shown for asked in exercise.asked)


@pytest.mark.parametrize("name", EXERCISES)
def test_only_the_answer_gives_the_answer_away(name):
    exercise = EXERCISES[name]
    last = exercise.source(exercise.answer).splitlines()[-1].removeprefix("    return ")
    with in_language("en"):
        assert last not in str(exercise)


@pytest.mark.parametrize("name", EXERCISES)
def test_what_backward_may_ask_for_is_there(name):
    exercise = EXERCISES[name]
    values = exercise.values(exercise.inputs)
    assert exercise.available == ("dy", *values)
    assert set(exercise.asked) <= {key for key, value in exercise.inputs.items() if value.dtype.kind == "f"}


def test_a_gradient_has_another_shape_than_its_transpose():
    """No exercise is square, or a forgotten transpose would go unnoticed by the shape."""
    for exercise in EXERCISES.values():
        for asked in exercise.asked:
            shape = exercise.inputs[asked].shape
            assert len(shape) < 2 or shape[0] != shape[1]


def test_gather_takes_a_row_twice_and_another_never():
    given = EXERCISES["gather"].inputs
    rows = given["i"].tolist()
    assert len(set(rows)) < len(rows) and set(rows) < set(range(len(given["x"])))


def test_an_unknown_exercise_names_close_ones():
    assert missing_backward("Matmul-A").name == "matmul_a"
    with in_language("en"), pytest.raises(ValueError, match="no exercise sigmoidd; close ones: sigmoid"):
        missing_backward("sigmoidd")


def test_there_are_three_hints():
    with in_language("en"):
        for number in (0, 4):
            with pytest.raises(ValueError, match=f"has the hints 1 to 3, not {number}"):
                missing_backward("square").hint(number)
