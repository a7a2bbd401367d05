"""A formula's own source, written out for given arguments, computes what the formula does."""

from __future__ import annotations

import ast
from collections import Counter
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.ops.activation import GELU, MaskedSoftmax, Sigmoid, Softmax
from tinygrad_zh.ops.convolution import Conv2d
from tinygrad_zh.ops.formula import all_ops
from tinygrad_zh.ops.fused import BiasReLU
from tinygrad_zh.ops.loss import BinaryCrossEntropy
from tinygrad_zh.program.inlining import definition, inlined


class Names:
    """Fresh names: e, e_2, e_3, …"""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        self.times[name] += 1
        return name if self.times[name] == 1 else f"{name}_{self.times[name]}"


def text(function: Any, arguments: str, targets: list[str | None], **keywords: Any) -> str:
    given = [ast.parse(a, mode="eval").body for a in arguments.split("; ")]
    named = {k: ast.parse(repr(v), mode="eval").body for k, v in keywords.items()}
    done = inlined(function, given, named, targets, Names())
    return "\n".join(ast.unparse(s) for s in done.statements)


def test_parameters_give_way_to_arguments_and_results_to_targets() -> None:
    assert text(Sigmoid.forward, "z1", ["h1"]) == "e = np.exp(-np.abs(z1))\nh1 = np.where(z1 >= 0, 1, e) / (1 + e)"


def test_an_op_and_a_helper_of_one_line_are_written_out() -> None:
    """And an argument that is named several times there is computed once, before."""
    assert text(GELU.forward, "z", ["y"]).splitlines()[0].startswith("x = (8 / np.pi) ** 0.5 * (z + 0.044715")
    assert "largest" not in text(Softmax.forward, "z", ["y"], axis=-1)
    assert "xlogy" not in text(BinaryCrossEntropy.forward, "p; t", ["y"])


def test_a_result_that_nobody_wants_is_left_out() -> None:
    assert text(BiasReLU.backward, "dy; y", ["dx", None]) == "dx = np.where(y > 0, dy, 0)"
    assert text(BiasReLU.backward, "dy; y", ["dx", "db"]).splitlines()[1] == "db = dx"


def test_a_longer_helper_stays_a_call_and_is_handed_out() -> None:
    given = [ast.parse(a, mode="eval").body for a in ("x", "W", "b")]
    pair = ast.parse("(1, 1)", mode="eval").body
    done = inlined(Conv2d.forward, given, {"stride": pair, "padding": pair}, ["y"], Names())
    assert {"im2col", "padded", "places"} <= done.helpers.keys()


@pytest.mark.parametrize("op", [op for op in all_ops() if op.backwards], ids=lambda op: op.__name__)
def test_every_name_is_assigned_once(op: Any) -> None:
    for key in ("forward", *op.backwards):
        function = getattr(op, key)
        parameters = definition(function).args
        fresh = Names()
        arguments: list[ast.expr] = [ast.Name(fresh(p.arg), ast.Load()) for p in parameters.args]
        keywords: dict[str, ast.expr] = {p.arg: ast.Name(fresh(p.arg), ast.Load()) for p in parameters.kwonlyargs}
        results = len(op.outputs) + len(op.aux) if key == "forward" else len(op.inputs) if key == "backward" else 1
        targets: list[str | None] = [fresh(f"result{i}") for i in range(results)]
        done = inlined(function, arguments, keywords, targets, fresh)
        assigned = [n.id for s in done.statements for n in ast.walk(s.targets[0]) if isinstance(n, ast.Name)]
        assert len(set(assigned)) == len(assigned)
        assert not set(assigned) & {a.id for a in arguments if isinstance(a, ast.Name)}


def test_a_variable_that_is_assigned_again_is_another_one() -> None:
    said = text(MaskedSoftmax.forward, "x; mask", ["y"], axis=-1)
    assert said.count("\ntop = ") <= 1


def scaled(factor: float) -> Any:
    class Scaled(tz.Op):
        """y = factor x"""

        def forward(x):  # type: ignore[no-untyped-def]
            return x * factor

        def backward(dy):  # type: ignore[no-untyped-def]
            return dy * factor

    return Scaled


def test_a_number_of_the_function_around_is_written_down() -> None:
    assert text(scaled(2.5).forward, "x", ["y"]) == "y = x * 2.5"


TABLE = np.arange(4.0)


class Looking(tz.Op):
    """y = x + TABLE"""

    def forward(x):  # type: ignore[no-untyped-def]
        return x + TABLE


def test_an_array_from_outside_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reads TABLE, a ndarray from outside; pass it as an input of the op"):
        text(Looking.forward, "x", ["y"])
