"""Numba compiles for the CPU without looking whether an index lies in its array. Here it looks, once, at every body."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
import tinygrad_zh_kernels as library
from tinygrad_zh.kernels import check

for kernel in library.kernels().values():
    for body in library.bodies(kernel).values():
        if body.device == "cpu":
            try:
                wrong = [f"{row.dtype} {row.call}: {row.problem}" for row in check(body) if row.problem]
            except IndexError as error:
                wrong = [str(error)]
            if wrong:
                print(body, *wrong, sep="\\n    ")
"""


@pytest.mark.slow
def test_no_body_on_the_cpu_reads_or_writes_beside_its_arrays(tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="Numba is not installed")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_NUM_THREADS": "1",
             "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels")]), "PYTHONIOENCODING": "utf-8"})
    assert done.returncode == 0, done.stderr
    assert not done.stdout, done.stdout
