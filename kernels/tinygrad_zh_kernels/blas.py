"""C ← α A B + β C inside code that Numba compiles. 矩阵乘法（在编译后的代码中调用）

A product of small matrices takes 4 µs; np.matmul needs a µs more to be called, and np.dot in Numba needs SciPy. So the
compiled code calls a C function by its symbol: our own tiles where B is small or narrow, the OpenBLAS that NumPy brings
along where it is large and for float64. A NumPy built with another BLAS (Accelerate, MKL, a distribution's) has no such
symbol: then all products are tiles.

    gemm(1.0, q, k.T, 0.0, scores)                a transpose is a view; rows may be any distance apart, also those of C
    gemm_shared(1.0, x, W, 0.0, y, threads)       by several threads
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
from numba import njit, types
from numba.core.ccallback import CFunc
from numba.extending import overload

from tinygrad_zh_kernels.cache import keep
from tinygrad_zh_kernels.microkernel import HEIGHT
from tinygrad_zh_kernels.threads import share, task
from tinygrad_zh_kernels.tiled import MANY, SHARE, WIDTH, product
from tinygrad_zh_kernels.vector_math import kernel

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


SMALL = 512 << 10
"""Bytes of B up to which tiles are faster: it stays in the second cache beside a block of A. A larger one is copied in
shares, if there are rows enough for that: if it has no more than one share of columns, tiles are faster still."""

FAR, LONG = 2048, 128
"""Bytes from row to row and rows of A, if it is a transpose, from which on OpenBLAS is faster: tiles walk along its
columns, and each step is on another page."""

NARROW = 8
"""Columns below which OpenBLAS is faster: it takes them as vectors."""

FEW = 16_000_000
"""Multiplications below which OpenBLAS's other threads would not help."""

FEW_SHARED = 10_000_000
"""Multiplications below which threads of ours would not help `gemm_shared`: what another core has computed takes longer
to fetch than to compute. A step of 784–128–10 takes longer with two threads up to 64 samples, and 0.88 with 128."""


def _symbol(name: str, address: Any, signature: Any) -> Any:
    """A C function by a name of ours: code that is cached on disk finds it again, wherever it lies."""
    llvm.add_symbol(name, address)
    return types.ExternalFunction(name, signature)


def _of_library(name: str) -> Any:
    return ctypes.cast(getattr(_library, name), ctypes.c_void_p).value


@njit(error_model="numpy")
def tiles(order, a_order, b_order, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
    """cblas_sgemm's or cblas_dgemm's arguments and result, by tiles."""
    product(a_order == _TRANSPOSED, b_order == _TRANSPOSED, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc)


_library = _openblas()
if _library is not None:
    _openblas_threads = _symbol("tinygrad_zh_openblas_threads", _of_library("scipy_openblas_get_num_threads64_"),
                                types.int32())
    _openblas_sgemm = _symbol("tinygrad_zh_openblas_sgemm", _of_library("scipy_cblas_sgemm64_"),
                              _signature(types.float32))


@njit(error_model="numpy")
def either(order, a_order, b_order, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc):
    """The same in float32, by tiles or by OpenBLAS, whichever is faster."""
    large = inner * columns * 4 > SMALL and (rows < MANY or columns > SHARE or a_order == _TRANSPOSED)
    far = a_order == _TRANSPOSED and lda * 4 >= FAR and inner > LONG
    if large or far or columns < NARROW or (rows * columns * inner > FEW and _openblas_threads() > 1):
        _openblas_sgemm(order, a_order, b_order, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc)
    else:
        tiles(order, a_order, b_order, rows, columns, inner, alpha, a, lda, b, ldb, beta, c, ldc)


def _c_function(function: Any, T: Any) -> Any:
    """What C would call. Compiled when this is imported for the first time, then found on disk."""
    signature = _signature(T)
    made = keep(CFunc(function.py_func, (signature.args, signature.return_type), {}, {"error_model": "numpy"}))
    made.compile()
    return made


# Every way goes by one name, so that code compiled and cached on disk with one of them runs with the others.
if _library is None:
    _kept = {T: _c_function(tiles, T) for T in (types.float32, types.float64)}
    _addresses = {T: function.address for T, function in _kept.items()}
else:
    _kept = {types.float32: _c_function(either, types.float32)}
    _addresses = {types.float32: _kept[types.float32].address, types.float64: _of_library("scipy_cblas_dgemm64_")}
_functions = {T: _symbol(f"tinygrad_zh_{name}", _addresses[T], _signature(T))
              for T, name in ((types.float32, "sgemm"), (types.float64, "dgemm"))}


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


COLUMNS = WIDTH // 4
"""Of a tile of float32; two are one of float64."""


@kernel
def gemm_shared(alpha, a, b, beta, c, threads):
    """gemm, with a share of the rows of C in each thread, or of its columns, if there are more of them.

    OpenBLAS has threads of its own, and they would all wait for the same cores: call this within `one_thread`.
    中文：由多个线程分担的矩阵乘法。
    """
    if threads == 1:
        gemm(alpha, a, b, beta, c)
    elif c.shape[0] >= c.shape[1]:
        share(task(_rows, (alpha, a, b, beta, c)), (c.shape[0] + HEIGHT - 1) // HEIGHT, threads)
    else:
        share(task(_columns, (alpha, a, b, beta, c)), (c.shape[1] + COLUMNS - 1) // COLUMNS, threads)


@kernel
def _rows(first, last, alpha, a, b, beta, c):
    first, last = first * HEIGHT, last * HEIGHT  # whole tiles, but for the last one
    gemm(alpha, a[first:last], b, beta, c[first:last])


@kernel
def _columns(first, last, alpha, a, b, beta, c):
    first, last = first * COLUMNS, last * COLUMNS
    gemm(alpha, a, b[:, first:last], beta, c[:, first:last])


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
