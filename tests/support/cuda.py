"""What runs bodies on CUDA without a GPU, or the reason why it cannot here."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import Any

import pytest

from tinygrad_zh_kernels import Body


def emulated_launcher(body: Body, order: int = 0) -> Any:
    """A launcher for this body on NumPy arrays; skips where g++ or greenlet is missing."""
    if body.name.startswith("numba"):
        if find_spec("greenlet") is None:
            pytest.skip("the simulator of Numba's CUDA needs greenlet")
    elif shutil.which("g++") is None:
        pytest.skip("the emulator of CUDA C needs g++")
    from tinygrad_zh_kernels.emulated import EmulatedLauncher

    return EmulatedLauncher(order)
