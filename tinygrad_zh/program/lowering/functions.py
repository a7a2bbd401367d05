"""NumPy's functions and methods, on expressions instead of arrays. NumPy 函数在表达式上的含义"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from tinygrad_zh.ops import indexing
from tinygrad_zh.program.lowering.expressions import (
    Apply,
    Counter,
    Element,
    Expression,
    Gather,
    NotLowerable,
    Number,
    Place,
    Shape,
    broadcast,
    by,
    c_strides,
    seen,
    to_shape,
    whole,
)
from tinygrad_zh.program.lowering.steps import Pointwise, ScatterSum

if TYPE_CHECKING:
    from tinygrad_zh.program.lowering.evaluation import Evaluation

UFUNCS = frozenset({
    np.add, np.subtract, np.multiply, np.true_divide, np.power, np.negative, np.exp, np.log, np.log1p, np.sqrt, np.sin,
    np.cos, np.tanh, np.absolute, np.sign, np.maximum, np.minimum, np.isfinite, np.less, np.less_equal, np.greater,
    np.greater_equal, np.equal, np.not_equal, np.bitwise_and, np.bitwise_or, np.invert})
_FLOATS_ONLY = frozenset({np.exp, np.log, np.log1p, np.sqrt, np.sin, np.cos, np.tanh, np.true_divide, np.power,
                          np.isfinite})

_NUMBERS_ONLY = frozenset({np.subtract, np.absolute, np.negative, np.sign})


def is_expression(x: Any) -> TypeGuard[Expression]:
    return isinstance(x, (Number, Element, Counter, Apply))


# ---- element by element


def ufunc(function: Any, *operands: Any) -> Expression:
    """A function of numbers, with the operands broadcast, in the dtypes that NumPy computes it in."""
    if function not in UFUNCS:
        raise NotLowerable(function.__name__)
    *inputs, output = function.resolve_dtypes((*map(_kind, operands), None))
    if inputs[0].kind == "b":
        function = {np.add: np.bitwise_or, np.multiply: np.bitwise_and}.get(function, function)
    if (function in _FLOATS_ONLY and inputs[0].kind != "f") or (function in _NUMBERS_ONLY and inputs[0].kind == "b"):
        raise NotLowerable(f"{function.__name__} of {inputs[0]}")
    shape = np.broadcast_shapes(*map(np.shape, operands))
    each = tuple([broadcast(_typed(x, dtype), shape) for x, dtype in zip(operands, inputs, strict=True)])
    return Apply(shape, output, function.__name__, each)


def _kind(x: Any) -> Any:
    """What NumPy's promotion looks at: a dtype, or the type of a Python number, which gives way."""
    return np.dtype(bool) if isinstance(x, bool) else type(x) if isinstance(x, (int, float)) else x.dtype


def _typed(x: Any, dtype: Any) -> Expression:
    if is_expression(x):
        return cast(x, dtype)
    return Number((), dtype, dtype.type(x).item())


def cast(x: Expression, dtype: Any) -> Expression:
    """x in a dtype."""
    if x.dtype == dtype:
        return x
    if isinstance(x, Number):
        return Number(x.shape, dtype, dtype.type(x.dtype.type(x.value)).item())
    return Apply(x.shape, dtype, "cast", (x,))


def where(run: Evaluation, condition: Any, a: Any, b: Any) -> Expression:
    dtype = np.result_type(*[x.dtype if hasattr(x, "dtype") else x for x in (a, b)])
    shape = np.broadcast_shapes(*map(np.shape, (condition, a, b)))
    each = zip((condition, a, b), (np.dtype(bool), dtype, dtype), strict=True)
    return Apply(shape, dtype, "where", tuple([broadcast(_typed(x, d), shape) for x, d in each]))


def clip(run: Evaluation, x: Any, low: Any, high: Any) -> Expression:
    for bound, function in ((low, np.maximum), (high, np.minimum)):
        x = x if bound is None else ufunc(function, x, bound)
    return x


def astype(run: Evaluation, x: Expression, dtype: Any) -> Expression:
    return cast(x, np.dtype(dtype))


def square(run: Evaluation, x: Expression) -> Expression:
    return ufunc(np.multiply, x, x)


# ---- constants


def filled(value: Any) -> Callable[..., Expression]:
    """np.zeros_like or np.ones_like."""

    def like(run: Evaluation, x: Expression, dtype: Any = None, shape: Any = None) -> Expression:
        dtype = x.dtype if dtype is None else np.dtype(dtype)
        return Number(x.shape if shape is None else _shape(shape), dtype, dtype.type(value).item())

    return like


