"""The keys: those of the one table, and they lead where navigation.py says."""

from __future__ import annotations

import random

import pytest

from tinygrad_zh.stepper import navigation

KEYS = [(entry["action"], key) for entry in navigation.keys() for key in entry["keys"]]


def test_twenty_steps_one_by_one_are_step_twenty(show, saved):
    walked, jumped = show(saved("mlp")), show(saved("mlp"), anchor="#step=20")
    seen = []
    for _ in range(20):
        seen.append(walked.texts())
        walked.press("ArrowRight")
    assert walked.step == jumped.step == 20
    assert walked.texts() == jumped.texts()
    assert walked.drawn() == jumped.drawn()
    for before in reversed(seen):
        walked.press("ArrowLeft")
        assert walked.texts() == before


@pytest.mark.parametrize("sample", ["s6", "mlp30", "error", "nan"])
def test_end_is_the_last_step_and_home_the_first(show, saved, traces, sample):
    screen = show(saved(sample), anchor="#step=0")
    first = screen.texts()
    screen.press("End")
    assert screen.step == len(traces(sample).document().steps) - 1
    screen.press("ArrowRight")
    assert screen.step == len(traces(sample).document().steps) - 1
    screen.press("Home")
    assert screen.texts() == first
    screen.press("ArrowLeft")
    assert screen.step == 0


@pytest.mark.parametrize("sample", ["mlp", "reused", "attention", "nan", "error"])
def test_each_key_goes_where_the_terminal_would_go(show, saved, traces, sample):
    data = traces(sample).document().data
    choose = random.Random(sample)
    ways = [(key, navigation.MOVES[action]) for action, key in KEYS if action in navigation.MOVES]
    ways += [(str(n), lambda data, step, n=n: navigation.percent(data, n)) for n in range(10)]
    moves, expected = [], []
    for key, go in ways:
        for step in choose.sample(range(len(data["steps"])), 3):
            there = go(data, step)
            moves.append((step, PRESSED.get(key, key)))
            expected.append(step if there is None else there)
    found = show(saved(sample)).jumps(moves)
    assert dict(zip(moves, found, strict=True)) == dict(zip(moves, expected, strict=True))


@pytest.mark.parametrize("query", ["relu", "matmul", "(", "w", "nowhere at all", "nan"])
def test_find_and_its_next_hits(show, saved, traces, query):
    data = traces("mlp").document().data
    hits = navigation.find(data, query)
    screen = show(saved("mlp"), anchor="#step=0")
    screen.press("/")
    screen.tab.keyboard.type(query)
    screen.press("Enter", "Escape")
    at = hits[0] if hits else 0
    assert screen.step == at
    for _ in range(3 if hits else 1):
        screen.press("N")
        at = navigation.find_next(data, query, at) if hits else 0
        assert screen.step == at


def test_letters_in_the_search_field_are_letters(show, saved):
    screen = show(saved("mlp"), anchor="#step=5")
    screen.press("/")
    screen.tab.keyboard.type("nLae? 0")
    assert screen.step == 5 and screen.language.startswith("en")
    assert screen.tab.get_by_test_id("find").input_value() == "nLae? 0"


PRESSED = {"right": "ArrowRight", "left": "ArrowLeft", "shift+right": "Shift+ArrowRight",
           "shift+left": "Shift+ArrowLeft", "space": " ", "home": "Home", "end": "End", "enter": "Enter",
           "escape": "Escape"}


@pytest.mark.parametrize("sample", ["reused", "softmax"])
def test_every_key_does_something_or_says_why_not(show, saved, traces, sample):
    """Also at the last step, where there is nothing more to go to, to find, to open."""
    step = len(traces(sample).document().steps) - 1
    screen = show(saved(sample), anchor=f"#step={step}")
    silent = []
    for action, key in {action: key for action, key in KEYS if key != str(step)}.items():
        screen.tab.reload()
        screen.wait()
        before = screen.state()
        screen.press(PRESSED.get(key, key))
        if not screen.becomes_other_than(before):
            silent.append((action, key))
    assert silent == []


def test_the_help_names_every_key(show, saved):
    for language in ("en", "zh"):
        screen = show(saved("s6"), anchor=f"#lang={language}")
        screen.press("?")
        keys = [k.inner_text() for k in screen.tab.locator("dialog[open] kbd").all()]
        assert len(keys) >= len({action for action, _ in KEYS})
        for _, key in KEYS:
            if len(key) == 1 and not key.isdigit():
                assert key in keys, key
        screen.press("Escape")
        assert not screen.tab.locator("dialog[open]").count()


def test_a_click_on_a_node_goes_to_its_op(show, saved, traces):
    screen = show(saved("mlp"), anchor="#step=0")
    nodes = screen.tab.locator(".node")
    assert nodes.count() > 2
    before = screen.text("headline")
    nodes.nth(2).click()
    assert screen.text("headline") != before


def test_the_buttons_step(show, saved):
    screen = show(saved("mlp"), anchor="#step=3")
    screen.tab.get_by_test_id("next").click()
    assert screen.step == 4
    screen.tab.get_by_test_id("previous").click()
    screen.tab.get_by_test_id("previous").click()
    assert screen.step == 2
