"""C ← α A B + β C inside code that Numba compiles, by the BLAS that NumPy brings along. 矩阵乘法（BLAS）

A product of small matrices takes 4 µs; np.matmul needs a µs more to be called, and np.dot in Numba needs SciPy. So the
compiled code calls OpenBLAS by its symbol, as C would. A NumPy built with another BLAS (Accelerate, MKL, a
distribution's) has no such symbol: the loops below take its place, with the same arguments, several times slower.

    gemm(1.0, q, k.T, 0.0, scores)     a transpose is a view; rows may be any distance apart, so may those of C
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import carray, cfunc, njit, types
from numba.extending import overload

_ROW_MAJOR, _AS_IT_IS, _TRANSPOSED = np.int32(101), np.int32(111), np.int32(112)  # cblas.h


def _signature(T: Any) -> Any:
    size, matrix, choice = types.int64, types.CPointer(T), types.int32
    return types.void(choice, choice, choice, size, size, size, T, matrix, size, matrix, size, T, matrix, size)


def _openblas() -> Any:
    """The library in NumPy's wheel, None where NumPy was built with another."""
    package = Path(np.__file__).parent
    for folder in (package.parent / "numpy.libs", package / ".dylibs"):
        for file in sorted(folder.glob("libscipy_openblas64_*")):
            library = ctypes.CDLL(str(file))
            if hasattr(library, "scipy_cblas_sgemm64_"):
                return library
    return None


def loops(T: Any) -> Any:
    """cblas_sgemm's or cblas_dgemm's arguments and result, as three loops; the innermost one vectorises."""

    @cfunc(_signature(T), error_model="numpy", fastmath={"contract"})
    def gemm(order, a_order, b_order, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
        A = carray(a, ((inner if a_order == _TRANSPOSED else rows), lda))
        B = carray(b, ((columns if b_order == _TRANSPOSED else inner), ldb))
        C = carray(c, (rows, ldc))
        for i in range(rows):
            for j in range(columns):
                C[i, j] = beta * C[i, j] if beta != 0 else T(0)  # what C holds, nan too, does not count then
            for p in range(inner):
                factor = alpha * (A[p, i] if a_order == _TRANSPOSED else A[i, p])
                if b_order == _TRANSPOSED:
                    for j in range(columns):
                        C[i, j] += factor * B[j, p]
                else:
                    for j in range(columns):
                        C[i, j] += factor * B[p, j]

    return gemm


# Both ways go by one name, so that code compiled and cached on disk with one of them runs with the other.
_library = _openblas()
_kept = []
_functions = {}
for _T, _name in ((types.float32, "sgemm"), (types.float64, "dgemm")):
    if _library is not None:
        _address = ctypes.cast(getattr(_library, f"scipy_cblas_{_name}64_"), ctypes.c_void_p).value
    else:
        _kept.append(loops(_T))
        _address = _kept[-1].address
    llvm.add_symbol(f"tinygrad_zh_{_name}", _address)
    _functions[_T] = types.ExternalFunction(f"tinygrad_zh_{_name}", _signature(_T))


def gemm(alpha: Any, a: Any, b: Any, beta: Any, c: Any) -> None:
    """C ← α A B + β C, A (m, k), B (k, n), C (m, n), of float32 or float64. 中文：矩阵乘加。

    A and B are arrays, or transposed views of arrays, whose rows have no gaps between their numbers; so is C, not
    transposed. β = 0 means that C is not read. Nothing is checked.
    """
    raise NotImplementedError("gemm is for code that Numba compiles; use a @ b")


@overload(gemm, jit_options={"error_model": "numpy"})
def _gemm(alpha, a, b, beta, c):
    T = c.dtype
    function = _functions.get(T)
    if function is None or a.dtype != T or b.dtype != T:
        return None

    def body(alpha, a, b, beta, c):
        function(_ROW_MAJOR, _order(a), _order(b), c.shape[0], c.shape[1], a.shape[1],
                 T(alpha), a.ctypes, _stride(a), b.ctypes, _stride(b), T(beta), c.ctypes, _stride(c))

    return body


@njit(error_model="numpy", forceinline=True)
def _order(x):
    """Whether a matrix is the transpose of what lies in memory."""
    return _AS_IT_IS if x.strides[1] == x.itemsize or x.shape[1] == 1 else _TRANSPOSED


@njit(error_model="numpy", forceinline=True)
def _stride(x):
    """From one row in memory to the next, in numbers. A single row has any stride, but BLAS checks it."""
    row, column = (0, 1) if _order(x) == _AS_IT_IS else (1, 0)
    return max(x.strides[row] // x.itemsize, x.shape[column], 1)


# ---- threads


_lock = Lock()
_inside = 0
_before = 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Within the block a product is computed by the thread that asks for it: the caller shares the work out itself.

    The number of threads of NumPy's OpenBLAS is one for the whole process; it is put back when the last of several
    threads leaves the block. 中文：在此块内，每个矩阵乘法只用一个线程。
    """
    global _inside, _before
    if _library is None:
        yield
        return
    with _lock:
        if not _inside:
            _before = _library.scipy_openblas_get_num_threads64_()
            _library.scipy_openblas_set_num_threads64_(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _library.scipy_openblas_set_num_threads64_(_before)
