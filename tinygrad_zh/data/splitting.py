"""Samples to learn from, and samples held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.data.lengths import common_length


def train_test_split(
    *arrays: np.ndarray, test_size: float, seed: int, stratify: ArrayLike | None = None
) -> tuple[np.ndarray, ...]:
    """Shuffle and cut in two (划分训练集与测试集): returns a_train, a_test, b_train, b_test, … as copies.

    ``test_size`` is a number of samples (int) or a share of them (float in (0, 1)). With ``stratify``, the
    n class labels, every class has its share of the test set exactly, or to the nearest sample where that
    is not whole (largest remainders). One permutation is drawn from Philox(seed).

    Raises ValueError when lengths differ or either part would be empty.

    >>> x_train, x_test = train_test_split(np.arange(10), test_size=0.2, seed=0)
    >>> len(x_train), len(x_test)
    (8, 2)
    """
    arrays = tuple(np.asarray(array) for array in arrays)
    n = common_length(arrays)
    count = test_size if isinstance(test_size, int | np.integer) else round(n * test_size)
    if not 0 < count < n:
        raise ValueError(f"test_size={test_size} of {n} samples leaves the training or the test set empty")
    labels = np.zeros(n, dtype=int) if stratify is None else np.asarray(stratify)
    if labels.shape != (n,):
        raise ValueError(f"stratify needs one label for each of {n} samples, got shape {labels.shape}")

    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    held_out = np.zeros(n, dtype=bool)
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    for k, quota in enumerate(_quotas(sizes, count)):
        held_out[order[classes[order] == k][:quota]] = True
    train, test = order[~held_out[order]], order[held_out[order]]
    return tuple(part for array in arrays for part in (array[train], array[test]))


def _quotas(sizes: np.ndarray, count: int) -> np.ndarray:
    """Whole shares of ``count`` in proportion to ``sizes``; the largest remainders get what is left."""
    quotas, remainders = np.divmod(sizes * count, sizes.sum())
    left = count - quotas.sum()
    quotas[np.argsort(-remainders, kind="stable")[:left]] += 1
    return quotas
