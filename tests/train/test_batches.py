"""Which samples fit shows, in which order, in which portions."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, mlp, plainly, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn


def batches_seen(n, batch_size, epochs=1, **keywords):
    """The rows of each batch that the loss was given."""
    seen = []
    model = nn.Dense(1, 1)

    def loss(p, t):
        seen.append(t.ravel().astype(int).tolist())
        return F.mse_loss(p, t)

    numbers = np.arange(n, dtype=np.float64)[:, None]
    quietly(model, (numbers / n, numbers), loss=loss, epochs=epochs, batch_size=batch_size, **keywords)
    return seen


def flat(batches):
    return [row for batch in batches for row in batch]


@pytest.mark.parametrize("n, batch_size, sizes", [
    (12, 4, [4, 4, 4]),
    (13, 4, [4, 4, 4, 1]),
    (3, 100, [3]),
    (1, 32, [1]),
    (5, 1, [1, 1, 1, 1, 1]),
])
def test_every_sample_comes_once_an_epoch(n, batch_size, sizes):
    tz.manual_seed(0)
    seen = batches_seen(n, batch_size)
    assert list(map(len, seen)) == sizes
    assert sorted(flat(seen)) == list(range(n))


def test_the_order_is_the_permutation_of_the_seeded_generator():
    tz.manual_seed(7)
    nn.Dense(1, 1)  # as batches_seen draws its weights first
    expected = [tz.default_generator().permutation(10).tolist() for _ in range(3)]
    tz.manual_seed(7)
    seen = batches_seen(10, 4, epochs=3)
    assert [flat(seen[i:i + 3]) for i in (0, 3, 6)] == expected
    assert len({tuple(order) for order in expected}) == 3


def test_a_generator_of_its_own_decides_the_order_alone():
    tz.manual_seed(0)
    one = batches_seen(10, 4, generator=np.random.default_rng(3))
    tz.manual_seed(1)
    two = batches_seen(10, 4, generator=np.random.default_rng(3))
    assert one == two
    assert flat(one) == np.random.default_rng(3).permutation(10).tolist()


def test_samples_stay_with_their_targets():
    x, y = classes(30)
    table = {row.tobytes(): int(label) for row, label in zip(x, y, strict=True)}

    class Watched(nn.Dense):
        def forward(self, x):
            self._rows = [row.tobytes() for row in x.numpy()]
            return super().forward(x)

    model = Watched(4, 3)
    checked = []

    def loss(p, t):
        checked.append([table[row] for row in model._rows] == t.tolist())
        return F.cross_entropy(p, t)

    quietly(model, (x, y), loss=loss, epochs=2, batch_size=7)
    assert checked == [True] * 10


def test_a_batch_larger_than_the_data_is_one_full_batch():
    results = []
    for size in (20, 1000):
        model = mlp()
        quietly(model, classes(20), batch_size=size, epochs=3)
        results.append(contents(model))
    assert results[0] == results[1]


def test_batch_norm_refuses_the_batch_of_one_and_the_model_is_as_after_the_step_before():
    def network():
        tz.manual_seed(0)
        return nn.Sequential(nn.Dense(4, 8), nn.BatchNorm(8), nn.Dense(8, 3))

    data = classes(17)
    model = network()
    with pytest.raises(ValueError, match="at least 2 values a channel"):
        quietly(model, data, batch_size=16)
    plain = network()
    plainly(plain, data, tz.optim.SGD(plain.parameters(), lr=0.1), steps=1)
    assert contents(model) == contents(plain)
