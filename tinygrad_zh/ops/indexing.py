"""Indexing: x[i], where i has integers, slices, None, …, integer arrays (with repeats) or a boolean array.

Basic indices pick each element at most once: Slice and its adjoint Unslice. Arrays may pick one twice: Gather and
its adjoint ScatterAdd, where contributions to a repeated index add up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op, own
from tinygrad_zh.core.tensor import Tensor, beside
from tinygrad_zh.device import stray


def scatter(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape, with x written at an index that names no element twice."""
    y = np.zeros_like(x, shape=shape)
    y[index] = x
    return y


def scatter_add(x: Any, index: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape, with x added at an index; what is named several times receives each."""
    y = np.zeros_like(x, shape=shape)
    if _names_wide_rows(x, index, shape):
        for i, row in zip(index.reshape(-1).tolist(), x.reshape(-1, *shape[1:]), strict=True):
            y[i] += row
    else:
        np.add.at(y, index, x)
    return y


def _names_wide_rows(x: Any, index: Any, shape: tuple[int, ...]) -> bool:
    """Whether x is a row for each integer of the index, each so wide that going row by row is cheap.

    np.add.at goes number by number: 8192 rows of 300 take it three times as long as row by row.
    """
    return (type(index) is np.ndarray and index.dtype.kind in "iu" and x.shape == index.shape + shape[1:]
            and math.prod(shape[1:]) >= 100)


class Slice(Op):
    """y = x[i], i of integers and slices
    ∂L/∂x = 0, with ∂L/∂y at i
    中文：切片
    """

    def forward(x, *, index):
        return x[index]

    def backward(dy, x_shape, *, index):
        return Unslice(dy, index=index, shape=x_shape)


class Unslice(Op):
    """y = 0, y[i] = x
    ∂L/∂x = ∂L/∂y[i]
    中文：切片的伴随：放回原位，其余为零
    """

    def forward(x, *, index, shape):
        return scatter(x, index, shape)

    def backward(dy, *, index):
        return dy[index]


class Gather(Op):
    """y = x[i], i with integer or boolean arrays
    ∂L/∂x = 0, plus ∂L/∂y at every i, repeats adding up
    中文：按下标取值
    """

    def forward(x, index):
        return x[index]

    def backward_x(dy, index, x_shape):
        return ScatterAdd(dy, index, shape=x_shape)


class ScatterAdd(Op):
    """y = 0, y[i] += x, repeats adding up
    ∂L/∂x = ∂L/∂y[i]
    中文：按下标累加
    """

    def forward(x, index, *, shape):
        return scatter_add(x, index, shape)

    def backward_x(dy, index):
        return dy[index]


class Embedding(Op):
    """y = W[t], row t of the table for every token t
    ∂L/∂W = 0, plus ∂L/∂y at row t, repeats adding up
    中文：嵌入（查表）
    """

    def forward(t, W):
        return W[t]

    def backward_W(dy, t, W_shape):
        return ScatterAdd(dy, t, shape=W_shape)


# ---- what users call


def getitem(x: Any, index: Any) -> Tensor:
    """y = x[index], as in NumPy. 中文：索引。

    Integer arrays may repeat an index; then gradients add up. Raises IndexError for an index out of range, and
    for a floating one.
    """
    parts = index if isinstance(index, tuple) else (index,)
    basic = (int, np.integer, slice, type(None), type(Ellipsis))
    if all(isinstance(i, basic) and not isinstance(i, bool) for i in parts):
        return Slice(x, index=index)
    return Gather(x, tuple([_index(i, x) for i in parts]) if isinstance(index, tuple) else _index(index, x))


def _index(i: Any, x: Any) -> Any:
    """One part of an index, safe from later writes; tensors become arrays, and lists, where x is."""
    if isinstance(i, Tensor):
        i = i.array
    if isinstance(i, (list, tuple, bool)):
        i = beside(i, x, None if np.size(i) else np.intp)
    if isinstance(i, (int, slice, type(None), type(Ellipsis))):
        return i
    if not hasattr(i, "dtype") or i.dtype.kind not in "iub":
        raise IndexError(f"an index is of integers or booleans, not {getattr(i, 'dtype', type(i).__name__)}")
    return own(i)


def labels(name: str, t: Any, classes: int, x: Any) -> Any:
    """Class labels as a checked integer array: each from 0 to classes − 1. Lists go where x is. Errors: `numbered`."""
    return numbered(name, t, classes, "class label", f"{classes} classes", x)


def numbered(name: str, t: Any, count: int, what: str, whole: str, x: Any) -> Any:
    """Labels or tokens as a checked integer array: each from 0 to count − 1. Lists go where x is.

    What came from the CPU was looked at on its way to the GPU; of what was computed there, this waits for the smallest
    and the largest, once. Raises TypeError for what is no integer, IndexError for one out of range on either side
    (NumPy's own indexing would wrap −1 to the last, CuPy's any number).
    """
    if isinstance(t, Tensor):
        t = t.array
    elif isinstance(t, np.generic):
        t = np.asarray(t)
    else:
        t = beside(t, x, None if np.size(t) else np.intp)
    if t.dtype.kind not in "iu" or not t.dtype.isnative:
        raise TypeError(f"{name}: {what}s are integers, not {t.dtype}; convert them with .astype(np.int64)")
    worst = stray(t, 0, count - 1)
    if worst is not None:
        raise IndexError(f"{name}: {what} {worst} is out of range for {whole} (0 to {count - 1})")
    return t


def embedding(t: Any, W: Any) -> Tensor:
    """y = W[t]: t (…) of integers, W (vocabulary, d) → y (…, d). 中文：嵌入。

    Raises TypeError for tokens that are no integers, IndexError for one outside the vocabulary.
    """
    if len(W.shape) != 2:
        raise ValueError(f"embedding: the table is (vocabulary, d), not {W.shape}")
    tokens = numbered("embedding", t, W.shape[0], "token", f"a vocabulary of {W.shape[0]}", W)
    return Embedding(tokens, W)
