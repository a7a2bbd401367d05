"""Minibatches: every row once an epoch, in an order that the generator alone decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh.data import Minibatches


def philox(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


@given(st.integers(1, 30), st.integers(1, 40), st.booleans())
def test_every_row_once_and_rows_stay_together(n, batch_size, shuffle):
    x, y = np.arange(3 * n).reshape(n, 3), np.arange(n)
    batches = Minibatches(x, y, batch_size=batch_size, shuffle=shuffle)
    seen = list(batches)
    assert len(seen) == len(batches) == -(-n // batch_size)
    assert all(len(y_batch) == batch_size for _, y_batch in seen[:-1])
    rows = np.concatenate([y_batch for _, y_batch in seen])
    assert sorted(rows) == list(range(n))
    assert shuffle or list(rows) == list(range(n))
    for x_batch, y_batch in seen:
        np.testing.assert_array_equal(x_batch, x[y_batch])


@given(st.integers(1, 30), st.integers(1, 30))
def test_drop_last_keeps_full_batches_only(n, batch_size):
    if n < batch_size:
        with pytest.raises(ValueError, match=f"drop_last leaves nothing of {n} samples"):
            Minibatches(np.arange(n), batch_size=batch_size, drop_last=True)
    else:
        batches = Minibatches(np.arange(n), batch_size=batch_size, drop_last=True)
        assert [len(x) for (x,) in batches] == [batch_size] * (n // batch_size)
        assert len(batches) == n // batch_size


def test_last_batch_of_1_and_batch_larger_than_the_data():
    assert [x.shape for (x,) in Minibatches(np.zeros((5, 2)), batch_size=2)] == [(2, 2), (2, 2), (1, 2)]
    assert [x.shape for (x,) in Minibatches(np.zeros((5, 2)), batch_size=100)] == [(5, 2)]


def test_one_permutation_an_epoch_from_the_generator():
    expected = philox(3)
    batches = Minibatches(np.arange(10), batch_size=4, generator=philox(3))
    for _ in range(3):
        assert np.concatenate([x for (x,) in batches]).tolist() == expected.permutation(10).tolist()


def test_the_draw_is_made_by_iter_and_not_at_first_use():
    generator, expected = philox(), philox()
    epoch = iter(Minibatches(np.arange(10), batch_size=10, generator=generator))
    order = expected.permutation(10)
    assert generator.integers(1000) == expected.integers(1000)
    assert next(epoch)[0].tolist() == order.tolist()


def test_without_shuffle_nothing_is_drawn():
    generator = philox()
    list(Minibatches(np.arange(10), batch_size=3, shuffle=False, generator=generator))
    assert generator.integers(1000) == philox().integers(1000)


def test_the_default_generator_repeats():
    first, second = (Minibatches(np.arange(50), batch_size=50) for _ in range(2))
    epochs = [[next(iter(batches))[0].tolist() for _ in range(2)] for batches in (first, second)]
    assert epochs[0] == epochs[1]
    assert epochs[0][0] != epochs[0][1]


X = np.arange(24, dtype=np.float32).reshape(4, 6)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    "array",
    [
        X,
        X.T,
        np.asfortranarray(X),
        X[::2],
        X[::-1],
        np.broadcast_to(X[0], (4, 6)),
        np.zeros((3, 0)),
        X.reshape(4, 3, 2).mT,
    ],
    ids=["C", "T", "F", "[::2]", "[::-1]", "broadcast", "no columns", "mT"],
)
def test_batches_are_contiguous_copies(array, shuffle):
    for batch, rows in Minibatches(array, np.arange(len(array)), batch_size=2, shuffle=shuffle):
        assert batch.flags.c_contiguous and batch.flags.writeable
        assert not np.shares_memory(batch, array)
        assert batch.dtype == array.dtype
        np.testing.assert_array_equal(batch, array[rows])


def test_two_epochs_at_once_do_not_disturb_each_other():
    batches = Minibatches(np.arange(6), batch_size=2)
    pairs = list(zip(batches, batches, strict=True))
    for side in (0, 1):
        assert sorted(np.concatenate([pair[side][0] for pair in pairs])) == list(range(6))


@pytest.mark.parametrize(
    ("arrays", "batch_size", "error", "told"),
    [
        ((), 2, ValueError, "no arrays"),
        ((np.zeros((0, 3)),), 2, ValueError, "data set is empty"),
        ((np.zeros((3, 2)), np.zeros(4)), 2, ValueError, r"different length: \(3, 2\), \(4,\)"),
        ((np.float64(3),), 2, ValueError, "0-d"),
        ((X,), 0, ValueError, "batch_size must be at least 1, got 0"),
        ((X,), -3, ValueError, "batch_size must be at least 1, got -3"),
        ((X,), 2.0, TypeError, "batch_size must be an int, got 2.0"),
        ((X,), True, TypeError, "batch_size must be an int, got True"),
        ((X,), "2", TypeError, "batch_size must be an int, got '2'"),
        ((X,), None, TypeError, "batch_size must be an int, got None"),
    ],
)
def test_what_cannot_be_portioned(arrays, batch_size, error, told):
    with pytest.raises(error, match=told):
        Minibatches(*arrays, batch_size=batch_size)


def test_numpy_integers_are_integers():
    assert len(Minibatches(X, batch_size=np.int64(3))) == 2
