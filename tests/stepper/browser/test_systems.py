"""The documents' systems in a browser: every page opens, and shows the element that it writes out."""

from __future__ import annotations

import json

import pytest

from tinygrad_zh.cli import main
from tinygrad_zh.documents import SYSTEMS


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_s_page_shows_the_picked_element_whatever_its_axes(name, show, tmp_path):
    if name == "s2":
        pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    files = tmp_path / "page.html", tmp_path / "trace.json"
    assert main(["step", name, "--html", str(files[0]), "--json", str(files[1])]) == 0
    data = json.loads(files[1].read_text(encoding="utf-8"))
    backward = [k for k, step in enumerate(data["steps"]) if step["phase"] == "backward" and step["element"]]
    most_axes = max(backward, key=lambda k: len(data["steps"][k]["element"]["index"]))
    screen = show(files[0], anchor=f"#step={most_axes}")
    written = data["steps"][most_axes]["element"]["value"]
    picked = screen.tab.locator("td.picked").first
    assert float(picked.get_attribute("title")) == pytest.approx(written, rel=1e-4)
