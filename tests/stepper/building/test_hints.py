"""Hints: every mistake that learners make has one, in both languages, and what it proposes works."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.test_bad_input as bad_input
import tinygrad_zh as tz
from tests.support.bad_input import World
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tape
from tinygrad_zh.core.tape import recording
from tinygrad_zh.i18n import catalogue
from tinygrad_zh.stepper.building.failing import failure
from tinygrad_zh.stepper.building.hints import hint


def hint_of(call: Callable[[], Any]) -> dict[str, str] | None:
    """The hint for the error of a call, as a trace of it would have it."""
    with pytest.raises(Exception) as caught, recording(Tape()) as tape:
        call()
    line = tape[-1]
    assert line.kind == "error"
    op, arrays = line.info["op"], line.arguments
    if op is None:
        arrays = [getattr(g.value, "array", g.value) for g in failure(caught.value).given]
    return hint(caught.value, arrays, op, line.keywords)


class SumOfColumns(tz.Op):
    """y = Σ x, with a backward that gives another shape"""

    def forward(x):
        return x.sum(axis=0)

    def backward(dy, x):
        return x.T


def leaf(*shape: int) -> tz.Tensor:
    return tz.tensor(np.ones(shape), requires_grad=True)


MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "matrices that meet nowhere": (
        lambda: leaf(4, 5) @ leaf(6, 3), r"5 columns and B \(6, 3\) has 6 rows.*B \(5, 3\) or A \(4, 6\)\."),
    "a transpose that fits": (lambda: leaf(4, 5) @ leaf(3, 5), r"This fits: A @ B\.mT → \(4, 3\)\."),
    "the other order": (lambda: leaf(4, 5) @ leaf(3, 4), r"B @ A → \(3, 5\)"),
    "a vector of another length": (lambda: leaf(4, 5) @ leaf(4), r"has 4 rows.*A\.mT @ B → \(5,\) or B @ A → \(5,\)"),
    "batches": (lambda: leaf(2, 3, 4) @ leaf(3, 4, 5), r"a batch .*: \(2,\) and \(3,\)"),
    "a bias a row": (lambda: leaf(4, 3) + leaf(4), r"axis −1.* length 3 in one and 4 .*fits: b\[:, None\]\."),
    "a column of one too many": (lambda: leaf(2, 3) * leaf(5, 3), r"axis −2, .* length 2 in one and 5 in the other"),
    "a transposed operand": (lambda: leaf(2, 3) - leaf(3, 2), r"fits: b\.mT or a\.mT"),
    "three operands": (lambda: F.where(np.ones((2, 3), bool), leaf(2, 3), leaf(2)), r"c \(2, 3\) and b \(2,\)"),
    "broadcast to less": (lambda: F.broadcast_to(leaf(2, 3), (3,)), r"\(3,\) must be at least as large as \(2, 3\)"),
    "broadcast to another": (lambda: F.broadcast_to(leaf(2, 3), (2, 4)), "length 3 in one and 4 in the other"),
    "another size": (lambda: leaf(2, 3).reshape(4, 2), r"6 elements .*\(4, 2\).*fits: \(-1, 2\) → \(3, 2\)\."),
    "no size": (lambda: leaf(2, 3).reshape(4, -1), r"6 elements cannot be arranged as \(4, -1\).*multiply to 6\.$"),
    "two unknowns": (lambda: leaf(2, 3).reshape(-1, -1), "Only one length"),
    "parts that differ": (
        lambda: F.concat([leaf(2, 3), leaf(2, 4)]), r"axis 1 has length 3 in one and 4 .* fits: axis=1"),
    "parts of other ranks": (lambda: F.concat([leaf(2, 3), leaf(3)]), "have 2 and 1 axes"),
    "a stack of unequals": (lambda: F.stack([leaf(2), leaf(3)]), "F.concat joins"),
    "an axis": (lambda: leaf(2, 3).sum(axis=2), "axes are 0, 1, −2, −1"),
    "an axis of a number": (lambda: leaf().sum(axis=0), "no axis"),
    "an index": (lambda: leaf(3)[5], "from 0 to 2, or from −3 to −1"),
    "an index of nothing": (lambda: leaf(0)[0], "no elements"),
    "indices": (lambda: leaf(3)[0, 1], "the tensor has 1, and 2 were given"),
    "a mask": (lambda: leaf(3)[np.array([True, False])], "length 3, not 2"),
    "a token": (lambda: F.embedding([7], leaf(5, 2)), "from 0 to 4"),
    "a label": (lambda: F.cross_entropy(leaf(2, 3), [1, 3]), "from 0 to 2.* needs 4 outputs"),
    "a negative label": (lambda: F.cross_entropy(leaf(2, 3), [1, -1]), "never negative"),
    "labels as floats": (lambda: F.cross_entropy(leaf(2, 3), [1.0, 2.0]), r"astype\(np\.int64\)"),
    "labels in a column": (lambda: F.cross_entropy(leaf(2, 3), [[1], [2]]), r"t\[\.\.\., 0\]"),
    "labels of one class each": (lambda: F.cross_entropy(leaf(2, 3), np.eye(3, dtype=int)[:2]), r"t\.argmax\(-1\)"),
    "too many labels": (lambda: F.cross_entropy(leaf(2, 3), [0, 1, 2]), r"t has shape \(2,\)"),
    "a column against a row": (lambda: F.mse_loss(leaf(3, 1), np.ones(3)), r"t\.reshape\(3, 1\)"),
    "a row against a column": (lambda: F.mse_loss(leaf(3), np.ones((3, 1))), r"t\.reshape\(3\)"),
    "too few targets": (lambda: F.mse_loss(leaf(3), np.ones(2)), "need 3 of them, not 2"),
    "scores for probabilities": (
        lambda: F.binary_cross_entropy(leaf(2) * 3, [0.0, 1.0]), r"F\.binary_cross_entropy_with_logits"),
    "scores for a distribution": (
        lambda: F.cross_entropy_of_probabilities(leaf(1, 3) * 2, [1]), r"F\.softmax first, or better use F\.cross_ent"),
    "nan for a probability": (lambda: F.binary_cross_entropy(leaf(1) * np.nan, [1.0]), "made earlier"),
    "a layer of another width": (lambda: nn.Dense(3, 2)(leaf(4, 5)), r"of 3 numbers .* of 5.*Dense\(5, …\)"),
    "a transposed batch": (lambda: nn.Dense(3, 2)(leaf(3, 4)), r"fits: x\.mT\."),
    "an image": (lambda: nn.Dense(6, 2)(leaf(5, 2, 3)), r"fits: nn\.Flatten\(\)\."),
    "numbers for a column": (lambda: nn.Dense(1, 2)(leaf(5)), r"fits: x\[:, None\]\."),
    "another layer": (lambda: nn.MultiHeadAttention(4, 2)(leaf(1, 3, 5)), r"MultiHeadAttention\(5, …\)"),
    "queries and keys": (lambda: F.attention_weights(leaf(2, 3), leaf(2, 4)), "width 3 and keys 4"),
    "an integer with a gradient": (lambda: tz.tensor([1, 2], requires_grad=True), r"Write 1\.0"),
    "backward of many": (lambda: (leaf(2, 3) * 2).backward(), r"y\.mean\(\).*seed of shape \(2, 3\)"),
    "backward of a constant": (lambda: tz.tensor(1.0).backward(), "requires_grad=True"),
    "a seed": (lambda: (leaf(2, 3) * 2).backward(np.ones(3)), r"np\.ones\(\(2, 3\)\)"),
    "None in a sum": (lambda: leaf(2) + None, "A None came"),
    "None in an op": (lambda: F.exp(None) + leaf(2), "A None came"),
    "None in a product": (lambda: leaf(2, 3) @ None, "A None came"),
    "None for a target": (lambda: F.mse_loss(leaf(3), None), "A None came"),
    "None in a layer": (lambda: nn.Dense(3, 2)(None), "rows of 3 numbers, .* or None"),
    "None as a tensor": (lambda: tz.tensor(None), "A None came"),
    "the maximum of nothing": (lambda: leaf(2)[:0].max(), "no elements"),
    "dim": (lambda: F.softmax(leaf(2), dim=0), "Softmax has the keywords axis. What other libraries call dim"),
    "a partial of another shape": (
        lambda: SumOfColumns(leaf(2, 3)).sum().backward(), r"∂L/∂x .* return shape \(2, 3\).* fits: \.mT"),
}  # fmt: skip


def backward_twice() -> None:
    loss = (leaf(2) * 2).sum()
    loss.backward()
    loss.backward()


def in_place() -> None:
    w = leaf(2)
    w -= 0.1


def item_in_place() -> None:
    leaf(2)[0] = 1.0


MISTAKES |= {
    "backward twice": (backward_twice, "Compute the loss anew"),
    "in place": (in_place, r"w\.assign"),
    "an element in place": (item_in_place, r"w\.assign"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_has_a_hint_in_both_languages(name: str) -> None:
    call, says = MISTAKES[name]
    found = hint_of(call)
    assert found is not None
    assert re.search(says, found["en"]), found["en"]
    assert re.search(r"[一-鿿].*[。？]$", found["zh"]), found["zh"]
    assert found["en"].endswith((".", "?"))
    numbers = [sorted(re.findall(r"\d+", found[language])) for language in ("en", "zh")]
    assert numbers[0] == numbers[1]


def test_every_hint_is_said_of_some_mistake() -> None:
    said = " ".join((hint_of(call) or {})["en"] for call, _ in MISTAKES.values())
    keys = [key for key in catalogue() if key.startswith("stepper.fix.")]
    assert len(keys) > 30
    silent = [key for key in keys
              if not re.search(re.sub(r"\\\{\w+\\\}", ".+", re.escape(catalogue()[key]["en"])), said)]
    assert silent == []


TABLES = [cases for name, cases in vars(bad_input).items() if name.isupper() and isinstance(cases, dict)]


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for cases in TABLES for name, case in cases.items()])
def test_an_error_without_a_hint_has_none(case: Any) -> None:
    """No bad input makes the hints fail, and what they say of it is whole."""
    world = World()
    found = hint_of(lambda: case.call(world))
    assert found is None or (set(found) == {"en", "zh"} and not re.search("[{}]|None,", found["en"] + found["zh"]))


def test_what_is_no_error_of_the_engine_has_no_hint() -> None:
    assert hint(ZeroDivisionError("division by zero")) is None


# ---- what is proposed works


def proposals(found: dict[str, str] | None) -> list[str]:
    assert found is not None
    _, _, said = found["en"].partition("This fits: ")
    return said.removesuffix(".").split(" or ") if said else []


SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=150)
@given(SHAPES, SHAPES)
def test_every_product_that_is_proposed_gives_the_shape_it_says(a: Any, b: Any) -> None:
    A, B = leaf(*a), leaf(*b)
    if a[-1] == b[-2 if len(b) > 1 else 0]:
        return
    for proposal in proposals(hint_of(lambda: A @ B)):
        way, _, shape = proposal.partition(" → ")
        assert str(eval(way, {"A": A, "B": B}).shape) == shape


@settings(max_examples=150)
@given(SHAPES, SHAPES)
def test_every_operand_that_is_proposed_broadcasts(a: Any, b: Any) -> None:
    names = {"a": leaf(*a), "b": leaf(*b)}
    try:
        np.broadcast_shapes(a, b)
    except ValueError:
        for proposal in proposals(hint_of(lambda: names["a"] + names["b"])):
            F.add(*(eval(proposal if name == proposal[0] else name, names) for name in ("a", "b")))


@settings(max_examples=100)
@given(SHAPES, st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple))
def test_every_shape_that_is_proposed_takes_the_elements(shape: Any, wanted: Any) -> None:
    x = leaf(*shape)
    if x.size == np.prod(wanted):
        return
    for proposal in proposals(hint_of(lambda: x.reshape(wanted))):
        way, _, result = proposal.partition(" → ")
        assert str(x.reshape(eval(way)).shape) == result


@settings(max_examples=100)
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.tuples(*[st.integers(1, 2)] * n), min_size=2, max_size=3)),
       st.data())
def test_every_axis_that_is_proposed_joins(shapes: Any, data: Any) -> None:
    axis = data.draw(st.integers(0, len(shapes[0]) - 1))
    parts = [leaf(*shape) for shape in shapes]
    if len({shape[:axis] + shape[axis + 1:] for shape in shapes}) == 1:
        return
    for proposal in proposals(hint_of(lambda: F.concat(parts, axis))):
        F.concat(parts, **eval(f"dict({proposal})"))
