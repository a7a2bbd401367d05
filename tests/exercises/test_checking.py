"""Whatever an answer does, one clear sentence comes back."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh.exercises import missing_backward
from tinygrad_zh.i18n import in_language

SIGMOID = missing_backward("sigmoid")
PRODUCT = missing_backward("product")


class Awkward:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("no")


class Opaque:
    __signature__ = "not to be seen"

    def __call__(self, dy, y):
        return dy


def leaving(dy, y):
    raise SystemExit(3)


def dividing(dy, y):
    return 1 / 0


def calling_another(dy, y):
    return np.linalg.inv(dy)


def ragged(dy, y):
    return [[1.0], [1.0, 2.0]]


def generated(dy, y):
    yield dy


HOSTILE = [
    (lambda dy, y: None, "○", "backward is still to be written: it returns None", "backward 还没有写：它返回 None"),
    (3, "✗", "backward is to be a Python function, this is int", "backward 应当是 Python 函数，这里却是 int"),
    (None, "✗", "this is NoneType", "这里却是 NoneType"),
    (Opaque(), "✗", "this is Opaque", "这里却是 Opaque"),
    (lambda dy, z: dy, "✗", "backward asks for z, and there is only dy, x, y", "backward 要用 z，而这里只有 dy, x, y"),
    (lambda grad, x, out: grad, "✗", "backward asks for grad, out,", "backward 要用 grad, out，"),
    (lambda *everything: 0, "✗", "backward asks for *everything", "backward 要用 *everything"),
    (lambda *dy: 0, "✗", "backward asks for *dy", "backward 要用 *dy"),
    (lambda dy, **rest: 0, "✗", "backward asks for **rest", "backward 要用 **rest"),
    (dividing, "✗", "line 32 raises ZeroDivisionError: division by zero",
     "第 32 行抛出 ZeroDivisionError：division by zero"),
    (calling_another, "✗", "line 36 raises LinAlgError", "第 36 行抛出 LinAlgError"),
    (leaving, "✗", "line 28 raises SystemExit: 3", "第 28 行抛出 SystemExit：3"),
    (lambda dy, y: dy @ y, "✗", "(shapes: dy (3, 4), x (3, 4), y (3, 4))", "（形状：dy (3, 4), x (3, 4), y (3, 4)）"),
    (lambda dy, y: "dy * y", "✗", "∂L/∂x is no array of real numbers, but str", "∂L/∂x 不是实数数组，而是 str"),
    (lambda dy, y: dy + 1j, "✗", "∂L/∂x is no array of real numbers, but ndarray", "∂L/∂x 不是实数数组，而是 ndarray"),
    (ragged, "✗", "no array of real numbers, but list", "不是实数数组，而是 list"),
    (generated, "✗", "no array of real numbers, but generator", "不是实数数组，而是 generator"),
    (lambda dy, y: Awkward(), "✗", "no array of real numbers, but Awkward", "不是实数数组，而是 Awkward"),
    (lambda dy, y: dy.sum(), "✗", "the gradient has shape (), not its input's (3, 4)",
     "梯度的形状是 ()，不是输入的 (3, 4)"),
    (lambda dy, y: (dy * y * (1 - y)).T, "✗", "transposed: the gradient has shape (4, 3), not (3, 4)",
     "转置了：梯度的形状是 (4, 3)，不是 (3, 4)"),
    (lambda dy, y: dy * np.nan, "✗", "the gradient is nan where the slope is finite", "梯度为 nan，而斜率是有限的"),
    (lambda dy, y: dy > 0, "✗", "∂L/∂x", "∂L/∂x"),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_one_sentence_says_what_is_the_matter(number):
    backward, mark, english, chinese = HOSTILE[number]
    result = SIGMOID.check(backward)
    assert not result and result.mark == mark
    for language, words in (("en", english), ("zh", chinese)):
        with in_language(language):
            first = str(result).splitlines()[0]
            assert first.startswith(f"{mark} sigmoid  ") and words in first


@pytest.mark.parametrize(("returned", "given"), [(lambda dy, b: dy * b, 1), (lambda dy, b: (dy * b,), 1),
                                                 (lambda dy, a, b: (dy * b, dy * a, dy), 3)])
def test_too_few_and_too_many_gradients(returned, given):
    with in_language("en"):
        assert str(PRODUCT.check(returned)) == (
            f"✗ product  2 gradients are asked for, backward returns {given}"
        )


def test_other_ways_to_write_the_right_answer():
    def keywords(dy, *, y):
        return dy * y * (1 - y)

    def with_a_default(dy, y, one=1.0):
        return dy * y * (one - y)

    class Written:
        def __call__(self, dy, y):
            return dy * y * (1 - y)

    for backward in (keywords, with_a_default, Written(), lambda y, dy: dy * y * (1 - y)):
        assert SIGMOID.check(backward)
    assert SIGMOID.check(lambda dy, y: (dy * y * (1 - y)).tolist())
    assert PRODUCT.check(lambda dy, a, b: [dy * b, (dy * a).sum(axis=0)])


def test_an_answer_may_not_write_into_what_it_is_given():
    def writing(dy, y):
        dy *= y * (1 - y)
        return dy

    with in_language("en"):
        assert "it writes into the upstream gradient" in str(SIGMOID.check(writing))


def test_an_answer_that_fails_later_is_told_so():
    calls = []

    def tired(dy, y):
        calls.append(0)
        if len(calls) > 2:
            raise RuntimeError("tired")
        return dy * y * (1 - y)

    with in_language("en"):
        assert "raises RuntimeError: tired" in str(SIGMOID.check(tired))


def test_control_c_comes_out():
    def interrupted(dy, y):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SIGMOID.check(interrupted)


# ---- what is shown


def test_the_first_wrong_element_and_both_gradients_are_shown():
    with in_language("en"):
        result = SIGMOID.check(lambda dy, y: dy * np.where(np.arange(12).reshape(3, 4) == 5, y, y * (1 - y)))
        shown = str(result)
    assert result.wrong.element == (1, 1)
    assert f"The first wrong element, ∂L/∂x at [1, 1]: yours {result.wrong.analytic:.6g}" in shown
    rows = [line for line in shown.splitlines() if line.startswith("  [")]
    assert len(rows) == 12 and [row.endswith("✗") for row in rows].count(True) == 1 and rows[5].endswith("✗")
    assert float(rows[5].split()[3]) == pytest.approx(result.wrong.numeric, rel=1e-5)


def test_a_notebook_shows_the_same_as_a_table():
    with in_language("zh"):
        wrong = SIGMOID.check(lambda dy, y: dy * y)
        html = wrong._repr_html_()
    assert "缺少因子 1 − y" in html and html.count("<tr>") == 13 and html.count("✗") == 13
    assert "<b>● sigmoid</b>" in SIGMOID.check(SIGMOID.answer)._repr_html_()


def test_what_an_answer_says_is_no_markup():
    def raising(dy, y):
        raise ValueError("<script>")

    html = SIGMOID.check(raising)._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html


def test_only_the_first_wrong_gradient_is_shown_in_numbers():
    shown = str(PRODUCT.check(lambda dy, a, b: (dy * a, (dy * b).sum(axis=0))))
    assert len([line for line in shown.splitlines() if line.startswith("  [")]) == 12 and "∂L/∂b [" not in shown


def test_where_y_is_a_number_so_is_dy():
    seen = []

    def looking(dy, x):
        seen.append(np.shape(dy))
        return dy * np.ones(x.shape) / x.size

    assert missing_backward("mean").check(looking) and set(seen) == {()}


def test_after_a_right_answer_comes_the_next_exercise():
    with in_language("en"):
        assert str(SIGMOID.check(SIGMOID.answer)).endswith("Next: mean.")
        last = missing_backward("attention_qk")
        assert str(last.check(last.answer)).endswith("you can write the backward of a transformer.")
