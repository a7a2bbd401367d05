"""The words of every op's formula in Chinese."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.ops.formula import all_ops, formula
from tinygrad_zh.program.printing.wording import _PHRASES, formula_words

MATHEMATICAL = {"ln", "max", "min", "mean", "softmax", "tanh", "sin", "cos", "sign", "nan",
                "low", "high",  # the bounds of Clip, by name
                "Adam"}  # fmt: skip
FORMULAS = sorted({text for op in all_ops() for text in (formula(op).forward, *formula(op).partials)})


@pytest.mark.parametrize("said", FORMULAS)
def test_no_english_word_stays_in_the_chinese(said: str) -> None:
    assert set(re.findall(r"[A-Za-z]{2,}", formula_words(said, "zh"))) <= MATHEMATICAL


@pytest.mark.parametrize("said", FORMULAS)
def test_every_symbol_stays(said: str) -> None:
    def symbols(text: str) -> set[str]:
        return set(re.findall(r"[^\sA-Za-z,;:.()'\-，；（）。、一-鿿]", text))

    assert symbols(formula_words(said, "zh")) >= symbols(said)


@pytest.mark.parametrize("said", FORMULAS)
def test_brackets_and_punctuation_are_whole(said: str) -> None:
    chinese = formula_words(said, "zh")
    for opening, closing in ("()", "（）", "[]"):
        assert chinese.count(opening) == chinese.count(closing)
    assert not re.search(r"[，；] |, [一-鿿]|，，|，$", chinese)


@pytest.mark.parametrize("said", FORMULAS)
def test_english_is_as_written(said: str) -> None:
    assert formula_words(said, "en") == said


@pytest.mark.parametrize(("said", "chinese"), [
    ("y = max(0, x)", "y = max(0, x)"),
    ("∂L/∂x = ∂L/∂y · y (1 − y)", "∂L/∂x = ∂L/∂y · y (1 − y)"),
    ("y = a where c, else b", "y = a（当 c 为真），否则 b"),
    ("∂L/∂a = ∂L/∂y where a > b, half of it where a = b", "∂L/∂a = ∂L/∂y（当 a > b），a = b 时取一半"),
    ("∂L/∂x = ∂L/∂y · x / y, 0 where y = 0", "∂L/∂x = ∂L/∂y · x / y，y = 0 时为 0"),
    ("∂L/∂Q = S K / √d, S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)", "∂L/∂Q = S K / √d，S = P (∂L/∂Y Vᵀ − Σ ∂L/∂Y Y)"),
    ("m ← μ m + g; w ← w − η m", "m ← μ m + g；w ← w − η m"),
    ("y = x m / (1 − p), m = 0 with probability p, else 1", "y = x m / (1 − p)，m = 0 的概率为 p，否则 m = 1"),
])
def test_it_reads_as_a_formula(said: str, chinese: str) -> None:
    assert formula_words(said, "zh") == chinese


def test_every_phrase_is_said_by_some_op() -> None:
    assert [phrase for phrase, _ in _PHRASES if not any(re.search(phrase, said) for said in FORMULAS)] == []


def test_a_document_says_a_formula_anew_only_where_it_has_words() -> None:
    x = tz.tensor(np.ones(2), requires_grad=True)
    with tz.record() as trace:
        (tz.functional.relu(x) * x).sum().backward()
    formulas = trace.document().data["formulas"]
    assert formulas["ReLU"]["partials_zh"] == {"x": "∂L/∂x = ∂L/∂y（当 x > 0），否则 0"}
    assert "forward_zh" not in formulas["ReLU"]
    assert {"forward_zh", "partials_zh"} & formulas["Mul"].keys() == set()
