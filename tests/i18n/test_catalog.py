"""The catalogue against itself, and against the code that uses it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import tinygrad_zh.i18n
from tinygrad_zh.i18n import catalogue, in_language, text

PACKAGE = Path(tinygrad_zh.i18n.__file__).parents[1]
CATALOGUE = catalogue()
CHINESE = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
LOOKED_UP_BY_THEIR_ENGLISH = "argparse."


def placeholders(template: str) -> set[str]:
    """Names in str.format's {name} and in argparse's %(name)s."""
    return {name for _, name, _, _ in Formatter().parse(template) if name is not None} | set(
        re.findall(r"%(?:\(\w+\))?[a-z]", template)
    )


def formats(template: str) -> set[str]:
    return {spec for _, name, spec, _ in Formatter().parse(template) if name is not None and spec}


def pattern_of(part: ast.expr) -> str:
    return re.escape(part.value) if isinstance(part, ast.Constant) else r"\w+"


def strings_in_code() -> tuple[set[str], set[str], set[str]]:
    """The package's string constants; the keys given to text() and say(); those built by an f-string, as patterns."""
    constants, keys, patterns = set(), set(), set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                constants.add(node.value)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", None) in ("text", "say") and node.args:
                key = node.args[0]
                if isinstance(key, ast.Constant):
                    keys.add(key.value)
                elif isinstance(key, ast.JoinedStr):
                    patterns.add("".join(map(pattern_of, key.values)))
    for literal in strings_in_pages():
        if "${" in literal:
            patterns.add(r"\w+".join(map(re.escape, re.split(r"\$\{[^}]*\}", literal))))
        else:
            constants.add(literal)
            keys.add(literal)
    return constants, keys, patterns


def strings_in_pages() -> list[str]:
    """Every key written in a page: in JavaScript, as a string or a template; in HTML, as an attribute's value."""
    files = [path for suffix in ("js", "html") for path in PACKAGE.rglob(f"*.{suffix}")]
    quoted = r"""(["`])((?:stepper|glossary)\.(?:[\w.]|\$\{[^}]*\})+)\1"""
    return [key for path in files for _, key in re.findall(quoted, path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("key", CATALOGUE)
def test_both_languages_say_it_with_the_same_values(key):
    entry = CATALOGUE[key]
    assert entry.keys() == {"zh", "en"}
    assert all(each.strip() for each in entry.values())
    assert placeholders(entry["zh"]) == placeholders(entry["en"])
    assert formats(entry["zh"]) == formats(entry["en"])
    assert not CHINESE.search(re.sub('".*?"', "", entry["en"]))  # in quotes it is data: a sentence to ask with


def test_the_keys_are_dotted_and_lower_case_and_sorted():
    assert [key for key in CATALOGUE if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", key)] == []
    assert list(CATALOGUE) == sorted(CATALOGUE)


def test_no_key_is_filed_twice():
    lines = (PACKAGE / "i18n" / "catalog.json").read_text(encoding="utf-8").splitlines()
    assert sum(line.endswith(": {") for line in lines) == len(CATALOGUE)


def test_every_text_is_used():
    constants, _, patterns = strings_in_code()
    unused = [
        key
        for key in CATALOGUE
        if key not in constants
        and not key.startswith(LOOKED_UP_BY_THEIR_ENGLISH)
        and not any(re.fullmatch(pattern, key) for pattern in patterns)
    ]
    assert unused == []


def test_every_text_that_is_used_exists():
    _, keys, patterns = strings_in_code()
    assert keys, "the search must find the calls"
    assert sorted(keys - CATALOGUE.keys()) == []
    assert [p for p in sorted(patterns) if not any(re.fullmatch(p, key) for key in CATALOGUE)] == []


def test_a_text_is_filled_in_the_language_in_force():
    with in_language("zh"):
        assert text("cli.error", message="x") == "错误：x"
    with in_language("en"):
        assert text("cli.error", message="x") == "error: x"


def test_an_unknown_key_is_named():
    with pytest.raises(KeyError, match=r"no.such\.text"):
        text("no.such.text")


def test_a_missing_value_is_named_with_its_key():
    with pytest.raises(KeyError, match=r"cli\.error.*message"):
        text("cli.error")
