"""The documents' systems: the first step of each, written out, is the engine's bit for bit."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import tinygrad_zh as tz
from tests.program.unrolling.running import assert_equal
from tinygrad_zh.documents import SYSTEMS

LARGE = ("s4", "gpt")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LARGE)) for name in SYSTEMS])
def test_the_first_step(name: str, tmp_path: Path) -> None:
    if name == "s2":
        pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    program = tz.unroll(import_module(SYSTEMS[name]).first_step())
    assert program.listing.gradients and program.listing.updates
    assert_equal(program, tmp_path)
