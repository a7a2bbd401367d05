"""gemm in compiled code: OpenBLAS and our own tiles, on every layout, and the threads put back."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest
from numba import njit, types

from tinygrad_zh_kernels import blas
from tinygrad_zh_kernels.blas import gemm, gemm_shared, one_thread


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


@pytest.fixture(scope="module", params=[types.float32, types.float64], ids=str)
def tiles(request):
    """Our own product as a C function, whatever this NumPy brings along, and the dtype that it is for."""
    return blas._c_function(blas.tiles, request.param).ctypes, np.dtype(str(request.param))


def by_tiles(function, a, b, alpha, beta, c):
    """C ← α A B + β C by a function with cblas_sgemm's arguments; A and B are arrays or transposed views."""
    number = ctypes.c_float if c.dtype == np.float32 else ctypes.c_double

    def matrix_of(x):
        turned = not x.flags.c_contiguous
        whole = x.T if turned else x
        return 112 if turned else 111, whole.ctypes.data_as(ctypes.POINTER(number)), whole.shape[1]

    (a_order, a_at, lda), (b_order, b_at, ldb) = matrix_of(a), matrix_of(b)
    function(101, a_order, b_order, *c.shape, a.shape[1], number(alpha), a_at, lda, b_at, ldb, number(beta),
             c.ctypes.data_as(ctypes.POINTER(number)), c.strides[0] // c.itemsize)


SHAPES = [(1, 1, 1), (13, 2, 31), (14, 400, 32), (15, 401, 33), (225, 7, 65), (450, 900, 16), (29, 3, 200),
          (515, 90, 33), (600, 410, 530), (20, 5, 1100)]  # B is copied; in two shares and two parts; row by row


@pytest.mark.parametrize("a_layout", ["whole", "transposed"])
@pytest.mark.parametrize("b_layout", ["whole", "transposed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tiles_are_the_product(tiles, a_layout, b_layout, shape):
    function, dtype = tiles
    rng = np.random.default_rng(0)
    m, k, n = shape
    a, b = matrix(rng, m, k, a_layout, dtype), matrix(rng, k, n, b_layout, dtype)
    whole = np.full((m, n + 3), 7, dtype)
    by_tiles(function, a, b, 0.5, 2, whole[:, :n])
    exact = 0.5 * (a.astype(np.float64) @ b.astype(np.float64)) + 14
    np.testing.assert_allclose(whole[:, :n], exact, atol=np.finfo(dtype).eps * k * 4)
    assert (whole[:, n:] == 7).all()  # nothing was written beside


@pytest.mark.parametrize("height", range(1, 32))
def test_tiles_of_every_height(tiles, height):
    function, dtype = tiles
    rng = np.random.default_rng(height)
    a, b = matrix(rng, height, 5, "whole", dtype), matrix(rng, 5, height + 3, "whole", dtype)
    whole = np.full((height + 1, height + 3), np.nan, dtype)
    whole[-1] = 7
    by_tiles(function, a, b, 1, 0, whole[:-1])
    np.testing.assert_allclose(whole[:-1], a.astype(np.float64) @ b, atol=np.finfo(dtype).eps * 40)
    assert (whole[-1] == 7).all()


def test_tiles_of_an_empty_sum_are_what_was_there_times_beta(tiles):
    function, dtype = tiles
    c = np.full((3, 4), 7, dtype)
    a, b = np.empty((3, 0), dtype), np.empty((0, 4), dtype)
    by_tiles(function, a, b, 1, 2, c)
    np.testing.assert_array_equal(c, 14)
    c[:] = np.nan
    by_tiles(function, a, b, 1, 0, c)
    np.testing.assert_array_equal(c, 0)


@pytest.mark.parametrize("shape", [(0, 3, 4), (4, 3, 0), (0, 0, 0)], ids=str)
def test_tiles_of_nothing_say_nothing(tiles, shape, capfd):
    function, dtype = tiles
    m, k, n = shape
    by_tiles(function, np.ones((m, k), dtype), np.ones((k, n), dtype), 1, 0, np.ones((m, n), dtype))
    assert capfd.readouterr() == ("", "")  # a C function's exception is printed


def test_tiles_let_nan_through_only_where_it_belongs(tiles):
    function, dtype = tiles
    a, b = np.ones((20, 40), dtype), np.ones((40, 50), dtype)
    a[17, 3], b[39, 49] = np.nan, np.inf
    c = np.empty((20, 50), dtype)
    by_tiles(function, a, b, 1, 0, c)
    np.testing.assert_array_equal(c, a @ b)


@pytest.mark.parametrize("shape", [(64, 784, 128), (100, 784, 4), (300, 500, 400)], ids=str)
def test_small_or_large_the_product_is_right(shape):
    rng = np.random.default_rng(0)
    m, k, n = shape
    a, b = matrix(rng, m, k, "whole", np.float32), matrix(rng, k, n, "whole", np.float32)
    c = np.empty((m, n), np.float32)
    multiply(1.0, a, b, 0.0, c)
    np.testing.assert_allclose(c, a.astype(np.float64) @ b, atol=1e-5 * k**0.5)


@njit
def multiply_shared(alpha, a, b, beta, c, threads):
    gemm_shared(alpha, a, b, beta, c, threads)


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("a_layout", ["whole", "transposed", "part"])
@pytest.mark.parametrize("b_layout", ["whole", "transposed", "part"])
@pytest.mark.parametrize("shape", [(30, 4, 7), (7, 4, 70), (1, 5, 1), (3, 0, 2), (29, 3, 29)], ids=str)
def test_a_product_in_shares_is_the_product(threads, a_layout, b_layout, shape):
    rng = np.random.default_rng(0)
    m, k, n = shape
    for dtype in (np.float32, np.float64):
        a, b = matrix(rng, m, k, a_layout, dtype), matrix(rng, k, n, b_layout, dtype)
        whole = np.full((m, n + 2), 7, dtype)
        c = whole[:, :n]
        multiply_shared(0.5, a, b, 2.0, c, threads)
        np.testing.assert_allclose(c, 0.5 * (a @ b) + 14, rtol=1e-5 if dtype == np.float32 else 1e-13)
        assert (whole[:, n:] == 7).all()


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
