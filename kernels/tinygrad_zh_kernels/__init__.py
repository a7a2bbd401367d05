"""Fast bodies for the engine's formulas, one room (folder) a kernel. 计算核 (kernels).

This package imports nothing of tinygrad_zh, so a kernel can be read, tested and timed by itself.
"""

from __future__ import annotations

from collections.abc import Callable

registry: dict[str, dict[str, Callable[..., object]]] = {}
"""{"Sigmoid.backward": {"numba": body}}: the faster bodies of a formula, by backend. No kernel exists yet."""
