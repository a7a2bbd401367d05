"""Mermaid text: every line is of its grammar, and the graph is the program's."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.i18n import in_language
from tinygrad_zh.program.listing import Listing, listed
from tinygrad_zh.program.printing.mermaid import escaped, mermaid
from tinygrad_zh.program.recording import recorded

LABEL = r'"[^"<>]*(?:<br/>[^"<>]*)*"'
GRAMMAR = [r"graph TD", r"%% .*", rf"subgraph \w+\[{LABEL}\]", r"end", r"n\d+ --> n\d+", rf"n\d+ -\.->\|{LABEL}\| n\d+",
           rf"n\d+(?:\(\({LABEL}\)\)|\({LABEL}\)|\[\({LABEL}\)\]|\[/{LABEL}/\]|\[{LABEL}\])",
           r"classDef \w+ fill:#\w+,stroke:#\w+", r"class n\d+(?:,n\d+)* \w+"]


@pytest.fixture(scope="module")
def step() -> Listing:
    tz.manual_seed(0)
    model = tz.nn.Sequential(tz.nn.Dense(2, 3), tz.nn.Dropout(0.5), tz.nn.Dense(3, 2))
    optimizer = tz.optim.SGD(model.parameters(), lr=0.1)

    def train(x, t):
        loss = F.cross_entropy(model(x), t)
        loss.backward()
        optimizer.step()
        return loss

    return listed(recorded(train, [np.ones((4, 2)), np.zeros(4, int)]))


def drawn(text: str) -> tuple[dict[str, str], set[tuple[str, str]], dict[tuple[str, str], str]]:
    """{the first word in a node: its kind of bracket}, the arrows, and the broken arrows with what stands at them."""
    found = re.findall(r'^ *(n\d+)(\W+)"([^"<]*)', text, re.MULTILINE)
    words = {node: word for node, bracket, word in found if "-" not in bracket}
    kinds = {word: bracket for node, bracket, word in found if "-" not in bracket}
    arrows = {(words[a], words[b]) for a, b in re.findall(r"(n\d+) --> (n\d+)", text)}
    back = {(words[a], words[b]): said for a, said, b in re.findall(r'(n\d+) -\.->\|"(.*?)"\| (n\d+)', text)}
    return kinds, arrows, back


def test_every_line_is_of_the_grammar(step: Listing) -> None:
    for line in mermaid(step).splitlines():
        assert any(re.fullmatch(pattern, line.strip()) for pattern in GRAMMAR), line


def test_a_training_step(step: Listing) -> None:
    with in_language("en"):
        kinds, arrows, back = drawn(mermaid(step))
    assert kinds == {"x": "(", "W1": "[/", "b1": "[/", "z1": "[", "rng": "[(", "z1_dropped": "[",
                     "W2": "[/", "b2": "[/", "z2": "[", "t": "(", "loss": "(("}
    assert arrows == {("x", "z1"), ("W1", "z1"), ("b1", "z1"), ("z1", "z1_dropped"), ("rng", "z1_dropped"),
                      ("z1_dropped", "z2"), ("W2", "z2"), ("b2", "z2"), ("z2", "loss"), ("t", "loss")}
    assert back[("z1", "W1")] == "dW1: weight update"
    assert back[("z1_dropped", "z1")] == "dz1"
    assert {(b, a) for a, b in back} == arrows - {("x", "z1"), ("rng", "z1_dropped"), ("t", "loss")}


def test_layers_are_boxes_with_their_parameters(step: Listing) -> None:
    text = mermaid(step)
    assert re.findall(r'subgraph \w+\["(\w+)"\]', text) == ["Sequential", "Dense", "Dropout", "Dense"]
    assert text.count("subgraph") == len(re.findall(r"^ *end$", text, re.MULTILINE))
    box = text[text.index('"Dense"'):text.index("end")]
    assert all(name in box for name in ('"W1<', '"b1<', '"z1<'))


def test_without_the_way_back(step: Listing) -> None:
    assert "-.->" not in mermaid(step, backward=False)


def test_both_languages(step: Listing) -> None:
    with in_language("zh"):
        assert "dW1：权重更新" in mermaid(step)


def test_a_value_that_is_used_twice_has_two_arrows_back() -> None:
    w = tz.tensor([[1.0, 2.0]], requires_grad=True, name="w")

    def loss():
        h = F.tanh(w)
        g = F.exp(h)
        return (h * g).sum()

    _, arrows, back = drawn(mermaid(listed(recorded(loss, []))))
    assert {("h", "g"), ("w", "h")} <= arrows
    assert sum(b == "h" for _, b in back) == 2


def test_marks_that_mermaid_would_read() -> None:
    assert escaped('a#1 "b" <c>') == "a#35;1 #quot;b#quot; #lt;c#gt;"
