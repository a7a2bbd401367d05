"""Which steps share a loop nest, so that values stay in registers between them. 循环融合"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class Item:
    """Something that is executed at once: a loop nest, or a product of matrices.

    reads, writes: names of arrays. temporaries: arrays that it needs to work in, with shape and dtype. in_place: pairs
    (written, read) of one shape and dtype; the read array is used last at the very index that is written, so that both
    may be one array. demands: (name, low, high) of integer arrays that index others; out of these bounds
    (low ≤ i < high, negative ones count from the end as in NumPy) nothing may run.
    """

    reads: frozenset[str]
    writes: tuple[str, ...]
    temporaries: dict[str, tuple[tuple[int, ...], Any]]
    in_place: frozenset[tuple[str, str]]
    demands: frozenset[tuple[str, int, int]]

    def lines(self, shared: Mapping[str, str] | None = None) -> list[str]:
        """Statements of a Numba function in which every name read, written or temporary is a C-contiguous array.

        shared: which written name is the same memory as which read one, of the pairs in `in_place`. LLVM must know it.
        """
        raise NotImplementedError

    def definitions(self, shared: Mapping[str, str] | None = None) -> dict[str, str]:
        """The functions that the lines call, each text by its name; equal loops of several items are one function."""
        raise NotImplementedError


def fused(steps: Sequence[Any], wanted: set[str]) -> list[Item]:
    """The items that compute the wanted names of these steps."""
    raise NotImplementedError
