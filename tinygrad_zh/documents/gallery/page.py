"""The exhibits as one page, the same bytes each time: without dates, durations and versions. 生成展厅页"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents.gallery.exhibits import EXHIBITS
from tinygrad_zh.i18n import LANGUAGES, in_language, text
from tinygrad_zh.stepper import record
from tinygrad_zh.stepper.page import Extra, save

FILE = Path("notebooks/pages/gallery.html")
Both = dict[str, str]


def write(path: Path = FILE) -> None:
    """Record every exhibit and write the page."""
    save(path, [document(name) for name in EXHIBITS], title=joined(both(lambda: text("gallery.title"))),
         extra=entrance())


def document(name: str) -> dict[str, Any]:
    """One exhibit's trace, without what differs from run to run."""
    manual_seed(0)
    run = EXHIBITS[name]()
    with record(title=joined(title(name))) as trace:
        run()
    data = trace.document().data
    data["meta"].update(created="", versions={}, command=None)
    for op in data["ops"]:
        op["seconds"] = None
    return data


def entrance() -> Extra:
    """The page's first view: what to look for in each exhibit, in both languages."""
    cards = [{"title": title(name), "look": look(name)} for name in EXHIBITS]
    texts = {"gallery.title": both(lambda: text("gallery.title")),
             "gallery.introduction": both(lambda: text("gallery.introduction")),
             "gallery.open": both(lambda: text("gallery.open"))}
    script, style = (files(__package__).joinpath(f"gallery.{kind}").read_text("utf-8") for kind in ("js", "css"))
    return Extra(script=script, style=style, data={"texts": texts, "cards": cards})


def title(name: str) -> Both:
    return both(lambda: text(f"gallery.{name}.title"))


def look(name: str) -> Both:
    return both(lambda: text(f"gallery.{name}.look"))


def both(say: Callable[[], str]) -> Both:
    """What is said in each language."""
    said = {}
    for code in LANGUAGES:
        with in_language(code):
            said[code] = say()
    return said


def joined(words: Both) -> str:
    """Both languages at once, where a page has one text for all of its readers."""
    return f"{words['zh']} · {words['en']}"
