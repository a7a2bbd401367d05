"""A factor in words."""

from __future__ import annotations

import math

import pytest

from tinygrad_zh.check.diagnosis import spelled


@pytest.mark.parametrize(("factor", "words"), [
    (2.0, "2"),
    (1 / 3, "1/3"),
    (-0.5, "-1/2"),
    (1 + 1e-6, "1 + 1.0e-06"),
    (0.73111, "0.7311"),
    (math.inf, "inf"),
    (math.nan, "nan"),
])
def test_a_factor_is_spelled(factor, words):
    assert spelled(factor) == words
