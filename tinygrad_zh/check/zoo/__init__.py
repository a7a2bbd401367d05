"""The zoo of broken backwards: planted bugs, most of which shipped somewhere, to measure checkers with and to learn
from. 错误反向传播动物园

One file a kind of bug; `KINDS` lists them. `tinygrad-zh check bug` sets one as an exercise. The bugs with `held_out`
were never run through the checker while it was built; `benchmarks/zoo.py` publishes its score on them.
"""

from __future__ import annotations

from importlib import import_module

from tinygrad_zh.check.zoo.bug import BUGS, Bug, normal, planted

KINDS: tuple[str, ...] = (
    "factor", "sign", "missing_derivative", "missing_reduction", "transposition", "non_square", "indexing", "branches",
    "ties", "zeros", "saturation", "aliasing", "in_place", "state", "dtype", "layout", "normalization",
    "second_order", "graph", "contract",
)

for _kind in KINDS:
    import_module(f"{__name__}.{_kind}")

__all__ = ["BUGS", "KINDS", "Bug", "normal", "planted"]
