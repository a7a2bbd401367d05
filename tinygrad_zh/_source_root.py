"""In a clone the kernels' source root, kernels/, stands beside this package: it is found, installed or not."""

import sys
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[1] / "kernels"

if str(_BESIDE) not in sys.path and (_BESIDE / "tinygrad_zh_kernels").is_dir():
    sys.path.insert(0, str(_BESIDE))  # before an installed one, which may be another clone's
