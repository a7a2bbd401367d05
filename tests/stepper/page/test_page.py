"""The page as a file: what can be said of it without a browser."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest

import tinygrad_zh.stepper.page
from tests.stepper import handmade, samples
from tinygrad_zh.i18n import catalogue
from tinygrad_zh.stepper import navigation
from tinygrad_zh.stepper.page import Extra, iframe, page, save
from tinygrad_zh.stepper.page.page import PLAIN, SCRIPTS

FOLDER = Path(tinygrad_zh.stepper.page.__file__).parent
NAMESPACES = {"http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"}
HOSTILE = '</script><script>alert("1")</script><!--<script>\u2028{{data}}"\'&amp;<img src=x onerror=alert(1)>'


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text of each element that has an id."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id") or tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        self.texts[self.inside] = self.texts.get(self.inside, "") + data

    def attributes(self, name):
        return next(attributes for _, attributes in self.tags if attributes.get("id") == name)

    def embedded(self, name):
        text = self.texts[name]
        if self.attributes(name).get("data-packed") == "deflate":
            return zlib.decompress(base64.b64decode(text, validate=True)).decode()
        return text


def small(**changes):
    document = handmade.square()
    document["meta"].update(changes)
    return document


def long():
    document = small()
    document["sources"] = {"long.py": {str(n): f"x{n} = {n * n}" for n in range(1, 4000)}}
    return document


# ---- what is embedded


@pytest.mark.parametrize(("document", "packed"), [(small(), None), (long(), "deflate")])
def test_the_data_comes_back_as_it_was_and_is_packed_where_it_is_long(document, packed):
    elements = Elements(page([document, document], title="t", lang="zh", extra=Extra(data={"a": [1]})))
    assert elements.attributes("data").get("data-packed") == packed
    data = json.loads(elements.embedded("data"))
    assert data == {"documents": [document, document], "language": "zh", "extra": {"a": [1]}}
    assert (len(json.dumps(data)) > PLAIN) is (packed is not None)


def test_short_data_can_be_read_and_searched_in_the_file():
    assert '"title":"一个标题"' in page([small(title="一个标题")], title="t")


def test_every_text_of_the_stepper_and_the_glossary_is_there_in_both_languages():
    words = json.loads(Elements(page([], title="t")).embedded("texts"))
    said = {key for key in catalogue() if key.startswith(("stepper.", "glossary."))}
    assert {key for key in said if not key.startswith("stepper.fix.")} == words["texts"].keys()
    assert all(both.keys() == {"en", "zh"} for both in words["texts"].values())
    assert words["keys"] == navigation.keys()


def test_a_number_that_json_does_not_have_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        page([small(seconds=float("nan"))], title="t")


# ---- what it may do


def test_nothing_can_be_fetched_and_nothing_asks_for_it():
    text = page([small()], title="t")
    (policy,) = (a["content"] for _, a in Elements(text).tags if "http-equiv" in a)
    assert policy == ("default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
                      "connect-src 'none'")  # fmt: skip
    assert "http:" not in text and "https:" not in text and "url(//" not in text
    program = Elements(text).embedded("program")
    assert set(re.findall(r"https?://[\w./]+", program)) == NAMESPACES
    assert not {name for _, a in Elements(text).tags for name in a} & {"src", "href", "action", "background", "poster"}


def test_a_view_of_a_running_program_may_connect_to_that_program_alone():
    tags = Elements(page([], title="t", extra=Extra(connect="http://127.0.0.1:8000"))).tags
    (policy,) = (a["content"] for _, a in tags if "http-equiv" in a)
    assert policy.endswith("connect-src http://127.0.0.1:8000") and policy.startswith("default-src 'none';")


def test_names_titles_and_sources_cannot_become_markup():
    document = small(title=HOSTILE)
    document["tensors"][0]["name"] = HOSTILE
    document["sources"] = {HOSTILE: {"1": HOSTILE}}
    harmless = Elements(page([small()], title="t"))
    elements = Elements(page([document], title=HOSTILE))
    assert [tag for tag, _ in elements.tags] == [tag for tag, _ in harmless.tags]
    assert elements.texts["title"] == HOSTILE
    assert json.loads(elements.embedded("data"))["documents"] == [document]


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.js")), ids=lambda file: file.name)
def test_no_script_makes_markup_or_code_of_text(file):
    of_text = r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|DOMParser"
    assert not re.search(of_text, file.read_text(encoding="utf-8"))


# ---- the program


def test_every_script_of_the_folder_is_in_the_page_or_named_as_another_views():
    assert {file.stem for file in FOLDER.glob("*.js")} == {*SCRIPTS, "loader", "live"}


def test_no_name_is_given_twice():
    """All scripts share one scope: a second function of one name would silently take the first one's place."""
    declared = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.M)
    sources = [file.read_text(encoding="utf-8") for file in FOLDER.parents[1].rglob("*.js")]
    names = [name for source in sources for name in declared.findall(source)]
    assert len(names) > 100
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_every_key_of_the_table_has_its_action():
    source = (FOLDER / "keys.js").read_text(encoding="utf-8")
    actions = source.partition("const ACTIONS = {")[2].partition("\n};")[0]
    assert set(re.findall(r"^  (\w+):", actions, re.M)) == {entry["action"] for entry in navigation.keys()}


def test_every_control_in_the_markup_has_a_name():
    for tag, attributes in Elements(page([], title="t")).tags:
        if tag in ("button", "input", "dialog", "section", "nav") and attributes.get("id") != "language":
            assert attributes.keys() & {"data-t", "data-t-label", "aria-label", "aria-labelledby"}, attributes


# ---- the file


BUDGETS = [("mlp30", 121, 200), pytest.param("blocks250", 1001, 1024, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("name", "ops", "budget"), BUDGETS)
def test_the_bytes_of_a_page_of_many_ops(tmp_path, name, ops, budget):
    trace = samples.trace(name).document()
    assert len(trace.data["ops"]) == ops
    assert save(tmp_path / "page.html", [trace.data], title=trace.title).stat().st_size <= budget * 1024


def test_saving_replaces_the_file_whole_or_leaves_it(tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("the disk is full")))
    with pytest.raises(OSError, match="disk is full"):
        save(path, [small()], title="t")
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
    monkeypatch.undo()
    assert save(path, [small()], title="t") == path
    assert [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()] == [page([small()], title="t")]


def test_saving_through_a_symbolic_link_keeps_the_link(tmp_path):
    (tmp_path / "link.html").symlink_to(tmp_path / "page.html")
    save(tmp_path / "link.html", [small()], title="t")
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_notebooks_frame_holds_the_page_and_may_only_run_scripts():
    text = page([small(title=HOSTILE)], title=HOSTILE)
    ((tag, attributes),) = Elements(iframe(text)).tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == text
    assert attributes["sandbox"] == "allow-scripts"
    assert html.escape(text) in iframe(text)
