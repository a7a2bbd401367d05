"""gemm in compiled code: OpenBLAS and the loops that stand in for it, on every layout, and the threads put back."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest
from numba import njit, types

from tinygrad_zh_kernels import blas
from tinygrad_zh_kernels.blas import gemm, one_thread


@njit
def multiply(alpha, a, b, beta, c):
    gemm(alpha, a, b, beta, c)


def matrix(rng, rows, columns, layout, dtype):
    """A matrix that is whole, a transpose, or a part of a wider one."""
    if layout == "transposed":
        return rng.standard_normal((columns, rows)).astype(dtype).T
    if layout == "part":
        return rng.standard_normal((rows, columns + 3)).astype(dtype)[:, 1 : columns + 1]
    return rng.standard_normal((rows, columns)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("a_layout", ["whole", "transposed", "part"])
@pytest.mark.parametrize("b_layout", ["whole", "transposed", "part"])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)])
def test_it_is_the_product(dtype, a_layout, b_layout, shape):
    rng = np.random.default_rng(0)
    m, k, n = shape
    a, b = matrix(rng, m, k, a_layout, dtype), matrix(rng, k, n, b_layout, dtype)
    whole = np.full((m, n + 2), 7, dtype)
    c = whole[:, :n]
    multiply(0.5, a, b, 2.0, c)
    np.testing.assert_allclose(c, 0.5 * (a @ b) + 14, rtol=1e-5 if dtype == np.float32 else 1e-13)
    assert (whole[:, n:] == 7).all()


def test_beta_0_does_not_read_what_was_there():
    c = np.full((2, 2), np.nan)
    multiply(1.0, np.eye(2), np.eye(2), 0.0, c)
    np.testing.assert_array_equal(c, np.eye(2))


@pytest.mark.parametrize("T", [types.float32, types.float64])
@pytest.mark.parametrize("a_order", ["as it is", "transposed"])
@pytest.mark.parametrize("b_order", ["as it is", "transposed"])
def test_the_loops_take_blas_s_arguments_and_give_its_results(T, a_order, b_order):
    rng = np.random.default_rng(0)
    dtype = np.dtype(str(T))
    a = np.ascontiguousarray(matrix(rng, 3, 4, "whole", dtype) if a_order == "as it is" else
                             matrix(rng, 4, 3, "whole", dtype))
    b = np.ascontiguousarray(matrix(rng, 4, 5, "whole", dtype) if b_order == "as it is" else
                             matrix(rng, 5, 4, "whole", dtype))
    c = np.ones((3, 5), dtype)
    number = ctypes.c_float if dtype == np.float32 else ctypes.c_double
    place = ctypes.POINTER(number)
    orders = {"as it is": 111, "transposed": 112}
    blas.loops(T).ctypes(101, orders[a_order], orders[b_order], 3, 5, 4,
                         number(0.5), a.ctypes.data_as(place), a.shape[1], b.ctypes.data_as(place), b.shape[1],
                         number(2), c.ctypes.data_as(place), 5)
    product = (a if a_order == "as it is" else a.T) @ (b if b_order == "as it is" else b.T)
    np.testing.assert_allclose(c, 0.5 * product + 2, rtol=1e-5 if dtype == np.float32 else 1e-13)


needs_openblas = pytest.mark.skipif(blas._library is None, reason="this NumPy brings no OpenBLAS of its own")


@needs_openblas
def test_the_number_of_threads_is_put_back_when_the_last_one_leaves():
    threads = blas._library.scipy_openblas_get_num_threads64_
    before = threads()
    blas._library.scipy_openblas_set_num_threads64_(2)
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_thread():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    try:
        with one_thread():
            thread.start()
            inside.wait()
            assert threads() == 1
        assert threads() == 1  # the other one is still inside
        leave.set()
        thread.join()
        assert threads() == 2
    finally:
        leave.set()
        blas._library.scipy_openblas_set_num_threads64_(before)


@needs_openblas
def test_the_number_of_threads_is_put_back_after_an_error():
    before = blas._library.scipy_openblas_get_num_threads64_()
    with pytest.raises(KeyError), one_thread():
        raise KeyError
    assert blas._library.scipy_openblas_get_num_threads64_() == before
