"""The documents' training steps, compiled before they are needed, with the shapes of their batches. 预先编译训练步"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor, tensor
from tinygrad_zh.documents import s1, s3, s5, s7, s11
from tinygrad_zh.documents.s4 import reviews
from tinygrad_zh.optim import SGD, Adam, Optimizer
from tinygrad_zh.train.step import Compiled

Array = np.ndarray[Any, Any]


class Training(NamedTuple):
    """A system's network, loss and optimizer, and a batch of each size that its training has."""

    system: str
    network: Callable[[], nn.Module]
    loss: Callable[[Any, Any], Tensor]
    optimizer: Callable[[nn.Module], Optimizer]
    batches: Sequence[tuple[Array, Array]]


def adam(model: nn.Module) -> Optimizer:
    return Adam(model.parameters())


def sgd(model: nn.Module) -> Optimizer:
    return SGD(model.parameters(), 0.01)


def zeros(n: int, *shape: int) -> Array:
    return np.zeros((n, *shape), np.float32)


def classes(n: int) -> Array:
    return np.zeros(n, np.int64)


def of_classes(*shape: int, sizes: Sequence[int]) -> list[tuple[Array, Array]]:
    """Batches with one class a sample."""
    return [(zeros(n, *shape), classes(n)) for n in sizes]


def trainings() -> list[Training]:
    """Those whose batches have the same shapes whatever the data."""
    return [
        Training("s1", s1.network, F.cross_entropy, sgd, of_classes(28, 28, sizes=[1000, 32, 8])),
        Training("s3", s3.network, F.cross_entropy, adam, of_classes(28, 28, sizes=[32])),
        Training("s4", reviews.network, F.binary_cross_entropy_with_logits,
                 partial(reviews.adam, recipe=reviews.DOCUMENT),
                 [(np.ones((n, reviews.LENGTH), np.int64), zeros(n, 1)) for n in (32, 16)]),
        Training("s5", s5.network, F.mse_loss, sgd, [(zeros(n, 2), zeros(n, 1)) for n in (10, 80)]),
        Training("s7", s7.network, F.binary_cross_entropy, adam, [(zeros(n, 100), zeros(n, 1)) for n in (32, 8)]),
        Training("s11", s11.network, F.cross_entropy, adam, of_classes(1, 28, 28, sizes=[32])),
    ]


def warm(training: Training) -> None:
    """Compile a system's step; from the disk where that was done before."""
    model = training.network()
    step = Compiled(model, training.loss, training.optimizer(model), "numba")
    for x, y in training.batches:
        for _ in range(3):  # recorded, compiled, replayed
            step.forward(tensor(x), y)
    for _ in range(3):
        step.update()
