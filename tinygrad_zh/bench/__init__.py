"""Benchmarks' results: how they are stored, and whether one run is slower than another. 基准测试的结果"""

from __future__ import annotations

from tinygrad_zh.bench.comparing import Change, compare
from tinygrad_zh.bench.results import Results, Row, read, write

__all__ = ["Change", "Results", "Row", "compare", "read", "write"]