def full(value: Any) -> Callable[..., Expression]:
    """np.zeros or np.ones."""

    def of_shape(run: Evaluation, shape: Any, dtype: Any = np.float64) -> Expression:
        return Number(_shape(shape), np.dtype(dtype), np.dtype(dtype).type(value).item())

    return of_shape


def identity(run: Evaluation, n: int, dtype: Any = np.float64) -> Expression:
    i = arange(run, n)
    return cast(ufunc(np.equal, seen(i, by(lambda a: a[:, None])), i), np.dtype(dtype))


def arange(run: Evaluation, *bounds: Any) -> Expression:
    numbers = range(*bounds)
    return Counter((len(numbers),), np.dtype(np.int64), Place(numbers.start, (numbers.step,)))


# ---- views


def broadcast_to(run: Evaluation, x: Any, shape: Any) -> Expression:
    return broadcast(x, _shape(shape))


def reshape(run: Evaluation, x: Expression, *shape: Any) -> Expression:
    wanted = _shape(shape[0] if len(shape) == 1 else shape)
    if -1 in wanted:
        rest = math.prod(n for n in wanted if n != -1)
        wanted = tuple(x.size // rest if n == -1 else n for n in wanted)
    return run.view(x, to_shape(wanted))


def transpose(run: Evaluation, x: Expression, *axes: Any) -> Expression:
    order = axes[0] if len(axes) == 1 else axes or None
    return seen(x, by(lambda a: a.transpose(order)))


def swapaxes(run: Evaluation, x: Expression, a: int, b: int) -> Expression:
    return seen(x, by(lambda array: array.swapaxes(a, b)))


def matrix_transpose(run: Evaluation, x: Expression) -> Expression:
    return swapaxes(run, x, -1, -2)


def expand_dims(run: Evaluation, x: Expression, axis: Any) -> Expression:
    return seen(x, by(lambda a: np.expand_dims(a, axis)))


def squeeze(run: Evaluation, x: Expression, axis: Any = None) -> Expression:
    return seen(x, by(lambda a: np.squeeze(a, axis)))


def flip(run: Evaluation, x: Expression, axis: Any = None) -> Expression:
    return seen(x, by(lambda a: np.flip(a, axis))) if x.ndim else x


def split(run: Evaluation, x: Expression, ends: Any, axis: int = 0) -> tuple[Expression, ...]:
    count = len(np.split(np.broadcast_to(np.uint8(0), x.shape), ends, axis))
    return tuple([seen(x, by(lambda a, i=i: np.split(a, ends, axis)[i])) for i in range(count)])  # type: ignore[misc]


def getitem(run: Evaluation, x: Expression, index: Any) -> Expression:
    parts = index if isinstance(index, tuple) else (index,)
    if any(map(is_expression, parts)):
        return gathered(run, x, parts)
    return seen(x, by(lambda a: a[(*parts, ...)] if Ellipsis not in parts else a[parts]))


# ---- written in parts


def concatenate(run: Evaluation, arrays: Sequence[Any], axis: int = 0) -> Expression:
    axis = normalize_axis_index(axis, arrays[0].ndim)
    dtype = np.result_type(*[x.dtype for x in arrays])
    shape = list(arrays[0].shape)
    ends = np.cumsum([x.shape[axis] for x in arrays]).tolist()
    shape[axis] = ends[-1]
    before = (slice(None),) * axis
    parts = [((*before, slice(end - x.shape[axis], end)), x) for end, x in zip(ends, arrays, strict=True)]
    return assembled(run, tuple(shape), dtype, parts)


def pad(run: Evaluation, x: Expression, widths: Any, constant_values: Any = 0) -> Expression:
    pairs = np.broadcast_to(np.asarray(widths, np.int64), (x.ndim, 2)).tolist()
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, pairs, strict=True))
    inner = tuple(slice(before, before + n) for n, (before, _) in zip(x.shape, pairs, strict=True))
    around = Number(shape, x.dtype, x.dtype.type(constant_values).item())
    return assembled(run, shape, x.dtype, [((), around), (inner, x)])


def roll(run: Evaluation, x: Expression, shift: Any, axis: Any) -> Expression:
    """Along each axis the last numbers come first: two parts an axis."""
    axes = normalize_axis_tuple(axis, x.ndim)
    shifts = dict.fromkeys(range(x.ndim), 0)
    for a, s in zip(axes, np.broadcast_to(shift, len(axes)).tolist(), strict=True):
        shifts[a] = (shifts[a] + s) % max(x.shape[a], 1)
    cuts = [[(slice(s, None), slice(0, n - s)), (slice(0, s), slice(n - s, None))] if s else [(slice(None),) * 2]
            for s, n in zip(shifts.values(), x.shape, strict=True)]
    parts = [(tuple(to for to, _ in cut), seen(x, by(lambda a, c=cut: a[tuple(of for _, of in c)])))  # type: ignore[misc]
             for cut in product(*cuts)]
    return assembled(run, x.shape, x.dtype, parts)


