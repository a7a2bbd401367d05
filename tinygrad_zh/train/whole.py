"""A step is taken whole or not at all, whatever is raised in the middle of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tinygrad_zh.core import Tensor


@contextmanager
def whole(tensors: Sequence[Tensor]) -> Iterator[None]:
    """Within the block leaves take new values; if anything is raised, Ctrl-C included, all have their old ones.

    Their arrays are immutable, so to remember the old values is to keep a reference.
    """
    before = [t.array for t in tensors]
    try:
        yield
    except BaseException:
        for t, array in zip(tensors, before, strict=True):
            t.assign(array)
        raise
