"""How a page opens: from its own file alone, in the reader's language, where the link or the trace says."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.stepper import samples
from tinygrad_zh.i18n import in_language, text

LOCALES = {"zh": "zh-CN", "en": "en-US"}
WORDS = {"zh": "前向", "en": "forward"}
KEY = re.compile(r"\b(?:stepper|glossary)\.\w+\.\w+")  # of the catalogue: never to be read
TOUR = [*"0]n", *(key for tenth in "123456789" for key in (tenth, "ArrowRight", "n", "]", "a")), "End"]


@pytest.mark.parametrize("language", LOCALES)
@pytest.mark.parametrize("sample", samples.SAMPLES)
def test_a_walk_to_the_end_asks_for_nothing_and_fails_nowhere(show, saved, traces, sample, language):
    """`show` looks at the mistakes: requests for anything but the file, messages of the console, errors."""
    last = len(traces(sample).document().steps) - 1
    screen = show(saved(sample), locale=LOCALES[language], anchor="#step=0")
    walked = screen.walk(["ArrowRight"] * last if last < 100 else TOUR)
    assert screen.step == last
    assert last > 100 or len(set(walked)) == last
    assert [key for text in walked for key in KEY.findall(text)] == []


@pytest.mark.parametrize("language", LOCALES)
def test_it_opens_in_the_readers_language(show, saved, language):
    screen = show(saved("s6"), locale=LOCALES[language])
    assert screen.language.startswith(language)
    assert WORDS[language] in screen.text("phase")


@pytest.mark.parametrize("locale", ["zh-TW", "zh-Hant-HK", "zh"])
def test_all_kinds_of_chinese_open_in_chinese(show, saved, locale):
    assert show(saved("s6"), locale=locale).language.startswith("zh")


def test_a_language_that_it_does_not_speak_opens_in_english(show, saved):
    assert show(saved("s6"), locale="fr-FR").language.startswith("en")


def test_the_language_of_the_link_is_stronger_than_the_readers(show, saved):
    assert show(saved("s6"), locale="en-US", anchor="#lang=zh").language.startswith("zh")


def test_save_html_can_choose_the_language(show, traces, tmp_path):
    traces("s6").save_html(tmp_path / "zh.html", lang="zh")
    assert show(tmp_path / "zh.html", locale="en-US").language.startswith("zh")


def test_the_switch_keeps_the_place_and_the_picked_element(show, saved, traces):
    step = _with_terms(traces("mlp"))
    screen = show(saved("mlp"), anchor=f"#step={step}")
    screen.press("j")
    picked = screen.picked
    assert picked is not None
    english = screen.texts()
    screen.press("L")
    assert screen.language.startswith("zh")
    assert (screen.step, screen.picked) == (step, picked)
    assert screen.texts() != english
    screen.tab.get_by_test_id("language").click()
    assert screen.language.startswith("en")
    assert screen.texts() == english


def test_a_link_opens_at_its_step_and_element(show, saved, traces):
    step = _with_terms(traces("mlp"))
    walked = show(saved("mlp"))
    walked.to(step)
    walked.press("j")
    pick = ",".join(map(str, walked.element().index))
    linked = show(saved("mlp"), anchor=f"#step={step}&pick={pick}")
    assert linked.step == step
    assert linked.picked == walked.picked
    assert linked.texts() == walked.texts()


@pytest.mark.parametrize("anchor", ["#step=99999", "#step=-4", "#step=x", "#pick=9,9,9,9", "#lang=tlh", "#%%%"])
def test_a_link_to_nowhere_opens_all_the_same(show, saved, anchor):
    screen = show(saved("s6"), anchor=anchor)
    screen.press("Home", "ArrowRight")
    assert screen.step == 1


def test_the_link_in_the_address_is_followed_without_loading_anew(show, saved):
    screen = show(saved("s6"))
    screen.tab.evaluate("location.hash = '#step=7'")
    screen.tab.wait_for_selector("body[data-step='7']")


def test_an_unfinished_trace_opens_at_the_op_that_failed(show, saved, traces):
    steps = traces("error").document().steps
    error = len(steps) - 1
    assert steps[error]["phase"] == "error"
    screen = show(saved("error"))
    assert screen.step == error
    for language in ("en", "zh"):
        if not screen.language.startswith(language):
            screen.press("L")
        with in_language(language):
            assert text("stepper.phase.error") in screen.text("phase")
        assert steps[error]["hint"][language] in screen.text("hint")
        assert steps[error]["message"].split(":")[0] in screen.text("error")
        for t in traces("error").document().data["ops"][steps[error]["op"]]["inputs"]:
            shape = traces("error").document().data["tensors"][t]["shape"]
            assert "".join(str(tuple(shape)).split()) in "".join(screen.text("shapes").split())


def test_x_finds_the_first_op_that_made_what_is_not_finite(show, tmp_path):
    x = tz.tensor([0.5, 0.0], requires_grad=True)
    with np.errstate(all="ignore"), tz.record(title="nan") as trace:
        h = x * 2.0
        (tz.functional.log(h) * h).sum().backward()
    trace.save_html(tmp_path / "nan.html")
    screen = show(tmp_path / "nan.html")
    assert screen.step == 0
    screen.press("x")
    assert screen.step == 1
    assert "Log" in screen.text("headline")
    assert "−inf" in screen.grids()["target"].values()
    screen.press("x")
    assert "nan" in screen.grids()["target"].values()


def _with_terms(trace):
    """A backward step on a matrix, whose element has several terms."""
    document = trace.document()
    return next(i for i, s in enumerate(document.steps)
                if s["phase"] == "backward" and s["element"] and len(s["element"]["terms"]) > 2
                and len(document.data["tensors"][s["tensor"]]["shape"]) == 2)
