"""The derivation of a program: a line a statement, gradients as ∂L/∂x, braces that match, no two names alike."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.i18n import in_language
from tinygrad_zh.program.listing import Listing, listed
from tinygrad_zh.program.printing import derivation as module
from tinygrad_zh.program.printing.derivation import derivation
from tinygrad_zh.program.recording import recorded


@pytest.fixture(scope="module")
def step() -> Listing:
    tz.manual_seed(0)
    model = tz.nn.Sequential(tz.nn.Dense(2, 3), tz.nn.Tanh(), tz.nn.Dense(3, 2))
    optimizer = tz.optim.SGD(model.parameters(), lr=0.1)

    def train(x, t):
        loss = F.mse_loss(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return listed(recorded(train, [np.ones((4, 2)), np.zeros((4, 2))]))


def test_a_network_as_a_textbook_derives_it(step: Listing) -> None:
    with in_language("en"):
        text = derivation(step)
    for line in (r"&\textbf{Forward}", r"z_1 &= x W_1 + b_1 && \text{MatMul},\ \text{Add}", r"a_1 &= \tanh(z_1)",
                 r"\frac{\partial L}{\partial W_1} &= x^\top \frac{\partial L}{\partial z_1}",
                 r"\frac{\partial L}{\partial z_1} &= \frac{\partial L}{\partial a_1} \odot (1 - a_1 \odot a_1)",
                 r"W_1 &\leftarrow W_1 - \eta \frac{\partial L}{\partial W_1} && \text{SGD}"):
        assert line in text


def test_both_languages_differ_in_their_words_alone(step: Listing) -> None:
    texts = {}
    for lang in ("en", "zh"):
        with in_language(lang):
            texts[lang] = derivation(step)
    assert "前向传播" in texts["zh"]
    assert texts["en"].isascii()
    words = r"\\textbf\{[^}]*\}"
    assert re.sub(words, "", texts["en"]) == re.sub(words, "", texts["zh"])


def test_long_programs_are_split(step: Listing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINES", 3)
    displays = derivation(step).split("\n\n")
    assert all(display.count("&=") + display.count("&\\leftarrow") <= 3 for display in displays)
    assert len(displays) > 4


def test_every_brace_and_every_bracket_is_closed(step: Listing) -> None:
    text = derivation(step)
    assert text.count("{") == text.count("}")
    assert text.count("\\left") - text.count("\\leftarrow") == text.count("\\right")
    assert text.count("\\begin") == text.count("\\end")


def test_no_two_names_look_alike() -> None:
    from tinygrad_zh.program.printing.symbols import Symbols

    names = ["z1", "z_1", "z1_2", "z_1_2", "gamma", "γ", "loss", "L", "lr", "eta", "dz1", "dz_1", "dz1_2", "Wq", "W_q",
             "m_W1", "m_hat", "mhat", "d", "drop", "rop"]
    symbols = Symbols(names)
    assert len({symbols(name) for name in names}) == len(names)


def test_a_name_that_only_begins_with_d_is_no_gradient() -> None:
    from tinygrad_zh.program.printing.symbols import Symbols

    symbols = Symbols(["decay", "delta", "x"])
    assert symbols("decay") == r"\mathit{decay}"
    assert symbols("delta") == r"\delta"


def test_a_mask_is_drawn_as_the_program_draws_it_and_the_generator_is_left_alone() -> None:
    generator = np.random.default_rng(0)
    before = generator.bit_generator.state
    listing = listed(recorded(lambda x: F.dropout(x, 0.5, generator=generator).sum(), [np.ones((2, 3))]))
    assert r"\operatorname{random}_{2 \times 3} \ge 0.5" in derivation(listing)
    assert generator.bit_generator.state == before
