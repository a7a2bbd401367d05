"""Every test here runs on the stand-in for CuPy."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import fake_cupy
from tinygrad_zh.nn import position


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    yield from installed(monkeypatch)


@pytest.fixture(scope="module")
def one_cupy() -> Iterator[Any]:
    """The same for all tests of a file: what Hypothesis calls many times cannot have a fixture of its own."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield from installed(monkeypatch)


def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    fake = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    monkeypatch.setitem(sys.modules, "cupyx", fake_cupy.cupyx())
    position._placed.cache_clear()
    yield fake
    position._placed.cache_clear()
