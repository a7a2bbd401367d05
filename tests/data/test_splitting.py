"""Train and test sets: nothing lost, nothing twice, classes in proportion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tinygrad_zh.data import digits, train_test_split


@given(st.integers(2, 40), st.data())
def test_nothing_is_lost_and_rows_stay_together(n, data):
    count = data.draw(st.integers(1, n - 1))
    x = np.arange(2 * n).reshape(n, 2)
    x_train, x_test, y_train, y_test = train_test_split(x, np.arange(n), test_size=count, seed=n)
    assert len(x_test) == len(y_test) == count
    assert sorted([*y_train, *y_test]) == list(range(n))
    np.testing.assert_array_equal(x_train, x[y_train])
    np.testing.assert_array_equal(x_test, x[y_test])


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.floats(0.01, 0.99))
def test_each_class_has_its_share(labels, share):
    labels = np.array(labels)
    count = round(len(labels) * share)
    assume(0 < count < len(labels))
    train, test = train_test_split(labels, test_size=share, seed=0, stratify=labels)
    assert len(test) == count
    assert sorted([*train, *test]) == sorted(labels)
    for k in np.unique(labels):
        exact = (labels == k).sum() * count / len(labels)
        assert abs((test == k).sum() - exact) < 1


def test_the_digits_split_exactly():
    labels = digits().labels
    train, test = train_test_split(labels, test_size=0.2, seed=7, stratify=labels)
    assert np.bincount(test).tolist() == [100] * 10 and np.bincount(train).tolist() == [400] * 10
    assert len(np.unique(test[:50])) == 10  # shuffled, though they come sorted by class


def test_the_largest_remainders_get_what_is_left():
    labels = np.repeat(["a", "b", "c"], [5, 3, 2])
    _, test = train_test_split(labels, test_size=3, seed=0, stratify=labels)
    assert dict(zip(*np.unique(test, return_counts=True), strict=True)) == {"a": 1, "b": 1, "c": 1}


def test_labels_that_are_nan_are_a_class():
    labels = np.array([np.nan, np.nan, np.nan, np.nan, 1, 1])
    _, test = train_test_split(labels, test_size=3, seed=0, stratify=labels)
    assert np.isnan(test).sum() == 2 and (test == 1).sum() == 1


def test_the_seed_decides():
    first, again, other = (
        train_test_split(np.arange(50), test_size=0.5, seed=s)[1].tolist() for s in (1, 1, 2)
    )
    assert first == again != other


def test_both_parts_are_shuffled():
    for part in train_test_split(np.arange(50), test_size=0.5, seed=0, stratify=np.arange(50) % 2):
        assert part.tolist() != sorted(part)


def test_the_parts_are_copies():
    x = np.arange(4)
    train, test = train_test_split(x, test_size=2, seed=0)
    train[:], test[:] = 9, 9
    assert x.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("arrays", "options", "told"),
    [
        ((), {}, "no arrays"),
        ((np.zeros(3), np.zeros(4)), {}, r"different length: \(3,\), \(4,\)"),
        ((np.zeros(0),), {}, "empty"),
        ((np.float64(1),), {}, "0-d"),
        ((np.zeros(3),), {"test_size": 0}, "test_size=0 of 3 samples leaves"),
        ((np.zeros(3),), {"test_size": 3}, "leaves the training or the test set empty"),
        ((np.zeros(3),), {"test_size": np.int64(3)}, "test_size=3 of 3"),
        ((np.zeros(3),), {"test_size": 0.1}, "test_size=0.1 of 3"),
        ((np.zeros(3),), {"test_size": -1}, "test_size=-1"),
        ((np.zeros(3),), {"test_size": 1.0}, "test_size=1.0"),
        ((np.zeros(1),), {"test_size": 0.5}, "of 1 samples"),
        ((np.zeros(3),), {"stratify": [0, 1]}, r"one label for each of 3 samples, got shape \(2,\)"),
        ((np.zeros(3),), {"stratify": np.zeros((3, 1))}, r"got shape \(3, 1\)"),
    ],
)
def test_what_cannot_be_split(arrays, options, told):
    with pytest.raises(ValueError, match=told):
        train_test_split(*arrays, **{"test_size": 0.5, "seed": 0, **options})
