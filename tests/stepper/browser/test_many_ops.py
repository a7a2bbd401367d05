"""A thousand ops: few nodes, and none that cannot be reached."""

from __future__ import annotations

import pytest

import tinygrad_zh as tz
from tests.stepper import samples


@pytest.mark.parametrize("sample", ["mlp30", "blocks250", "flat999"])
def test_at_most_sixty_nodes_are_drawn(show, saved, traces, sample):
    last = len(traces(sample).document().steps) - 1
    screen = show(saved(sample), anchor="#step=0")
    for step in (0, last // 3, last // 2, last - 5, last):
        screen.to(step)
        assert 2 <= screen.tab.locator(".node").count() <= 60, step
        assert screen.tab.locator(".node.current").count() == 1, step


def test_a_long_chain_without_modules_shows_the_neighbourhood(show, tmp_path):
    with tz.record(title="chain") as trace:
        samples.flat(90)
    trace.save_html(tmp_path / "chain.html")
    screen = show(tmp_path / "chain.html")
    for step in (0, 45, 100):
        screen.to(step)
        assert 10 <= screen.tab.locator(".node").count() <= 60
        assert screen.tab.locator(".node.current").count() == 1


def test_a_folded_block_opens_and_closes(show, saved):
    screen = show(saved("blocks250"), anchor="#step=400")
    counts = [screen.tab.locator(".node").count()]
    for _ in range(2):
        screen.press("e")
        counts.append(screen.tab.locator(".node").count())
    assert counts[0] == counts[2] != counts[1]


def test_the_file_is_within_its_budget(saved):
    assert saved("mlp30").stat().st_size <= 200 * 1024
    assert saved("blocks250").stat().st_size <= 1024 * 1024
