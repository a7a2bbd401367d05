"""Importing the data package costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_import_needs_numpy_only():
    code = "import sys, tinygrad_zh.data, tinygrad_zh.serialization, tinygrad_zh.text; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "'numpy'" in loaded
    for heavy in ("tqdm", "safetensors", "matplotlib", "numba", "cupy", "jieba", "sklearn"):
        assert f"'{heavy}'" not in loaded
