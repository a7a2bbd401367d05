"""Looking into the layers that attend: what weights did they use?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.nn.module import Module

Array = np.ndarray[Any, Any]


class Attending(Module):
    """A layer with attention weights P, which it hands to `_show` where `_maps` asks for them."""

    _maps: tuple[tuple[str, dict[str, Array]], ...] = ()

    def _show(self, weights: Tensor) -> None:
        for path, maps in self._maps:
            maps[path] = weights.detach().to("cpu").numpy()


@contextmanager
def attention_maps(model: Module) -> Iterator[dict[str, Array]]:
    """{path: P}: what each attention layer of a model attends to within the block. 中文：注意力图。

    P is (…, heads, n, m) of a MultiHeadAttention, (…, 1, n) of an AttentionPool; of several forward passes, the last
    one's. Inside, the weights are computed even where the layer would do without.

    >>> import numpy as np, tinygrad_zh as tz
    >>> model = tz.nn.Encoder(depth=2, width=8, heads=2, hidden=16)
    >>> with attention_maps(model) as maps:
    ...     _ = model(np.ones((1, 5, 8), np.float32))
    >>> {path: weights.shape for path, weights in maps.items()}
    {'blocks.0.attention': (1, 2, 5, 5), 'blocks.1.attention': (1, 2, 5, 5)}
    """
    layers = [(path, part, part._maps) for path, part in model.named_modules() if isinstance(part, Attending)]
    maps: dict[str, Array] = {}
    for path, layer, before in layers:
        layer._maps = (*before, (path, maps))
    try:
        yield maps
    finally:
        for _, layer, before in layers:
            layer._maps = before
