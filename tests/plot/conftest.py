from __future__ import annotations

import re

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.fixture
def pretend_font(monkeypatch):
    """Chinese stays text in an SVG, so that what is written can be read back where no Chinese font is."""
    monkeypatch.setattr("tinygrad_zh.plot.page.chinese_font", lambda: "DejaVu Sans")


@pytest.fixture
def words():
    """The texts of an SVG, in the order in which they were drawn."""
    return lambda path: re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text(encoding="utf-8"))
