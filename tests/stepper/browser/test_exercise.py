"""The page's exercises: which gradient is wrong, and predict the number."""

from __future__ import annotations

import pytest

from tinygrad_zh.exercises import wrong_gradient

WRONG = wrong_gradient(6)
ANSWER = WRONG.answer


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    path = tmp_path_factory.mktemp("exercise") / "wrong.html"
    WRONG.document.save_html(path)
    return path


def accuse(screen):
    screen.tab.get_by_test_id("accuse").click()


# ---- which gradient is wrong?


def test_only_backward_steps_can_be_named_and_no_check_tells(show, asked):
    screen = show(asked)
    for step, data in enumerate(WRONG.document.steps):
        screen.to(step)
        assert screen.shown("wrong-gradient")
        assert screen.shown("accuse") == (data["phase"] == "backward")
        assert screen.text("check") == "" and not screen.shown("code-rule")


def test_an_innocent_step_is_cleared_with_its_numeric_check(show, asked):
    screen = show(asked, anchor="#step=9")
    accuse(screen)
    said = screen.text("verdict")
    assert "✗ Not this one: Add ⇒ ∂L/∂h follows from" in said and "✓" in said and "−1.7998" in said
    assert "Steps named so far: 1." in said and not screen.shown("accuse")
    assert "✗ Not this one" in screen.announced()
    screen.to(10)
    assert "✗" not in screen.text("verdict") and screen.shown("accuse") and screen.text("check") == ""


@pytest.mark.parametrize(
    ("language", "right", "diagnosis", "after"),
    [
        ("en", "● Right, this one is wrong: Tanh ⇒ ∂L/∂z2.", "the factor 1 − y² is there once too often",
         "Found with answer number 2."),
        ("zh", "● 答对了，错的就是这一步：Tanh ⇒ ∂L/∂z2。", "多乘了一次因子 1 − y²", "第 2 次回答时找到。"),
    ],
)
def test_the_wrong_step_is_found_and_explained(show, asked, language, right, diagnosis, after):
    screen = show(asked, anchor=f"#step=9&lang={language}")
    accuse(screen)
    screen.to(ANSWER)
    accuse(screen)
    said = screen.text("verdict")
    assert right in said and diagnosis in said and after in said
    assert "1.1668" in said and "✗" in screen.text("check")
    for other in (9, 10):
        screen.to(other)
        assert "✓" in screen.text("check") and not screen.shown("accuse")


def test_the_language_switch_translates_the_verdict_and_keeps_it(show, asked):
    screen = show(asked, anchor=f"#step={ANSWER}&lang=en")
    accuse(screen)
    screen.press("L")
    assert "答对了" in screen.text("verdict") and "多乘了一次" in screen.text("verdict")


def test_the_keys_still_step_after_an_answer(show, asked):
    screen = show(asked, anchor="#step=9")
    accuse(screen)
    assert screen.tab.evaluate("document.activeElement.id") == "side"
    screen.press("ArrowRight")
    assert screen.step == 10


# ---- predict the number


@pytest.fixture
def predicting(show, saved):
    def opened(sample, step):
        screen = show(saved(sample), anchor=f"#step={step}&lang=en")
        value = screen.element().value
        screen.tab.get_by_test_id("predict").click()
        return screen, float(value.replace("−", "-"))

    return opened


def backward_step(traces, sample, op):
    data = traces(sample).document().data
    return next(k for k, step in enumerate(data["steps"])
                if step["phase"] == "backward" and data["ops"][step["op"]]["name"] == op)


def answer(screen, words):
    screen.tab.get_by_test_id("guess").fill(words)
    screen.press("Enter")


def test_the_number_is_hidden_wherever_it_stands(predicting, traces):
    screen, _ = predicting("mlp", backward_step(traces, "mlp", "MatMul"))
    assert screen.element().value == "?"
    for of, cells in screen.grids().items():
        assert ("?" in cells.values()) == (of in ("target", "this", "after"))
    assert screen.text("check") == "" and "?" not in screen.text("upstream")
    assert "contribution ∂L/∂" in screen.text("predictor")
    assert screen.tab.get_by_test_id("predict").get_attribute("aria-pressed") == "true"


def test_typing_a_number_is_no_key_of_the_stepper(predicting, traces):
    step = backward_step(traces, "mlp", "MatMul")
    screen, _ = predicting("mlp", step)
    screen.press("9", "ArrowLeft", "q", "?", "L")
    assert screen.step == step and screen.language == "en"
    assert screen.tab.get_by_test_id("guess").input_value() == "q?L9"
    screen.press("Escape", "ArrowRight")
    assert screen.step == step + 1


def test_three_digits_are_right_and_two_are_not(predicting, traces):
    screen, value = predicting("mlp", backward_step(traces, "mlp", "MatMul"))
    answer(screen, f"{value * 1.02:.6g}")
    assert "✗ Not yet" in screen.text("score") and "Right so far: 0 of 1." in screen.text("score")
    assert screen.element().value == "?"
    answer(screen, "a half")
    assert "a half is no number" in screen.text("score") and "0 of 1." in screen.text("score")
    answer(screen, f"{value:.3g}".replace("-", "−"))
    assert "● Right" in screen.text("score") and "Right so far: 1 of 2." in screen.text("score")
    assert "?" not in screen.element().value and screen.text("check") != ""
    assert not screen.shown("guess")
    screen.press("ArrowRight")
    assert "●" not in screen.text("score")


FULL_WIDTH = str.maketrans("0123456789.-", "０１２３４５６７８９．－")


@pytest.mark.parametrize("written", [
    lambda number: f"  {number} ",
    lambda number: number.replace(".", ","),
    lambda number: number.replace("-", "−"),
    lambda number: number.translate(FULL_WIDTH),
    lambda number: f"{float(number):e}",
], ids=["spaces", "comma", "minus", "full width", "exponent"])
def test_a_number_is_read_as_people_type_it(predicting, traces, written):
    negative = next(k for k, step in enumerate(traces("mlp").document().steps)
                    if step["phase"] == "backward" and step["element"]["value"] < -0.1)
    screen, value = predicting("mlp", negative)
    answer(screen, written(f"{value:.4f}"))
    assert "● Right" in screen.text("score")


def test_a_number_can_be_shown_without_an_answer(predicting, traces):
    screen, value = predicting("mlp", backward_step(traces, "mlp", "MatMul"))
    screen.tab.get_by_test_id("reveal").click()
    assert f"It is {value:.3g}"[:9].replace("-", "−") in screen.text("score")
    assert "so far" not in screen.text("score") and "?" not in screen.element().value


def test_a_step_without_a_number_says_so_and_the_button_ends_it(predicting, traces):
    data = traces("mlp").document().data
    step = backward_step(traces, "mlp", "MatMul")
    screen, _ = predicting("mlp", step)
    skip = next(k for k, each in enumerate(data["steps"]) if each["phase"] == "skip")
    screen.press("Escape")
    screen.to(skip)
    assert "no number to predict" in screen.text("predictor")
    screen.to(step)
    screen.tab.get_by_test_id("predict").click()
    assert not screen.shown("predictor") and "?" not in screen.element().value


def test_another_element_is_another_number(predicting, traces):
    screen, _ = predicting("mlp", backward_step(traces, "mlp", "MatMul"))
    screen.tab.get_by_test_id("reveal").click()
    before = screen.picked
    screen.press(*(["l"] if before == 0 else ["h", "k"]))
    assert screen.picked != before and screen.element().value == "?"
