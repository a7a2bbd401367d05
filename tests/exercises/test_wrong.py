"""Which gradient is wrong: exactly one is, its numeric check says so, and the trace as it is set does not."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest

from tinygrad_zh import functional as F
from tinygrad_zh.exercises import WRONG_GRADIENTS, wrong_gradient
from tinygrad_zh.exercises.spoiling import Functions, spoiled
from tinygrad_zh.i18n import LANGUAGES, in_language
from tinygrad_zh.ops.activation import Sigmoid
from tinygrad_zh.ops.formula import formula
from tinygrad_zh.stepper import record

DIAGNOSES = {
    1: ("the factor 1 − y is missing", "缺少因子 1 − y"),
    2: ("the sign is flipped", "符号相反"),
    3: ("this is the gradient of b", "这是 b 的梯度"),
    4: ("transposed", "转置"),
    5: ("the factor (x > 0) is missing", "缺少因子 (x > 0)"),
    6: ("the factor 1 − y² is there once too often", "多乘了一次因子 1 − y²"),
    7: ("only the diagonal", "只有雅可比矩阵的对角线"),
    8: ("contributions overwrite each other", "各份贡献互相覆盖"),
    9: ("it is taken for a constant", "它被当成了常数"),
    10: ("1.732 times what it should be", "正确值的 1.732 倍"),
}
ALL = pytest.mark.parametrize("exercise", WRONG_GRADIENTS, ids=lambda exercise: str(exercise.number))


def failing(document) -> list[int]:
    return [k for k, step in enumerate(document.steps)
            if step.get("check") and not step["check"].get("error", 0) < 1e-4]


@ALL
def test_exactly_one_check_fails_at_the_planted_op(exercise):
    assert failing(exercise.solved) == [exercise.answer]
    step = exercise.solved.steps[exercise.answer]
    assert exercise.solved.data["ops"][step["op"]]["name"] == exercise.op.__name__


@ALL
def test_with_the_right_backward_no_check_fails(exercise):
    with record() as trace:
        exercise.network(F).backward()
    assert failing(trace.document()) == []
    assert len(trace.document().steps) == len(exercise.solved.steps)


@ALL
def test_the_trace_as_it_is_set_tells_nothing(exercise):
    steps = exercise.document.steps
    assert not any(step.get("check") for step in steps)
    assert not any(op["code"] for op in exercise.document.data["ops"])
    assert list(exercise.document.data["sources"]) == ["tinygrad_zh/exercises/networks.py"]
    assert [step.get("element") for step in steps] == [step.get("element") for step in exercise.solved.steps]


@ALL
def test_the_sealed_answer_is_not_read_at_a_glance_but_all_there(exercise):
    sealed = exercise.document.data["meta"]["exercise"]
    assert sealed["kind"] == "wrong-gradient" and str(exercise.answer) != sealed["answer"]
    assert exercise.why not in json.dumps(exercise.document.data, ensure_ascii=False)
    answer = json.loads(base64.b64decode(sealed["answer"]))
    assert answer["step"] == exercise.answer
    assert {int(k): check for k, check in answer["checks"].items()} == {
        k: step["check"] for k, step in enumerate(exercise.solved.steps) if step.get("check")
    }
    for language, words in zip(("en", "zh"), DIAGNOSES[exercise.number], strict=True):
        assert words in answer["words"][language]


@ALL
def test_the_verdicts(exercise):
    for language, words in zip(("en", "zh"), DIAGNOSES[exercise.number], strict=True):
        with in_language(language):
            for k, step in enumerate(exercise.solved.steps):
                verdict = exercise.verdict(k)
                assert bool(verdict) == (k == exercise.answer)
                assert str(verdict).startswith("●") == bool(verdict)
                assert (words in str(verdict)) == bool(verdict)
                assert str(verdict).startswith("✗") == (step["phase"] == "backward" and not verdict)


@ALL
def test_titles_and_explanations_are_their_own(exercise):
    others = [each for each in WRONG_GRADIENTS if each is not exercise]
    for language in LANGUAGES:
        with in_language(language):
            assert exercise.title not in {each.title for each in others}
            assert exercise.why not in {each.why for each in others}
            assert exercise.title in repr(exercise) and str(exercise.answer) not in repr(exercise).split("\n\n")[1]


def test_they_are_numbered_from_one():
    assert [exercise.number for exercise in WRONG_GRADIENTS] == list(range(1, 11)) == list(DIAGNOSES)
    for number in (0, 11):
        with in_language("en"), pytest.raises(ValueError, match=f"wrong 1 to wrong 10, not {number}"):
            wrong_gradient(number)


def test_in_a_notebook_it_is_a_page():
    assert "<iframe" in wrong_gradient(1)._repr_html_()


def test_a_spoiled_op_looks_like_the_right_one():
    wrong = spoiled(Sigmoid, {"backward": lambda dy, y: dy})
    assert wrong.__name__ == "Sigmoid" and formula(wrong) == formula(Sigmoid)
    x = np.array([0.5, -1.0])
    assert wrong(x).tolist() == Sigmoid(x).tolist()


def test_only_the_use_that_was_named_is_spoiled():
    functions = Functions("sigmoid", "wrong", use=2)
    assert [functions.sigmoid, functions.tanh, functions.sigmoid, functions.sigmoid] == [
        F.sigmoid, F.tanh, "wrong", F.sigmoid]
