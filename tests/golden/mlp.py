"""The network 784–128–10 of training.npz and its data, made from a seed on both sides: too large to store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import DTypeLike, NDArray

SEED = 2024
SAMPLES, BATCH, STEPS = 320, 32, 100
Array = NDArray[Any]


def weights(dtype: DTypeLike) -> dict[str, Array]:
    """W1 (784, 128), b1 (128,), W2 (128, 10), b2 (10,): U(±1/√fan_in) and zeros, for x @ W + b."""
    random = _random()
    return {
        "W1": (random.uniform(-1, 1, (784, 128)) / 28).astype(dtype),
        "b1": np.zeros(128, dtype),
        "W2": (random.uniform(-1, 1, (128, 10)) / np.sqrt(128)).astype(dtype),
        "b2": np.zeros(10, dtype),
    }


def batches(dtype: DTypeLike) -> Iterator[tuple[Array, Array]]:
    """One (x (32, 784) in [0, 1), labels (32,) in 0 … 9) a step; every epoch in the same order."""
    random = _random()
    random.uniform(size=784 * 128 + 128 * 10)  # the weights come first in the stream
    x, labels = random.uniform(0, 1, (SAMPLES, 784)).astype(dtype), random.randint(0, 10, SAMPLES)
    for start in range(0, STEPS * BATCH, BATCH):
        rows = slice(start % SAMPLES, start % SAMPLES + BATCH)
        yield x[rows], labels[rows]


def checksum() -> int:
    """CRC-32 of weights and batches in float64: equal to the stored one, or the losses say nothing."""
    arrays = [*weights(np.float64).values()]
    for x, labels in batches(np.float64):
        arrays += [x, labels.astype(np.int64)]
    return crc32(b"".join(array.tobytes() for array in arrays))


def _random() -> np.random.RandomState:
    # The stream of RandomState is frozen for good; that of a Generator may change between releases (NEP 19).
    return np.random.RandomState(SEED)
