"""A step is taken whole or not at all, whatever is raised in the middle of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_zh.core import Tensor


class whole:
    """Within the block leaves take new values; if anything is raised, Ctrl-C included, all have their old ones.

    Their arrays are immutable, so to remember the old values is to keep a reference.
    """

    __slots__ = ("before", "tensors")

    def __init__(self, tensors: Sequence[Tensor]) -> None:
        self.tensors = tensors

    def __enter__(self) -> None:
        self.before = [t.array for t in self.tensors]

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        if kind is not None:
            for t, array in zip(self.tensors, self.before, strict=True):
                t.assign(array)
