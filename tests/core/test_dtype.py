"""Dtypes: what a Python value becomes, and what no tensor holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    yield
    tz.set_default_dtype(np.float32)


@pytest.mark.parametrize(("data", "dtype"), [
    (1.5, np.float32), ([1.5, 2.5], np.float32), ([[1, 2.5]], np.float32), ([], np.float32),
    ([np.float64(1.5)], np.float32), (1, np.int64), ([1, 2], np.int64), (True, np.bool_), ([True], np.bool_),
    (np.float64(1.5), np.float64), (np.float16([1.5]), np.float16), (np.ones(2, np.float64), np.float64),
    (np.ones(2, np.uint8), np.uint8), (np.ones(2, ">f8"), np.float64), (np.ones(2, ">i4"), np.int32),
    (range(3), np.int64), ((1.5, 2), np.float32),
])
def test_python_floats_take_the_default_and_arrays_keep_theirs(data: Any, dtype: Any) -> None:
    tensor = tz.tensor(data)
    assert tensor.dtype == dtype
    assert tensor.dtype.isnative
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(data))


def test_the_default_can_be_chosen() -> None:
    assert tz.get_default_dtype() == np.float32
    tz.set_default_dtype(np.float64)
    assert tz.tensor(0.1).item() == 0.1
    tz.set_default_dtype("float16")
    assert tz.tensor([0.1]).dtype == np.float16
    assert repr(tz.tensor([1.0])) == "tensor([1.])"  # the default goes without saying
    assert "float32" in repr(tz.tensor([1.0], np.float32))


@pytest.mark.parametrize("dtype", [np.int64, bool, np.complex64, object, None, str])
def test_the_default_is_a_floating_dtype(dtype: Any) -> None:
    with pytest.raises(TypeError, match="the default dtype is a floating one"):
        tz.set_default_dtype(dtype)
    assert tz.get_default_dtype() == np.float32


def test_a_dtype_that_is_asked_for() -> None:
    assert tz.tensor([1.9, 2.1], np.int32).tolist() == [1, 2]
    assert tz.tensor([1, 2], np.float64).dtype == np.float64
    assert tz.tensor(tz.tensor([1.5]), np.float64).dtype == np.float64


@pytest.mark.parametrize("data", [
    "abc", ["a"], np.array(["1"]), None, [1, None], 1j, np.array([1j]), object(), {}, {1, 2}, b"abc",
    np.array(["2020"], "datetime64[Y]"), [[1.0], [2.0, 3.0]], np.ma.array([1.0], mask=[True]),
])  # fmt: skip
@pytest.mark.parametrize("dtype", [None, np.float32])
def test_what_no_tensor_holds(data: Any, dtype: Any) -> None:
    with pytest.raises(TypeError, match=r"a tensor (holds real numbers|is made of a rectangular|has no mask)"):
        tz.tensor(data, dtype)


def test_a_dtype_that_no_tensor_holds() -> None:
    with pytest.raises(TypeError, match="not complex128"):
        tz.tensor([1.0], np.complex128)
    with pytest.raises(TypeError, match="not object"):
        tz.tensor([1.0], object)


@pytest.mark.parametrize("data", [1, [1, 2], True, np.ones(2, np.uint8)])
def test_integers_and_booleans_have_no_gradient(data: Any) -> None:
    with pytest.raises(TypeError, match=r"only floating tensors have gradients, .* use dtype=np\.float32"):
        tz.tensor(data, requires_grad=True)
    with pytest.raises(TypeError, match="only floating tensors"):
        tz.tensor(data).requires_grad = True


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_gradients_have_their_tensors_dtype(dtype: Any) -> None:
    if np.dtype(dtype) == np.float64 and dtype is np.longdouble:
        pytest.skip(f"{sys.platform} has no longer double than float64")
    w = tz.tensor(np.array([1.0, 2.0], dtype), requires_grad=True)
    (w * np.array([0.5, 0.25], np.float64)).sum().backward()
    assert w.grad.dtype == dtype
    (w * np.array([0.5, 0.25], np.float32)).sum().backward()
    assert (w.grad.dtype, w.grad.tolist()) == (dtype, [1.0, 0.5])


def test_astype_leads_the_gradient_back() -> None:
    w = tz.tensor([1.5, 2.5], requires_grad=True)
    (w.astype(np.float64) ** 2).sum().backward()
    assert (w.grad.dtype, w.grad.tolist()) == (np.float32, [3.0, 5.0])
    assert not w.astype(np.int64).requires_grad
