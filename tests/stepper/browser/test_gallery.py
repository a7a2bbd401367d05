"""The gallery's page: its entrance, and the way from there to every exhibit and back."""

from __future__ import annotations

from pathlib import Path

import pytest

import tinygrad_zh as tz
from tinygrad_zh.documents.gallery.exhibits import EXHIBITS
from tinygrad_zh.documents.gallery.page import FILE

GALLERY = Path(tz.__file__).parents[1] / FILE


@pytest.fixture
def gallery(show):
    return lambda **options: show(GALLERY, **options)


def test_it_opens_at_the_entrance_in_the_reader_s_language(gallery):
    for locale, heading in (("zh-CN", "展厅"), ("en-US", "Gallery")):
        tab = gallery(locale=locale).tab
        assert tab.locator("#gallery h2").inner_text() == heading
        assert tab.locator("#gallery li").count() == len(EXHIBITS)
        assert not tab.locator("#stepper").is_visible()


def test_the_switch_changes_the_cards(gallery):
    tab = gallery().tab
    assert "three times" in tab.locator("#gallery h3").first.inner_text()
    tab.click("#language")
    assert tab.locator("#gallery h3").first.inner_text() == "一个值用了三次"
    assert tab.locator("#chooser option").first.inner_text() == "一个值用了三次"


@pytest.mark.parametrize("k", range(len(EXHIBITS)))
def test_a_card_opens_its_exhibit_at_the_first_step(gallery, k):
    tab = gallery().tab
    tab.locator("#gallery li button").nth(k).click()
    assert tab.locator("#stepper").is_visible() and not tab.locator("#gallery").is_visible()
    assert (tab.locator("body").get_attribute("data-step"), tab.locator("#chooser").input_value()) == ("0", str(k))
    tab.keyboard.press("ArrowRight")
    assert tab.locator("body").get_attribute("data-step") == "1"


def test_each_button_says_which_exhibit_it_opens(gallery):
    tab = gallery().tab
    buttons = tab.locator("#gallery li button").all()
    names = [button.get_attribute("aria-label") for button in buttons]
    assert len(set(names)) == len(EXHIBITS)


def test_a_link_to_a_step_passes_by_the_entrance(gallery):
    screen = gallery(anchor="#trace=3&step=5&lang=zh")
    assert screen.tab.locator("#stepper").is_visible()
    assert screen.tab.locator("body").get_attribute("data-step") == "5"
    assert screen.tab.locator("#chooser").input_value() == "3"
