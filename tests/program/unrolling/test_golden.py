"""The printed programs are, word for word, the golden texts in both languages."""

from __future__ import annotations

import pytest

from tests.program.unrolling.golden import FOLDER, MADE, printed


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("name", MADE)
def test_the_text(name: str, lang: str) -> None:
    assert printed(name, lang) == (FOLDER / f"{name}.{lang}.txt").read_text(encoding="utf-8")
