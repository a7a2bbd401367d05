"""Products of matrices: as few and as large ones as possible. 矩阵乘法

A batch times one matrix is one product of all rows. A product that is then summed over the batch, the gradient of that
matrix, is one product too, if rows of the batch follow each other in memory; else products that add up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tinygrad_zh.program.lowering import Element, Product, Reduction, Step, read_by
from tinygrad_zh.program.lowering.expressions import Shape, c_strides, is_whole


@dataclass
class Matrices:
    """An operand: the first of its matrices and the way to the others. strides: of the batch, then down and right."""

    name: str
    offset: int
    shape: tuple[int, int]
    strides: Shape


@dataclass
class Multiplication:
    """c = a @ b for each index of the batch; with adds, all of them add up in one c."""

    name: str
    dtype: Any
    batch: Shape
    a: Matrices
    b: Matrices
    c: Matrices
    adds: bool = False


def joined(steps: Sequence[Step], wanted: set[str]) -> list[Any]:
    """The same steps, with products as multiplications, together with the sums over their batches."""
    read = Counter(e.name for step in steps for e in read_by(step))
    summed = {s.value.name: s for s in steps if isinstance(s, Reduction) and s.kind == "add" and is_whole(s.value)}
    products = {s.name: s for s in steps if isinstance(s, Product)}
    result: list[Any] = []
    gone = set()
    for step in steps:
        if step.name in gone:
            continue
        if not isinstance(step, Product):
            result.append(step)
            continue
        total = summed.get(step.name)
        if total is not None and step.name not in wanted and read[step.name] == 1 and _over_batch(step, total):
            gone.add(total.name)
            result.append(_summed(step, total.name))
        else:
            result.append(_batched(products[step.name]))
    return result


def _over_batch(product: Product, total: Reduction) -> bool:
    """Whether a sum is over all leading axes of a product, and over nothing else."""
    shape, lead = total.value.shape, len(product.shape) - 2
    reduced = [n for i, n in enumerate(shape) if i in total.axes and n > 1]
    return shape == product.shape and all(i < lead for i in total.axes if shape[i] > 1) \
        and math.prod(reduced) == math.prod(product.shape[:-2])


def _matrices(x: Element) -> Matrices:
    return Matrices(x.name, x.place.offset, x.shape[-2:], x.place.strides)  # type: ignore[arg-type]


def _batched(step: Product) -> Multiplication:
    """One product for all of the batch, where b is the same for all of it and rows follow each other."""
    batch, n, m = step.shape[:-2], *step.shape[-2:]
    a, b = _matrices(step.a), _matrices(step.b)
    c = Matrices(step.name, 0, (n, m), c_strides(step.shape))
    rows = _one_stride((*batch, n), a.strides[:-1])
    if math.prod(batch) > 1 and rows is not None and not any(_of_long(batch, b.strides)):
        count = math.prod(batch) * n
        a = Matrices(a.name, a.offset, (count, a.shape[1]), (rows, a.strides[-1]))
        b = Matrices(b.name, b.offset, b.shape, b.strides[-2:])
        return Multiplication(step.name, step.dtype, (), a, b, Matrices(step.name, 0, (count, m), (m, 1)))
    return _squeezed(Multiplication(step.name, step.dtype, batch, a, b, c))


def _summed(step: Product, name: str) -> Multiplication:
    """Σ over the batch of a @ b: the batch goes to the index that is summed anyway."""
    batch, n, m = step.shape[:-2], *step.shape[-2:]
    a, b = _matrices(step.a), _matrices(step.b)
    c = Matrices(name, 0, (n, m), (m, 1))
    inner = step.a.shape[-1]
    right = _one_stride((*batch, inner), (*a.strides[:-2], a.strides[-1]))
    down = _one_stride((*batch, inner), (*b.strides[:-2], b.strides[-2]))
    if right is not None and down is not None:
        count = math.prod(batch) * inner
        a = Matrices(a.name, a.offset, (n, count), (a.strides[-2], right))
        b = Matrices(b.name, b.offset, (count, m), (down, b.strides[-1]))
        if _is_matrix(a) and _is_matrix(b):
            return Multiplication(name, step.dtype, (), a, b, c)
    a, b = _matrices(step.a), _matrices(step.b)
    return _squeezed(Multiplication(name, step.dtype, batch, a, b,
                                    Matrices(name, 0, (n, m), (*[0] * len(batch), m, 1)), adds=True))


def _is_matrix(x: Matrices) -> bool:
    (n, m), (down, right) = x.shape, x.strides
    return (right == 1 and (down >= m or n == 1)) or (down == 1 and (right >= n or m == 1)) or 1 in (n, m)


def _of_long(lengths: Shape, strides: Shape) -> list[int]:
    return [s for n, s in zip(lengths, strides, strict=False) if n > 1]


def _one_stride(lengths: Shape, strides: Shape) -> int | None:
    """The stride of several axes as one, if there is one."""
    axes = [(n, s) for n, s in zip(lengths, strides, strict=True) if n > 1]
    for (_, s), (n, t) in pairwise(axes):
        if s != t * n:
            return None
    return axes[-1][1] if axes else strides[-1]


def _squeezed(x: Multiplication) -> Multiplication:
    """Without batch axes of length 1."""
    kept = [i for i, n in enumerate(x.batch) if n > 1]

    def of(y: Matrices) -> Matrices:
        return Matrices(y.name, y.offset, y.shape, (*[y.strides[i] for i in kept], *y.strides[-2:]))

    return Multiplication(x.name, x.dtype, tuple(x.batch[i] for i in kept), of(x.a), of(x.b), of(x.c), x.adds)
