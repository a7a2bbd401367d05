"""Products of matrices and of tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core.op import Op
from tinygrad_zh.core.tensor import Tensor, shape_of
from tinygrad_zh.ops.indexing import getitem
from tinygrad_zh.ops.reduction import sum
from tinygrad_zh.ops.shape import broadcast_to, expand_dims, reshape, transpose


class MatMul(Op):
    """Y = A B
    ∂L/∂A = ∂L/∂Y · Bᵀ
    ∂L/∂B = Aᵀ · ∂L/∂Y
    中文：矩阵乘法

    A (…, n, k), B (…, k, m) → Y (…, n, m); the leading axes broadcast. F01, F05.
    """

    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ b.mT

    def backward_b(dy, a):
        return a.mT @ dy


class Dot(Op):
    """y = a · b
    ∂L/∂a = ∂L/∂y · b
    ∂L/∂b = ∂L/∂y · a
    中文：点积（两个向量）
    """

    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy * b

    def backward_b(dy, a):
        return dy * a


class Contract(Op):
    """y = Σ a b, over the indices that y does not have
    ∂L/∂a = Σ ∂L/∂y b, over the indices that a does not have
    ∂L/∂b = Σ ∂L/∂y a, over the indices that b does not have
    中文：爱因斯坦求和（两个张量的缩并）

    Every index of an operand is also in the other or in y (einsum sums the rest away first). `product`, `to_a` and
    `to_b` are the three subscripts, written out by einsum.
    """

    def forward(a, b, *, product, to_a, to_b):
        return np.einsum(product, a, b)

    def backward_a(dy, b, *, product, to_a, to_b):
        return Contract(dy, b, product=to_a, to_a=product, to_b=swapped(to_b))

    def backward_b(dy, a, *, product, to_a, to_b):
        return Contract(dy, a, product=to_b, to_a=swapped(product), to_b=swapped(to_a))


def swapped(subscripts: str) -> str:
    """The subscripts of a product with its two operands exchanged."""
    operands, result = subscripts.split("->")
    return ",".join(operands.split(",")[::-1]) + "->" + result


# ---- what users call


def matmul(a: Any, b: Any) -> Tensor:
    """Y = A B. (…, n, k) @ (…, k, m) → (…, n, m), leading axes broadcast. 中文：矩阵乘法。

    A vector on the left counts as a row, on the right as a column, and that axis is dropped from the result; two
    vectors give their dot product. Raises ValueError for a 0-d operand or lengths that do not meet.

    >>> import tinygrad_zh as tz
    >>> (tz.tensor([[1.0, 2.0], [3.0, 4.0]]) @ tz.tensor([1.0, 1.0])).tolist()
    [3.0, 7.0]
    """
    a_shape, b_shape = shape_of(a), shape_of(b)
    if not a_shape or not b_shape:
        raise ValueError(f"matmul multiplies vectors and matrices, not shapes {a_shape} and {b_shape}; "
                         "use * for a number")
    if a_shape[-1] != b_shape[-2 if len(b_shape) > 1 else 0]:
        raise ValueError(f"matmul: shapes {a_shape} and {b_shape} do not meet; the last axis of the first "
                         "must be as long as the second to last axis of the second")
    if len(a_shape) == 1 and len(b_shape) == 1:
        return Dot(a, b)
    if len(a_shape) == 1:
        y = MatMul(expand_dims(a, 0), b)
        return reshape(y, y.shape[:-2] + y.shape[-1:])
    if len(b_shape) == 1:
        y = MatMul(a, expand_dims(b, 1))
        return reshape(y, y.shape[:-1])
    return MatMul(a, b)


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """y = Σ a b …, over the indices that are not in the result. 中文：爱因斯坦求和。

    Any number of operands, "…" as "...", repeated indices (a diagonal) and the implicit result of numpy.einsum.
    Raises ValueError for subscripts that do not fit the operands.

    >>> import tinygrad_zh as tz
    >>> a, b = tz.tensor([[1.0, 2.0], [3.0, 4.0]]), tz.tensor([[1.0, 1.0], [2.0, 2.0]])
    >>> tz.functional.einsum("ij,ij->i", a, b).tolist()
    [3.0, 14.0]
    """
    if not isinstance(subscripts, str):
        raise TypeError(f'einsum: the subscripts come first, as "ij,jk->ik", not {type(subscripts).__name__}')
    terms, result = _parse(subscripts, operands)
    sizes: dict[str, int] = {}
    for term, x in zip(terms, operands, strict=True):
        for letter, n in zip(term, x.shape, strict=True):
            if sizes.setdefault(letter, n) != n and 1 not in (n, sizes[letter]):
                raise ValueError(f"einsum {subscripts!r}: index {letter} is both {sizes[letter]} and {n}")
            sizes[letter] = max(sizes[letter], n)
    pairs = [_diagonal(term, broadcast_to(x, tuple(sizes[i] for i in term))
                       if x.shape != tuple(sizes[i] for i in term) else x)
             for term, x in zip(terms, operands, strict=True)]
    term, y = pairs[0]
    for i, (other, x) in enumerate(pairs[1:], 2):
        wanted = set(result).union(*(t for t, _ in pairs[i:]))
        term, y = _reduced(term, y, wanted | set(other))
        other, x = _reduced(other, x, wanted | set(term))
        both = "".join(dict.fromkeys(i for i in term + other if i in wanted))
        y = Contract(y, x, product=f"{term},{other}->{both}", to_a=f"{both},{other}->{term}",
                     to_b=f"{both},{term}->{other}")
        term = both
    term, y = _reduced(term, y, set(result))
    return transpose(y, tuple(term.index(i) for i in result)) if term != result else y


def _parse(subscripts: str, operands: tuple[Any, ...]) -> tuple[list[str], str]:
    """The index letters of each operand and of the result, "..." spelled out."""
    text = subscripts.replace(" ", "")
    inputs, arrow, result = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum {subscripts!r} is for {len(terms)} operands, not {len(operands)}")
    spare = [c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in text]
    rest = 0
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        extra = len(x.shape) - len(term.replace("...", ""))
        if extra < 0 or (extra and "..." not in term):
            raise ValueError(f"einsum {subscripts!r}: {term!r} does not fit an operand of shape {x.shape}")
        terms[i] = term.replace("...", "".join(spare[-extra:]) if extra else "")
        rest = max(rest, extra)
    leading = "".join(spare[-rest:]) if rest else ""
    if not arrow:
        once = sorted(c for c in set("".join(terms)) - set(leading) if "".join(terms).count(c) == 1)
        result = leading + "".join(once)
    result = result.replace("...", leading)
    if not all(c.isalpha() for c in "".join(terms) + result) or len(set(result)) != len(result) \
            or not set(result) <= set("".join(terms)):
        raise ValueError(f"einsum {subscripts!r}: the result's indices are letters of the operands, each once")
    return terms, result


def _diagonal(term: str, x: Any) -> tuple[str, Any]:
    """Take the diagonal of every index that an operand has twice."""
    while len(set(term)) < len(term):
        letter = next(c for c in term if term.count(c) > 1)
        first = term.index(letter)
        second = term.index(letter, first + 1)
        order = [i for i in range(len(term)) if i not in (first, second)]
        x = transpose(x, (first, second, *order))
        i = np.arange(x.shape[0], like=x)
        x = getitem(x, (i, i))
        term = letter + "".join(term[i] for i in order)
    return term, x


def _reduced(term: str, x: Any, wanted: set[str]) -> tuple[str, Any]:
    """Sum an operand over the indices that nobody else wants."""
    axes = tuple(i for i, c in enumerate(term) if c not in wanted)
    return "".join(c for c in term if c in wanted), sum(x, axis=axes) if axes else x
