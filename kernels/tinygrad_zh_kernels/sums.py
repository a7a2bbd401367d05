"""Sums over many rows on the CPU, in parts. 分段求和

Each part of the rows has sums of its own, whichever thread computes them, and the parts are added in their order. How
many there are depends on the amount of work alone, so the result is the same to the bit for any number of threads.
"""

from __future__ import annotations

from tinygrad_zh_kernels.vector_math import kernel, use_widest_vectors

PARTS = 16
"""At most so many, which is also how many threads can share such a sum."""


def parts_of(work: int, least: int) -> int:
    """How many parts are made of so much work, each of at least `least`."""
    return max(1, min(PARTS, work // least))


@kernel
def add_up(total, parts):
    """total = Σ parts, one row after the other."""
    use_widest_vectors()
    for j in range(total.size):
        total[j] = parts[0, j]
    for i in range(1, len(parts)):
        for j in range(total.size):
            total[j] += parts[i, j]
