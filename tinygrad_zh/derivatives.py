"""Derivatives of functions: Jacobian, Hessian, and their products with vectors, all from the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, grad, tensor, using
from tinygrad_zh.core.tensor import beside, leaf

Inputs = Any
"""One tensor (or array), or a tuple of them."""


def _leaves(inputs: Inputs) -> tuple[list[Tensor], bool]:
    """Fresh leaves with the inputs' values, and whether there was only one input."""
    several = isinstance(inputs, (tuple, list))
    given = list(inputs) if several else [inputs]
    return [leaf(x.array, True) if isinstance(x, Tensor) else tensor(x, requires_grad=True) for x in given], not several


def _result(name: str, function: Callable[..., Any], leaves: Sequence[Tensor]) -> Tensor:
    with using(grad=True):  # a derivative is asked for, under no_grad too
        y = function(*leaves)
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: the function returns one tensor, not {type(y).__name__}")
    return y


def _number(name: str, function: Callable[..., Any], leaves: Sequence[Tensor]) -> Tensor:
    y = _result(name, function, leaves)
    if y.size != 1:
        raise ValueError(f"{name}: the function returns one number, not shape {y.shape}; reduce it (sum, mean), "
                         "or use jacobian")
    return y


def _or_zeros(gradients: Sequence[Tensor | None], leaves: Sequence[Tensor]) -> list[Tensor]:
    return [leaf(np.zeros_like(x.array)) if g is None else g for g, x in zip(gradients, leaves, strict=True)]


def _gradients(y: Tensor, leaves: Sequence[Tensor], seed: Any = None, create_graph: bool = False,
               retain_graph: bool = False) -> list[Tensor]:
    """∂y/∂leaves; zeros where y does not depend on one."""
    if not y.requires_grad:
        return _or_zeros([None] * len(leaves), leaves)
    found = grad(y, leaves, seed, create_graph=create_graph, retain_graph=create_graph or retain_graph,
                 allow_unused=True)
    return _or_zeros(found, leaves)


def _vectors(name: str, v: Any, like: Sequence[Tensor], single: bool) -> list[Tensor]:
    given = [v] if single or not isinstance(v, (tuple, list)) else list(v)
    vectors = [x if isinstance(x, Tensor) else tensor(beside(x, like[0])) for x in given]
    if [x.shape for x in vectors] != [x.shape for x in like]:
        raise ValueError(f"{name}: v has shape {', '.join(str(x.shape) for x in vectors)}; "
                         f"it must be {', '.join(str(x.shape) for x in like)}")
    return [x.astype(t.dtype) for x, t in zip(vectors, like, strict=True)]


def vjp(function: Callable[..., Tensor], inputs: Inputs, v: Any = None) -> tuple[Tensor, Any]:
    """(f(x), vᵀ J): what backward computes. v has f's shape; 1 for a scalar f unless given. 中文：向量–雅可比积。

    Returns the value, and one product an input (a tuple if the inputs are one).

    >>> import tinygrad_zh as tz
    >>> tz.vjp(lambda x: x * x, tz.tensor([1.0, 2.0]), [1.0, 10.0])[1].tolist()
    [2.0, 40.0]
    """
    leaves, single = _leaves(inputs)
    y = _result("vjp", function, leaves)
    seed = None if v is None else _vectors("vjp", v, [y], single=True)[0]
    products = _gradients(y, leaves, seed)
    return y.detach(), products[0] if single else tuple(products)


def jvp(function: Callable[..., Tensor], inputs: Inputs, v: Any) -> tuple[Tensor, Tensor]:
    """(f(x), J v): how f moves when x moves along v. v has the inputs' shapes. 中文：雅可比–向量积。

    By two backward passes: uᵀ J is linear in u, and its own gradient with respect to u is J v.

    >>> import tinygrad_zh as tz
    >>> tz.jvp(lambda x: x * x, tz.tensor([1.0, 2.0]), [1.0, 1.0])[1].tolist()
    [2.0, 4.0]
    """
    leaves, single = _leaves(inputs)
    vectors = _vectors("jvp", v, leaves, single)
    y = _result("jvp", function, leaves)
    u = leaf(np.zeros_like(y.array), True)
    products = _gradients(y, leaves, u, create_graph=True)
    total = leaf(np.zeros_like(y.array))
    for product, vector in zip(products, vectors, strict=True):
        if product.requires_grad:
            total = total + _gradients(product, [u], vector, retain_graph=True)[0]
    return y.detach(), total


def hvp(function: Callable[..., Tensor], inputs: Inputs, v: Any) -> tuple[Tensor, Any]:
    """(f(x), H v) for a scalar f: the gradient of ∇f · v. 中文：黑塞–向量积。

    >>> import tinygrad_zh as tz
    >>> tz.hvp(lambda x: (x ** 3).sum(), tz.tensor([1.0, 2.0]), [1.0, 1.0])[1].tolist()
    [6.0, 12.0]
    """
    leaves, single = _leaves(inputs)
    vectors = _vectors("hvp", v, leaves, single)
    y = _number("hvp", function, leaves)
    slopes = _gradients(y, leaves, create_graph=True)
    totals = [leaf(np.zeros_like(x.array)) for x in leaves]
    for slope, vector in zip(slopes, vectors, strict=True):
        if slope.requires_grad:
            totals = [t + h for t, h in zip(totals, _gradients(slope, leaves, vector, retain_graph=True), strict=True)]
    return y.detach(), totals[0] if single else tuple(totals)


def jacobian(function: Callable[..., Tensor], inputs: Inputs) -> Any:
    """J = ∂y/∂x, of shape y.shape + x.shape: one backward pass an element of y. 中文：雅可比矩阵。

    One tensor for one input, a tuple for several.

    >>> import tinygrad_zh as tz
    >>> tz.jacobian(lambda x: x * x, tz.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    leaves, single = _leaves(inputs)
    y = _result("jacobian", function, leaves)
    rows = [np.zeros_like(x.array, shape=(y.size, *x.shape)) for x in leaves]
    for i in range(y.size):
        unit = np.zeros_like(y.array, shape=y.size)
        unit[i] = 1
        for row, g in zip(rows, _gradients(y, leaves, unit.reshape(y.shape), retain_graph=True), strict=True):
            row[i] = g.array
    blocks = [leaf(row.reshape(y.shape + x.shape)) for row, x in zip(rows, leaves, strict=True)]
    return blocks[0] if single else tuple(blocks)


def hessian(function: Callable[..., Tensor], inputs: Inputs) -> Any:
    """H = ∂²f/∂x∂x for a scalar f, of shape x.shape + x.shape. 中文：黑塞矩阵。

    For several inputs a tuple of tuples: the block of inputs i and j.

    >>> import tinygrad_zh as tz
    >>> tz.hessian(lambda x: (x ** 3).sum(), tz.tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    leaves, single = _leaves(inputs)

    def slope(i: int) -> Callable[..., Tensor]:
        return lambda *xs: _gradients(_number("hessian", function, xs), xs, create_graph=True)[i]

    blocks = tuple(jacobian(slope(i), tuple(leaves)) for i in range(len(leaves)))
    return blocks[0][0] if single else blocks