def scatter(run: Evaluation, x: Expression, index: Any, shape: Shape) -> Expression:
    """tinygrad_zh.ops.indexing.scatter: zeros, with x at a basic index."""
    if any(map(is_expression, index if isinstance(index, tuple) else (index,))):
        raise NotLowerable("scatter at an array")
    return assembled(run, shape, x.dtype, [((), Number(shape, x.dtype, x.dtype.type(0).item())), (index, x)])


def assembled(run: Evaluation, shape: Shape, dtype: Any, parts: Sequence[tuple[Any, Expression]]) -> Expression:
    """An array of which each part is written by a step of its own, (where, what), one after the other."""
    y = whole(run.fresh(), shape, np.dtype(dtype))
    for index, x in parts:
        part = getitem(run, y, index if isinstance(index, tuple) else (index,))
        if part.size and isinstance(part, Element):
            run.steps.append(Pointwise(y.name, shape, y.dtype, broadcast(cast(x, y.dtype), part.shape), part.place))
    if not y.size:
        run.steps.append(Pointwise(y.name, shape, y.dtype, Number(shape, y.dtype, y.dtype.type(0).item())))
    return y


# ---- indexing by arrays


def gathered(run: Evaluation, x: Expression, parts: tuple[Any, ...]) -> Expression:
    """x[i], with integer arrays among the parts of i."""
    x = run.stored(x)
    shape, place = _indexed(run, x.shape, x.place, parts)
    return Element(shape, x.dtype, x.name, place)


def scatter_add(run: Evaluation, x: Expression, index: Any, shape: Shape) -> Expression:
    """tinygrad_zh.ops.indexing.scatter_add: zeros, with x added where an index says."""
    parts = index if isinstance(index, tuple) else (index,)
    taken, place = _indexed(run, shape, Place(0, c_strides(shape)), parts)
    return run.step(ScatterSum(run.fresh(), shape, x.dtype, broadcast(x, taken), place))


def _indexed(run: Evaluation, shape: Shape, place: Place, parts: tuple[Any, ...]) -> tuple[Shape, Place]:
    """Shape and place of x[parts]: an integer array stands for its axis, or first, if they are not side by side."""
    taken = sum(i is not None and i is not Ellipsis for i in parts)
    if Ellipsis not in parts:
        parts = (*parts, Ellipsis)
    at = [i is Ellipsis for i in parts].index(True)
    parts = (*parts[:at], *[slice(None)] * (len(shape) - taken), *parts[at + 1 :])
    arrays = [x for x in parts if is_expression(x)]
    for index in arrays:
        _check_index(run, index)
    lead = np.broadcast_shapes(*[x.shape for x in arrays])
    places = [i for i, x in enumerate(parts) if is_expression(x) or isinstance(x, int)]
    first = places[0] if places == list(range(places[0], places[-1] + 1)) else 0
    offset, strides, lengths, gathers, axis = place.offset, [], [], [], 0
    for part in parts:
        if part is None:
            lengths.append(1)
            strides.append(0)
            continue
        n, stride = shape[axis], place.strides[axis]
        axis += 1
        if is_expression(part):
            gathers.append((stride, n, part))
        elif isinstance(part, slice):
            taken_of = range(n)[part]
            lengths.append(len(taken_of))
            strides.append(stride * taken_of.step)
            offset += stride * taken_of.start
        else:
            offset += stride * range(n)[part]
    # axes before the arrays that are kept; an integer beside arrays is one of them
    before = sum(not is_expression(x) and not isinstance(x, int) for x in parts[:first])
    result = (*lengths[:before], *lead, *lengths[before:])
    steps = (*strides[:before], *[0] * len(lead), *strides[before:])
    after = len(lengths) - before

    def spread(index: Expression) -> Expression:
        index = seen(broadcast(index, lead), by(lambda a: a[(..., *[None] * after)]))
        return broadcast(cast(index, np.dtype(np.int64)), result)

    return result, Place(offset, steps, tuple([Gather(s, n, spread(i)) for s, n, i in gathers]))


def _check_index(run: Evaluation, index: Expression) -> None:
    """An index is data that can be looked at before the program runs, or counts: nothing may reach out of an array."""
    known = isinstance(index, Counter) or (isinstance(index, Element) and index.name in run.inputs
                                           and not index.place.gathers)
    if index.dtype.kind not in "iu" or not known:
        raise NotLowerable("an index that is computed on the way, or boolean")


