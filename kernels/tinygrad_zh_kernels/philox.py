"""Philox4x64-10: random words by their number, so that each thread computes its own. 计数器型随机数

The stream is a row of blocks, and block c, eight words of 32 bits, is a function of c and the key alone. NumPy's Philox
gives the same words in the same order; `take` says which ones a generator would give next, and moves it past them.

Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
ROUNDS = 10
WORDS = 8
_ALL = (1 << 64) - 1
_BLOCKS = 1 << 256


class Words(NamedTuple):
    """Where the words that were taken stand.

    The first is number `skip` of the eight words of the block at `counter`; the others follow. If `early` is a number,
    it is the first word instead: half of 64 bits that were drawn before, perhaps long before.
    """

    key: tuple[np.uint64, np.uint64]
    counter: tuple[np.uint64, np.uint64, np.uint64, np.uint64]
    skip: int
    early: int | None


def block(counter: int, key: tuple[int, int]) -> tuple[int, ...]:
    """The four 64-bit numbers of a block; the lower half of each is its first word.

    >>> block(5, (1, 2)) == tuple(int(x) for x in np.random.Philox(key=1 + (2 << 64), counter=4).random_raw(4))
    True
    """
    c0, c1, c2, c3 = (counter >> 64 * i & _ALL for i in range(4))
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = divmod(MULTIPLIERS[0] * c0, 1 << 64)
        high1, low1 = divmod(MULTIPLIERS[1] * c2, 1 << 64)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + WEYL[0]) & _ALL, (k1 + WEYL[1]) & _ALL
    return c0, c1, c2, c3


def take(generator: np.random.Generator, n: int) -> Words:
    """The next n words of 32 bits, which the generator will not give again.

    Its state becomes what it is after generator.random(n, np.float32), to the last bit.
    """
    bits = generator.bit_generator
    with bits.lock:
        state: Any = bits.state
        key = int(state["state"]["key"][0]), int(state["state"]["key"][1])
        counter = sum(int(c) << 64 * i for i, c in enumerate(state["state"]["counter"]))
        early = int(state["uinteger"]) if state["has_uint32"] and n else None
        drawn = 4 * counter + state["buffer_pos"]  # 64-bit numbers
        first, skip = divmod(2 * drawn - (early is not None), WORDS)
        rest = n - (early is not None)
        if rest:
            last, position = divmod(drawn + -(-rest // 2) - 1, 4)
            if last != counter:
                state["state"]["counter"] = np.array(_lanes(last), np.uint64)
                state["buffer"] = np.array(block(last % _BLOCKS, key), np.uint64)
            state["buffer_pos"] = position + 1
            state["uinteger"] = int(state["buffer"][position]) >> 32
        if n:
            state["has_uint32"] = rest % 2
        bits.state = state
    return Words((np.uint64(key[0]), np.uint64(key[1])), _lanes(first), skip, early)


def _lanes(counter: int) -> Any:
    return tuple(np.uint64(counter >> 64 * i & _ALL) for i in range(4))
