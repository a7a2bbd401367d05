"""One self-contained offline file: the stepper's page, with the traces, the texts and the keys inside it. 单文件网页

Nothing is fetched: the content security policy forbids it. What a document says (names, source lines, titles) only
ever reaches the page as text, never as markup.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
import zlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_zh.disk import whole_file
from tinygrad_zh.i18n import catalogue

PLAIN = 32 * 1024  # bytes of JSON up to which it stays readable in the file; above, deflate and base64
# One program, in this order; what is added stands before main.js, which starts it.
SCRIPTS = (
    "dom", "language", "numbers", "document", "navigation", "formula", "grid", "jacobian", "element", "source",
    "sentence", "sections", "panel", "outline", "layout", "graph", "scrubber", "glossary", "help", "hash", "views",
    "exercise", "keys", "main",
)  # fmt: skip
ROOMS = ("stepper.", "glossary.")
NOT_SAID = "stepper.fix."  # an error's fix stands in the document, filled in


class Extra(NamedTuple):
    """Another view in the same page: its script and style, its data, and the origin that it may connect to."""

    script: str = ""
    style: str = ""
    data: Any = None
    connect: str = "'none'"


def page(
    documents: Sequence[dict[str, Any]], *, title: str, lang: str | None = None, extra: Extra | None = None
) -> str:
    """The HTML of one page that steps through `documents`, in `lang` or in the reader's own language. 网页

    Several documents get a chooser. Raises ValueError for a value that JSON cannot hold (nan is the string "nan").
    """
    extra = extra or Extra()
    program = "\n".join([*(_part(f"{name}.js") for name in SCRIPTS[:-1]), extra.script, _part("main.js")])
    parts = {
        "title": html.escape(title),
        "lang": "zh-CN" if lang == "zh" else "en",
        "connect": html.escape(extra.connect),
        "style": _light(_part("page.css") + extra.style),
        "texts": _embedded("texts", _json(_texts())),
        "data": _embedded("data", _json({"documents": list(documents), "language": lang, "extra": extra.data})),
        "program": _embedded("program", f"(() => {{\n{_light(program)}\n}})();"),
        "loader": _light(_part("loader.js")),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _light(_part("page.html")))


def save(
    path: str | os.PathLike[str],
    documents: Sequence[dict[str, Any]],
    *,
    title: str,
    lang: str | None = None,
    extra: Extra | None = None,
) -> Path:
    """Write the page whole to `path`, or leave what was there. Raises OSError when it cannot be written. 保存网页"""
    content = page(documents, title=title, lang=lang, extra=extra).encode()
    with whole_file(path) as beside:
        beside.write_bytes(content)
    return Path(path)


def iframe(page: str, height: int = 640) -> str:
    """The page in a notebook's cell: a frame of its own, which may run scripts and nothing else. 笔记本中的网页"""
    return (
        f'<iframe srcdoc="{html.escape(page)}" sandbox="allow-scripts" title="tinygrad_zh" '
        f'style="width:100%;height:{height}px;border:1px solid #8884;border-radius:8px"></iframe>'
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _light(source: str) -> str:
    """Without indentation, empty lines and whole lines of comment: they are for the reader of this folder."""
    lines = (line.strip() for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def _texts() -> dict[str, Any]:
    """Every text of the stepper and the glossary in both languages, the table of keys and that of the terms."""
    texts = {key: both for key, both in catalogue().items() if key.startswith(ROOMS) and not key.startswith(NOT_SAID)}
    tables = {name: files("tinygrad_zh.stepper").joinpath(f"{name}.json") for name in ("keys", "glossary")}
    return {"texts": texts, **{name: json.loads(file.read_text(encoding="utf-8")) for name, file in tables.items()}}


def _json(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _embedded(name: str, text: str) -> str:
    """A script element that the browser does not run: the text as it is, or packed where it is long."""
    if len(text.encode()) <= PLAIN and "<" not in text:
        return f'<script id="{name}" type="text/plain">{text}</script>'
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return f'<script id="{name}" type="text/plain" data-packed="deflate">{packed}</script>'
