"""The same page inside a notebook: in a sandboxed frame, beside others, and after nbconvert."""

from __future__ import annotations

import html
import json
import os
from pathlib import Path

import pytest

import tinygrad_zh as tz

ROOT = Path(tz.__file__).parents[1]


def frames(screen):
    found = [frame for frame in screen.tab.frames if frame.parent_frame is not None]
    for frame in found:
        frame.wait_for_selector("body[data-ready]")
    return found


def steps(frame):
    return frame.locator("body").get_attribute("data-step")


def test_it_works_in_a_sandbox(show, saved, tmp_path):
    """Without an origin: no storage, no clipboard, no address of its own."""
    page = saved("mlp").read_text(encoding="utf-8")
    outer = tmp_path / "outer.html"
    outer.write_text(f"<!doctype html><meta charset=utf-8><body data-ready>"
                     f'<iframe sandbox="allow-scripts" width=1200 height=700 srcdoc="{html.escape(page)}"></iframe>',
                     encoding="utf-8")
    screen = show(outer)
    (frame,) = frames(screen)
    first = int(steps(frame))
    frame.get_by_test_id("next").click()
    assert int(steps(frame)) == first + 1
    for key in ("ArrowRight", "L", "y", "?", "Escape"):
        screen.press(key)
    assert int(steps(frame)) == first + 2
    assert frame.locator("html").get_attribute("lang").startswith("zh")


def test_the_value_of_a_cell_is_a_sandboxed_frame_with_the_page(show, traces, tmp_path):
    shown = traces("s6")._repr_html_()
    assert 'sandbox="allow-scripts"' in shown
    outer = tmp_path / "cell.html"
    outer.write_text(f"<!doctype html><meta charset=utf-8><body data-ready>{shown}", encoding="utf-8")
    (frame,) = frames(show(outer))
    frame.get_by_test_id("next").click()
    assert steps(frame) == "1"


def test_two_of_them_share_nothing(show, traces, tmp_path):
    outer = tmp_path / "two.html"
    outer.write_text(f"<!doctype html><meta charset=utf-8><body data-ready>{traces('s6')._repr_html_()}"
                     f"{traces('mlp')._repr_html_()}", encoding="utf-8")
    one, two = frames(show(outer))
    for _ in range(3):
        one.get_by_test_id("next").click()
    one.get_by_test_id("language").click()
    assert (steps(one), steps(two)) == ("3", "0")
    languages = [frame.locator("html").get_attribute("lang")[:2] for frame in (one, two)]
    assert languages == ["zh", "en"]
    assert one.get_by_test_id("title").inner_text() != two.get_by_test_id("title").inner_text()


@pytest.mark.slow
def test_an_executed_notebook_that_nbconvert_made_a_page_of(browser, tmp_path, monkeypatch):
    """The page of nbconvert asks for scripts of its own; the frame inside it must do without any."""
    nbconvert = pytest.importorskip("nbconvert", reason="nbconvert is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    import nbformat

    source = ("import tinygrad_zh as tz\nx = tz.tensor(3.0, requires_grad=True)\n"
              "with tz.record(title='a cell') as trace:\n    (x * x + x).backward()\ntrace")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    for folder in (ROOT / "kernels", ROOT):
        monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    nbconvert.preprocessors.ExecutePreprocessor(timeout=60).preprocess(notebook, {"metadata": {"path": str(tmp_path)}})
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    path = tmp_path / "notebook.html"
    path.write_text(page, encoding="utf-8")

    context = browser.new_context(locale="zh-CN")
    tab = context.new_page()
    tab.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    frame = tab.frame_locator("iframe[srcdoc]")
    for _ in range(5):  # the frame is a process of its own, which on a busy machine hears of the locale too late
        tab.goto(path.as_uri())
        frame.locator("body[data-ready]").wait_for()
        if frame.locator("html").get_attribute("lang") == "zh-CN":
            break
    frame.get_by_test_id("next").click()
    assert frame.locator("body").get_attribute("data-step") == "1"
    assert frame.locator("html").get_attribute("lang") == "zh-CN"
    context.close()


# ---- what a trace says is text, whatever it says

HOSTILE = """</script><img src=x onerror="window.mine = 1"><svg onload="window.mine = 2">"'`&amp;]]>${7*7}<!--"""


@pytest.fixture
def hostile(tmp_path):
    """A trace whose every string wants to be a script, saved as a page."""
    program = tmp_path / "hostile.py"
    program.write_text(f"def loss(w):\n    return (w * w).sum()  # {HOSTILE}\n", encoding="utf-8")
    space: dict[str, object] = {}
    exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), space)
    w = tz.tensor([1.0, 2.0], requires_grad=True, name=HOSTILE)
    with tz.record(title=HOSTILE) as trace:
        space["loss"](w).backward()
    return trace


def test_hostile_words_run_nothing(show, hostile, tmp_path):
    hostile.save_html(tmp_path / "hostile.html")
    screen = show(tmp_path / "hostile.html", anchor="#step=0")
    for _ in hostile.document().steps:
        assert "onerror" in screen.tab.inner_text("body")
        screen.press("ArrowRight")
    screen.press("/")
    screen.tab.keyboard.type(HOSTILE)
    screen.press("Enter", "Escape", "L", "y", "?")
    assert screen.tab.evaluate("window.mine") is None
    assert screen.tab.locator("img, body b > svg[onload]").count() == 0
    assert "onerror" in screen.tab.title()


def test_a_hostile_link_runs_nothing(show, saved):
    from urllib.parse import quote

    screen = show(saved("s6"), anchor=f"#step={quote(HOSTILE)}&lang={quote(HOSTILE)}&pick={quote(HOSTILE)}")
    assert screen.tab.evaluate("window.mine") is None
    assert screen.tab.locator("img").count() == 0


def test_the_page_carries_its_trace_unharmed(hostile, tmp_path):
    hostile.save_html(tmp_path / "hostile.html")
    page = (tmp_path / "hostile.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert json.dumps(HOSTILE)[1:20] not in page
