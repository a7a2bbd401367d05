"""notebooks/pages: what is in the repository is what the code says now."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import tinygrad_zh as tz
from tinygrad_zh.documents.formulas import FORMULAS
from tinygrad_zh.documents.formulas.page import FILES, FOLDER, main, page
from tinygrad_zh.i18n import in_language

ROOT = Path(tz.__file__).parents[1]


@cache
def made(language: str) -> str:
    with in_language(language):
        return page()


@pytest.mark.parametrize("language", FILES)
def test_the_page_is_up_to_date(language: str):
    kept = (ROOT / FOLDER / FILES[language]).read_text(encoding="utf-8")
    assert kept == made(language), "make it anew: python -m tinygrad_zh.documents.formulas.page"


@pytest.mark.parametrize("language", FILES)
def test_its_links_lead_to_the_lines_and_sections(language: str):
    text = made(language)
    headings = re.findall(r"^## (F\d\d)$", text, re.MULTILINE)
    assert headings == [row.id for row in FORMULAS]
    assert re.findall(r"\]\(#(f\d\d)\)", text) == [heading.lower() for heading in headings]
    links = re.findall(r"\]\(\.\./\.\./(\S+)#L(\d+)\): `(.+)`$", text, re.MULTILINE)
    assert len(links) == sum(len(row.lines) for row in FORMULAS)
    for file, number, code in links:
        assert (ROOT / file).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip() == code
    assert f"]({FILES['zh' if language == 'en' else 'en']})" in text


def test_main_writes_both(tmp_path: Path):
    main(tmp_path)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written.keys() == set(FILES.values())
    for language, name in FILES.items():
        assert written[name] == made(language).encode()
