"""What tests of layers ask for by name."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz


@pytest.fixture
def in_float64():
    """New layers hold float64, and draw the same weights in every test."""
    tz.set_default_dtype(np.float64)
    tz.manual_seed(0)
    yield
    tz.set_default_dtype(np.float32)