# ---- over axes


def reduction(kind: str) -> Callable[..., Expression]:
    """x.sum, x.prod, x.max or x.min."""
    function = getattr(np, kind)

    def reduce(run: Evaluation, x: Expression, axis: Any = None, keepdims: bool = False) -> Expression:
        axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
        if not axes:
            return cast(x, function.reduce(np.ones(1, x.dtype)).dtype)
        if kind in ("maximum", "minimum") and x.dtype.kind == "b":
            raise NotLowerable(f"{kind} of booleans")
        return run.reduced(kind, cast(x, function.reduce(np.ones(1, x.dtype)).dtype), axes, bool(keepdims))

    return reduce


def mean(run: Evaluation, x: Expression, axis: Any = None, keepdims: bool = False) -> Expression:
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    total = reduction("add")(run, cast(x, dtype), axes, keepdims)
    return ufunc(np.true_divide, total, float(math.prod(x.shape[i] for i in axes)))


def matmul(run: Evaluation, a: Expression, b: Expression) -> Expression:
    if a.ndim == b.ndim == 1:
        return reduction("add")(run, ufunc(np.multiply, a, b))
    return run.product(a, b)


def einsum(run: Evaluation, subscripts: str, a: Expression, b: Expression) -> Expression:
    """A product of matrices where each of the two operands has indices of its own, else a sum of products."""
    terms, result = subscripts.split("->")
    left, right = terms.split(",")
    if any(len(set(t)) < len(t) for t in (left, right)):
        raise NotLowerable(subscripts)
    lengths = dict(zip(left + right, a.shape + b.shape, strict=True))
    batch = [c for c in result if c in left and c in right]
    summed = [c for c in left if c in right and c not in result]
    rows = [c for c in left if c not in right]
    columns = [c for c in right if c not in left]
    if not set(rows + columns) <= set(result):
        raise NotLowerable(subscripts)
    if not (rows and columns and summed):
        return _sum_of_products(run, left, a, right, b, result, summed)

    def matrix(x: Expression, term: str, *groups: list[str]) -> Expression:
        ordered = transpose(run, x, tuple(term.index(c) for group in (batch, *groups) for c in group))
        return reshape(run, ordered, (*[lengths[c] for c in batch],
                                      *[math.prod(lengths[c] for c in group) for group in groups]))

    y = run.product(matrix(a, left, rows, summed), matrix(b, right, summed, columns))
    order = [*batch, *rows, *columns]
    y = reshape(run, y, tuple(lengths[c] for c in order))
    return transpose(run, y, tuple(order.index(c) for c in result))


def _sum_of_products(run: Evaluation, left: str, a: Expression, right: str, b: Expression, result: str,
                     summed: list[str]) -> Expression:
    space = [*result, *summed]

    def spread(x: Expression, term: str) -> Expression:
        ordered = transpose(run, x, tuple(term.index(c) for c in space if c in term))
        return seen(ordered, by(lambda array: array[tuple(slice(None) if c in term else None for c in space)]))

    y = ufunc(np.multiply, spread(a, left), spread(b, right))
    return reduction("add")(run, y, tuple(range(len(result), len(space)))) if summed else y


def _shape(shape: Any) -> Shape:
    return (shape,) if isinstance(shape, int) else tuple(shape)


def _bound(function: Any) -> Callable[..., Expression]:
    return lambda run, *operands: ufunc(function, *operands)


METHODS: dict[str, Callable[..., Any]] = {
    "sum": reduction("add"), "prod": reduction("multiply"), "max": reduction("maximum"), "min": reduction("minimum"),
    "mean": mean, "astype": astype, "reshape": reshape, "transpose": transpose, "swapaxes": swapaxes,
    "squeeze": squeeze, "clip": clip, "T": transpose, "mT": matrix_transpose}

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{function: _bound(function) for function in UFUNCS},
    np.sum: reduction("add"), np.prod: reduction("multiply"), np.max: reduction("maximum"),
    np.min: reduction("minimum"), np.mean: mean, np.where: where, np.clip: clip, np.square: square, np.matmul: matmul,
    np.einsum: einsum, np.zeros_like: filled(0), np.ones_like: filled(1), np.zeros: full(0), np.ones: full(1),
    np.arange: arange, np.identity: identity, np.broadcast_to: broadcast_to, np.reshape: reshape,
    np.transpose: transpose, np.swapaxes: swapaxes, np.expand_dims: expand_dims, np.squeeze: squeeze, np.flip: flip,
    np.split: split, np.concatenate: concatenate, np.pad: pad, np.roll: roll, indexing.scatter: scatter,
    indexing.scatter_add: scatter_add}
