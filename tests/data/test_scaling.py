"""Standardising (F19) and pixels in [0, 1]."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tinygrad_zh.data import standardize, to_unit

GENERATOR = np.random.Generator(np.random.Philox(0))


def test_mean_0_and_deviation_1_come_from_the_training_set_alone():
    train, test = GENERATOR.normal(5, 3, (40, 3)), GENERATOR.normal(50, 7, (10, 3))
    scaled_train, scaled_test = standardize(train, test)
    np.testing.assert_allclose(scaled_train.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(scaled_train.std(axis=0), 1, rtol=1e-14)
    np.testing.assert_allclose(scaled_test, (test - train.mean(axis=0)) / train.std(axis=0), rtol=1e-14)


@pytest.mark.parametrize("shape", [(6,), (6, 2), (6, 2, 3)])
@pytest.mark.parametrize(
    ("given", "returned"), [("f2", "f2"), ("f4", "f4"), ("f8", "f8"), ("i4", "f8"), ("u1", "f8"), ("?", "f8")]
)
def test_shapes_and_dtypes(shape, given, returned):
    train = (np.arange(np.prod(shape)) % 5 > 1).reshape(shape).astype(given)
    scaled, again = standardize(train, train[:2])
    assert scaled.dtype == returned and scaled.shape == shape
    assert again.dtype == returned
    np.testing.assert_array_equal(again, scaled[:2])


def test_bytes_do_not_wrap():
    (scaled,) = standardize(np.array([[0], [255]], dtype=np.uint8))
    assert scaled.tolist() == [[-1], [1]]


def test_half_precision_does_not_overflow():
    (scaled,) = standardize(np.array([[0], [60000]] * 1000, dtype=np.float16))
    assert scaled[:2].tolist() == [[-1], [1]]


@pytest.mark.parametrize("value", [0.0, 0.1, 7.0, 1e100])
def test_a_constant_feature_is_divided_by_1_and_says_so(value):
    """The mean of 49 times 0.1 is not 0.1, so their standard deviation is rounding and not 0."""
    train = np.column_stack([np.arange(49.0), np.full(49, value)])
    with pytest.warns(UserWarning, match=r"1 of 2 features are constant .* index \[1\]: .* divided by 1"):
        scaled, other = standardize(train, np.array([[0, value], [0, 3.5]]))
    assert scaled[:, 1].tolist() == [0] * 49
    assert other[:, 1].tolist() == [0, 3.5 - value]
    np.testing.assert_allclose(scaled[:, 0].std(), 1)


def test_a_single_sample_is_constant():
    with pytest.warns(UserWarning, match="2 of 2 features are constant"):
        (scaled,) = standardize(np.array([[3.0, 4.0]]))
    assert scaled.tolist() == [[0, 0]]


def test_a_variance_that_underflows():
    with pytest.warns(UserWarning, match="constant"):
        (scaled,) = standardize(np.array([0, 1e-200]))
    assert np.isfinite(scaled).all()


def test_no_warning_without_a_constant_and_inputs_unchanged():
    train = np.array([[1.0, 2.0], [3.0, 5.0]])
    train.setflags(write=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        standardize(train, train)
    assert train.tolist() == [[1, 2], [3, 5]]


@pytest.mark.parametrize(
    ("arrays", "error", "told"),
    [
        ((np.zeros((0, 2)),), ValueError, "empty"),
        ((np.float64(3),), ValueError, "0-d"),
        ((np.array([["a"]]),), TypeError, "dtype <U1"),
        ((np.array([[1j]]),), TypeError, "dtype complex128"),
        ((np.array([[1.0, 2], [2, np.nan]]),), ValueError, r"feature \[1\] .* NaN"),
        ((np.array([[1.0, np.inf], [2, 1]]),), ValueError, r"feature \[1\] .* infinite"),
        ((np.array([[1e200], [-1e200]]),), ValueError, r"feature \[0\] .* too large"),
        ((np.eye(2), np.eye(3)), ValueError, r"features differ: .* \(2, 2\), another has \(3, 3\)"),
    ],
)
def test_what_cannot_be_standardised(arrays, error, told):
    with pytest.raises(error, match=told):
        standardize(*arrays)


def test_to_unit():
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    unit = to_unit(pixels)
    assert unit.dtype == np.float32 and unit.min() == 0 and unit.max() == 1
    np.testing.assert_array_equal(unit, (np.arange(256) / 255).astype(np.float32).reshape(16, 16))
    assert to_unit(np.zeros((0, 28, 28), np.uint8)).shape == (0, 28, 28)


@pytest.mark.parametrize("dtype", ["f4", "i1", "i8", "u2", "?"])
def test_to_unit_takes_bytes_alone(dtype):
    with pytest.raises(TypeError, match=f"needs uint8 pixels, got dtype {np.dtype(dtype)}"):
        to_unit(np.zeros(3, dtype))
