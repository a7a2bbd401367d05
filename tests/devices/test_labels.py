"""Labels and tokens are checked on a GPU too, where CuPy would wrap them, and without waiting where that can be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import device
from tinygrad_zh import functional as F
from tinygrad_zh.device.extent import stray

LOGITS = np.zeros((4, 3), np.float32)


def on_gpu(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values), device="cuda")


@pytest.mark.parametrize("bad", [-1, 3, 100])
def test_a_label_out_of_range(bad: int, cupy: Any) -> None:
    x = on_gpu(LOGITS)
    for labels in (on_gpu([0, 1, bad, 2]), on_gpu([0, 1, bad, 2]) + 0, on_gpu([0, 0, 1, bad, 2])[1:]):
        with pytest.raises(IndexError, match=rf"^cross_entropy: class label {bad} is out of range for 3 classes"):
            F.cross_entropy(x, labels)
    with pytest.raises(IndexError, match=rf"^embedding: token {bad} is out of range for a vocabulary of 3"):
        F.embedding(on_gpu([bad]), on_gpu(np.eye(3)))


def test_what_came_from_the_cpu_was_looked_at_on_the_way(cupy: Any) -> None:
    x, labels = on_gpu(LOGITS), on_gpu([0, 1, 2, 0])
    cupy.gpu.counts.clear()
    F.cross_entropy(x, labels)
    F.cross_entropy(x[1:], labels[1:])
    F.cross_entropy(x, labels.reshape((4,)))
    F.binary_cross_entropy_with_logits(x[:, 0], on_gpu([0.0, 1.0, 0.5, 1.0]))
    F.embedding(labels, x)
    assert not cupy.gpu.counts["sync"]


def test_what_was_computed_on_the_gpu_is_looked_at_once(cupy: Any) -> None:
    x, labels = on_gpu(LOGITS), on_gpu([0, 1, 2, 0]) * 1
    for _ in range(3):
        F.cross_entropy(x, labels)
    assert cupy.gpu.counts["sync"] == 1


def test_a_part_of_what_goes_too_far_may_be_right(cupy: Any) -> None:
    labels = on_gpu([0, 1, 2, 0, 7])
    F.cross_entropy(on_gpu(LOGITS), labels[:4])
    assert cupy.gpu.counts["sync"] == 1


@pytest.mark.parametrize("bad", [-0.5, 1.5, np.nan])
def test_a_target_that_is_no_probability(bad: float, cupy: Any) -> None:
    with pytest.raises(ValueError, match=r"^binary_cross_entropy_with_logits: probabilities lie between 0 and 1, not"):
        F.binary_cross_entropy_with_logits(on_gpu([0.0, 0.0]), on_gpu([0.5, bad]))


def test_nothing_is_remembered_of_arrays_that_are_gone(cupy: Any) -> None:
    from tinygrad_zh.device.extent import _KNOWN

    before = len(_KNOWN)
    labels = on_gpu([0, 1, 2])
    assert len(_KNOWN) == before + 1
    del labels
    assert len(_KNOWN) == before


def test_nothing_at_all_is_in_range(cupy: Any) -> None:
    assert device.stray(on_gpu(np.zeros(0, np.int64)).array, 0, 2) is None
    assert F.embedding(on_gpu(np.zeros((0,), np.int64)), on_gpu(np.eye(3))).shape == (0, 3)


def test_a_numpy_scalar_is_looked_at_where_it_is() -> None:
    assert stray(np.float64(0.5), 0, 1) is None
    assert stray(np.float64(1.5), 0, 1) == 1.5
