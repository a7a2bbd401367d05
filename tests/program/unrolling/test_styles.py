"""One recording, printed in every way: as NumPy, as loops, as formulas, as a graph; in either language."""

from __future__ import annotations

from typing import Any

import pytest

import tinygrad_zh as tz


@pytest.fixture
def loss() -> Any:
    w = tz.tensor([[1.0, -2.0]], requires_grad=True, name="w")
    return lambda: (tz.functional.tanh(w) ** 2).sum()


def test_the_styles(loss: Any) -> None:
    assert "np.tanh(w)" in str(tz.unroll(loss))
    assert "math.tanh(w[0][i])" in str(tz.unroll(loss, style="loops"))


def test_no_such_style(loss: Any) -> None:
    with pytest.raises(ValueError, match="the style is one of 'numpy', 'loops', not 'torch'"):
        tz.unroll(loss, style="torch")


@pytest.mark.parametrize(("lang", "words"), [("en", ("Forward", "forward;")), ("zh", ("前向传播", "前向传播；"))])
def test_formulas_and_graph_in_the_language_of_the_program(loss: Any, lang: str, words: tuple[str, str]) -> None:
    program = tz.unroll(loss, lang=lang)
    assert words[0] in program.to_latex()
    assert words[1] in program.to_mermaid()
    assert "-.->" not in program.to_mermaid(backward=False)


def test_a_notebook_shows_the_formulas(loss: Any) -> None:
    program = tz.unroll(loss)
    assert program._repr_latex_() == program.to_latex()
    assert program.to_latex().startswith("$$")
