"""Tensor speaks NumPy: its operators and methods, and NumPy's functions on it, are the ops.

Because of that the formulas run on Tensors as they stand, which is how second derivatives come about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.ops import activation as A
from tinygrad_zh.ops import arithmetic as M
from tinygrad_zh.ops import linear as L
from tinygrad_zh.ops import reduction as R
from tinygrad_zh.ops import shape as S
from tinygrad_zh.ops.indexing import getitem

UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: M.Add, np.subtract: M.Sub, np.multiply: M.Mul, np.true_divide: M.Div, np.negative: M.Neg,
    np.power: M.pow, np.exp: M.Exp, np.log: M.Log, np.log1p: M.Log1p, np.sqrt: M.Sqrt, np.sin: M.Sin, np.cos: M.Cos,
    np.tanh: A.Tanh, np.absolute: M.Abs, np.sign: M.Sign, np.maximum: M.Maximum, np.minimum: M.Minimum,
    np.matmul: L.matmul, np.greater: M.Greater, np.greater_equal: M.GreaterEqual, np.less: M.Less,
    np.less_equal: M.LessEqual, np.equal: M.Equal, np.not_equal: M.NotEqual, np.bitwise_and: M.And,
    np.bitwise_or: M.Or, np.invert: M.Not, np.logical_and: M.And, np.logical_or: M.Or, np.logical_not: M.Not,
    np.isfinite: M.IsFinite,
}  # fmt: skip

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: R.sum, np.mean: R.mean, np.var: R.var, np.std: R.std, np.max: R.max, np.min: R.min, np.prod: R.prod,
    np.argmax: R.argmax, np.argmin: R.argmin, np.linalg.norm: R.norm, np.reshape: S.reshape,
    np.transpose: S.transpose, np.swapaxes: S.swapaxes, np.expand_dims: S.expand_dims, np.squeeze: S.squeeze,
    np.broadcast_to: S.broadcast_to, np.concatenate: S.concat, np.stack: S.stack, np.split: S.split, np.pad: S.pad,
    np.flip: S.flip, np.roll: S.roll, np.where: M.Where, np.clip: M.clip, np.einsum: L.einsum, np.dot: L.matmul,
    np.shape: lambda x: x.shape, np.ndim: lambda x: x.ndim, np.size: lambda x: x.size,
    np.zeros_like: lambda x, **how: np.zeros_like(x.array, **how),
    np.ones_like: lambda x, **how: np.ones_like(x.array, **how),
}  # fmt: skip

CREATORS = frozenset({np.arange, np.identity, np.tri, np.asarray})
"""Functions whose like= says where the new array is to be: where the tensor's is."""

METHODS: tuple[Callable[..., Any], ...] = (
    R.sum, R.mean, R.var, R.std, R.max, R.min, R.prod, R.logsumexp, R.norm, R.argmax, R.argmin, S.reshape, S.flatten,
    S.transpose, S.swapaxes, S.expand_dims, S.squeeze, S.broadcast_to, S.split, M.clip, M.astype, M.Exp, M.Log, M.Sqrt,
    M.Abs, A.ReLU, A.Sigmoid, A.Tanh, A.Softmax,
)  # fmt: skip


def _array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
    if "out" in keywords:
        raise TypeError(f"np.{ufunc.__name__} cannot write into an array what depends on a tensor; drop out= "
                        "(and x += t for an array x), or use t.numpy()")
    if method != "__call__" or ufunc not in UFUNCS or keywords:
        raise TypeError(f"np.{ufunc.__name__}{'' if method == '__call__' else '.' + method} has no op with a "
                        "gradient; write a tz.Op for it, or use t.numpy() for the values alone")
    return UFUNCS[ufunc](*inputs)


def _array_function(self: Tensor, function: Callable[..., Any], types: Any, arguments: Any, keywords: Any) -> Any:
    if function in CREATORS:
        return function(*arguments, **keywords, like=self.array)
    if function not in FUNCTIONS:
        raise TypeError(f"np.{function.__name__} has no op with a gradient; write a tz.Op for it, or use t.numpy() "
                        "for the values alone")
    return FUNCTIONS[function](*arguments, **keywords)


def _reflected(op: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    return lambda self, other: op(other, self)


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    def method(self: Tensor, *arguments: Any, **keywords: Any) -> Any:
        return function(self, *arguments, **keywords)

    method.__doc__ = function.__doc__
    method.__name__ = function.__name__.lower()
    return method


def _in_place(operator: str, function: Callable[..., Any]) -> Callable[[Tensor, Any], Any]:
    """t += x makes a new tensor, which would silently replace a parameter by a result."""

    def method(self: Tensor, other: Any) -> Any:
        if self.is_leaf and self.requires_grad:
            raise TypeError(f"t {operator}= … would replace a parameter by a result; use t.assign(t {operator} …)")
        return function(self, other)

    return method


def _iterate(self: Tensor) -> Iterator[Tensor]:
    if not self.ndim:
        raise TypeError("a 0-d tensor cannot be iterated over")
    return (self[i] for i in range(self.shape[0]))


def _matrix_transpose(self: Tensor) -> Tensor:
    """Y = Aᵀ, the last two axes exchanged. 中文：矩阵转置。"""
    if self.ndim < 2:
        raise ValueError(f"mT transposes matrices; this tensor has shape {self.shape}")
    return S.swapaxes(self, -1, -2)


def _register() -> None:
    T: Any = Tensor
    for symbol, name, function in [("+", "add", M.Add), ("-", "sub", M.Sub), ("*", "mul", M.Mul),
                                   ("/", "truediv", M.Div), ("@", "matmul", L.matmul), ("**", "pow", M.pow)]:
        setattr(T, f"__{name}__", lambda self, other, function=function: function(self, other))
        setattr(T, f"__r{name}__", _reflected(function))
        setattr(T, f"__i{name}__", _in_place(symbol, function))
    for name, op in [("lt", M.Less), ("le", M.LessEqual), ("gt", M.Greater), ("ge", M.GreaterEqual),
                     ("eq", M.Equal), ("ne", M.NotEqual), ("and", M.And), ("or", M.Or)]:
        setattr(T, f"__{name}__", lambda self, other, op=op: op(self, other))
    for name, op in [("neg", M.Neg), ("abs", M.Abs), ("invert", M.Not)]:
        setattr(T, f"__{name}__", lambda self, op=op: op(self))
    for function in METHODS:
        setattr(T, function.__name__.lower(), _method(function))
    T.__rand__, T.__ror__ = T.__and__, T.__or__
    T.__getitem__ = getitem
    T.__iter__ = _iterate
    T.T = property(lambda self: S.transpose(self), doc="y = x with its axes reversed. 中文：转置。")
    T.mT = property(_matrix_transpose, doc=_matrix_transpose.__doc__)
    T.__array_ufunc__ = _array_ufunc
    T.__array_function__ = _array_function


_register()
