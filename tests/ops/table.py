"""One row an op or function: what it should compute, and the inputs to try it on.

To test a new op, add its row here. The checks in checks.py read nothing else: forward against the NumPy
reference, every partial against differences, float32 against float64, second derivatives, memory layouts,
purity. `python -m tests.mutation` shows whether the row would notice a wrong backward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from hypothesis.strategies import DrawFn, SearchStrategy
from numpy.typing import NDArray

from tinygrad_zh import functional as F
from tinygrad_zh.check.strategies import (
    Shape,
    Values,
    away_from,
    between,
    broadcastable_shapes,
    distinct,
    real,
    seeds,
    shapes,
    ties,
    with_zeros,
)
from tinygrad_zh.ops import arithmetic, convolution, indexing, reduction, update


@dataclass(frozen=True)
class Case:
    """One call. Floating arrays are differentiated; integer and boolean ones are labels, indices, masks."""

    arrays: tuple[NDArray[Any], ...]
    keywords: dict[str, Any] = field(default_factory=dict)
    seed: int = 0  # of the upstream gradient


@dataclass(frozen=True)
class Row:
    """`function` and `reference` are called with a case's arrays and keywords.

    constant: the result has no gradient. rounds: another memory layout may round otherwise, because NumPy has
    a second body for contiguous arrays (exp, log, pow …) or adds what is not exact in the order of memory.
    """

    name: str
    function: Callable[..., Any]
    reference: Callable[..., Any]
    cases: SearchStrategy[Case]
    constant: bool = False
    rounds: bool = False

    def __str__(self) -> str:
        return self.name


# ---- cases

ANY = shapes()


@st.composite
def calls(draw: DrawFn, inputs: SearchStrategy[Sequence[Shape]], *values: Values, **keywords: Any) -> Case:
    """Arrays of the shapes drawn, each argument's values from its own function (the last for the rest)."""
    drawn = draw(inputs)
    rng = np.random.default_rng(draw(seeds))
    each = [values[min(i, len(values) - 1)] for i in range(len(drawn))]
    arrays = tuple(np.asarray(value(rng, shape)) for value, shape in zip(each, drawn, strict=True))
    return Case(arrays, {name: draw(of) for name, of in keywords.items()}, draw(seeds))


def unary(*values: Values, of: SearchStrategy[Shape] = ANY, **keywords: Any) -> SearchStrategy[Case]:
    return calls(of.map(lambda shape: (shape,)), *values, **keywords)


def binary(*values: Values, **keywords: Any) -> SearchStrategy[Case]:
    return calls(broadcastable_shapes(2), *values, **keywords)


def alike(
    count: int, *values: Values, of: SearchStrategy[Shape] = ANY, least: int = 0, **keywords: Any
) -> SearchStrategy[Case]:
    """Arrays of one shape."""
    return calls(of.map(lambda s: (tuple(max(n, least) for n in s),) * count), *values, **keywords)


def booleans(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.random(shape) < 0.5


def integers(below: int) -> Values:
    return lambda rng, shape: rng.integers(0, below, shape)


def even_tenths(rng: np.random.Generator, shape: Shape) -> Any:
    """Never within 0.04 of an odd tenth."""
    return rng.integers(-9, 10, shape) * 0.2 + rng.uniform(-0.03, 0.03, shape)


def odd_tenths(rng: np.random.Generator, shape: Shape) -> Any:
    return even_tenths(rng, shape) + 0.1


def exponents(rng: np.random.Generator, shape: Shape) -> Any:
    """Fractions and integers, 0 and 1 among them."""
    return np.where(rng.random(shape) < 0.5, real(rng, shape), rng.integers(-1, 3, shape))


def with_infinities(rng: np.random.Generator, shape: Shape) -> Any:
    return rng.choice([-np.inf, np.nan, np.inf, -1.0, 0.0, 2.0], shape)


def an_axis(ndim: int) -> SearchStrategy[int]:
    return st.integers(-ndim, ndim - 1)


def some_axes(ndim: int) -> SearchStrategy[Any]:
    several = st.lists(st.integers(0, ndim - 1), unique=True) if ndim else st.just([])
    signed = several.flatmap(lambda axes: st.tuples(*(st.sampled_from([i, i - ndim]) for i in axes)))
    return st.none() | signed | (an_axis(ndim) if ndim else st.none())


def over(shape: Shape, axis: Any) -> tuple[int, ...]:
    axes = range(len(shape)) if axis is None else (axis,) if isinstance(axis, int) else axis
    return tuple(i % len(shape) for i in axes)


@st.composite
def reductions(draw: DrawFn, values: Values = real, least: int = 0, **keywords: Any) -> Case:
    """Over one axis, several, none or all; every axis reduced is at least so long."""
    shape = draw(shapes())
    axis = draw(some_axes(len(shape)))
    shape = tuple(max(n, least) if i in over(shape, axis) else n for i, n in enumerate(shape))
    keywords = {"axis": st.just(axis), "keepdims": st.booleans(), **keywords}
    return draw(unary(values, of=st.just(shape), **keywords))


@st.composite
def one_axis(draw: DrawFn, values: Values = real, least: int = 0, **keywords: Any) -> Case:
    shape = draw(shapes(min_dims=1))
    axis = draw(an_axis(len(shape)))
    shape = tuple(max(n, least) if i in over(shape, axis) else n for i, n in enumerate(shape))
    return draw(unary(values, of=st.just(shape), axis=st.just(axis), **keywords))


def by_shape(keywords: Callable[[Shape], dict[str, Any]], **sizes: int) -> SearchStrategy[Case]:
    """One array, and keywords that depend on its shape."""
    return shapes(**sizes).flatmap(lambda shape: unary(real, of=st.just(shape), **keywords(shape)))


# ---- references that take more than a line


def each(function: Callable[..., float]) -> Callable[..., Any]:
    """A function of numbers, element by element: Python's own mathematics instead of NumPy's."""
    return np.vectorize(function, otypes=[np.float64])


def mean_sum_or_none(losses: Any, reduction: str) -> Any:
    return {"mean": np.mean, "sum": np.sum, "none": lambda x: x}[reduction](losses)


gelu = each(lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))


def softmax(x: Any, axis: int = -1) -> Any:
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def masked_softmax(x: Any, mask: Any, axis: int = -1) -> Any:
    """Lane by lane, over what is allowed."""
    x, mask = (np.moveaxis(a, axis, -1) for a in np.broadcast_arrays(x, mask))
    y = np.zeros(x.shape)
    for i in np.ndindex(x.shape[:-1]):
        y[i][mask[i]] = softmax(x[i][mask[i]])
    return np.moveaxis(y, -1, axis)


def one_hot(t: Any, classes: int) -> Any:
    return np.eye(classes)[t]


def attention_weights(q: Any, k: Any, mask: Any = True, is_causal: bool = False) -> Any:
    scores = np.einsum("...id,...jd->...ij", q, k) / math.sqrt(q.shape[-1])
    return masked_softmax(scores, np.asarray(mask) & (np.tri(*scores.shape[-2:], dtype=bool) if is_causal else True))


def attention(q: Any, k: Any, v: Any, mask: Any = True, is_causal: bool = False, block: int = 0) -> Any:
    """Row by row; a row without columns gives zeros. Blocks change nothing."""
    scores = np.einsum("...id,...jd->...ij", q, k) / math.sqrt(q.shape[-1])
    n, m = scores.shape[-2:]
    allowed = np.asarray(mask) & (np.tri(n, m, dtype=bool) if is_causal else True)
    batch = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    scores, allowed = (np.broadcast_to(x, (*batch, n, m)) for x in (scores, allowed))
    v = np.broadcast_to(v, (*batch, *v.shape[-2:]))
    y = np.zeros((*batch, n, v.shape[-1]))
    for i in np.ndindex(*batch, n):
        columns = allowed[i]
        if columns.any():
            y[i] = softmax(scores[i][columns]) @ v[i[:-1]][columns]
    return y


def batch_norm(x: Any, mean: Any, var: Any, gamma: Any, beta: Any, training: bool, momentum: float) -> Any:
    y = np.zeros_like(x)
    new_mean, new_var = mean.copy(), var.copy()
    for c in range(x.shape[1]):
        values = x[:, c]
        m, v = (values.mean(), values.var()) if training else (mean[c], var[c])
        y[:, c] = gamma[c] * (values - m) / math.sqrt(v + 1e-5) + beta[c]
        if training:
            new_mean[c] = (1 - momentum) * mean[c] + momentum * m
            new_var[c] = (1 - momentum) * var[c] + momentum * values.var(ddof=1)
    return y, new_mean, new_var


def layer_norm(x: Any, gamma: Any, beta: Any) -> Any:
    return gamma * (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) + beta


def windows(x: Any, kernel: Any, stride: Any, padding: Any, outside: float = 0.0) -> Any:
    """What a kernel sees at each place: (i, j, n, c, u, v)."""
    (u, v), (s, t), (p, q) = (k if isinstance(k, tuple) else (k, k) for k in (kernel, stride, padding))
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (q, q)), constant_values=outside)
    rows, columns = range(0, x.shape[2] - u + 1, s), range(0, x.shape[3] - v + 1, t)
    return np.array([[x[:, :, i : i + u, j : j + v] for j in columns] for i in rows])


def put_back(x: Any, shape: Any, stride: Any, padding: Any) -> Any:
    """Each number of each window added at the pixel that it was taken from."""
    *batch, h, w = x.shape[0], x.shape[1], *shape
    pixel = np.arange(1.0, h * w + 1).reshape(1, 1, h, w)  # by number; 0 is the padding
    seen = windows(pixel, x.shape[2:4], stride, padding)[:, :, 0, 0].transpose(2, 3, 0, 1).astype(int)
    y = np.zeros((*batch, h * w + 1))
    for place in np.ndindex(seen.shape):
        y[..., seen[place]] += x[(..., *place)]
    return y[..., 1:].reshape(*batch, h, w)


def conv2d(x: Any, W: Any, b: Any = 0.0, stride: Any = 1, padding: Any = 0) -> Any:
    seen = windows(x, W.shape[2:], stride, padding)
    return (seen[..., None, :, :, :] * W).sum(axis=(-3, -2, -1)).transpose(2, 3, 0, 1) + np.reshape(b, (-1, 1, 1))


def max_pool2d(x: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    return windows(x, kernel, stride or kernel, padding, -np.inf).max(axis=(-2, -1)).transpose(2, 3, 0, 1)


def avg_pool2d(x: Any, kernel: Any, stride: Any, padding: Any) -> Any:
    return windows(x, kernel, stride or kernel, padding).mean(axis=(-2, -1)).transpose(2, 3, 0, 1)


def products_of_others(x: Any) -> Any:
    return np.stack([np.delete(x, i, axis=-1).prod(axis=-1) for i in range(x.shape[-1])], axis=-1)


def scattered(x: Any, index: Any, shape: Shape) -> Any:
    """Each element of x added where the index takes it from."""
    y = np.zeros(shape)
    places = np.arange(y.size).reshape(shape)[index]
    for place, value in zip(places.reshape(-1), np.broadcast_to(x, places.shape).reshape(-1), strict=True):
        y.reshape(-1)[place] += value
    return y


def matmul(a: Any, b: Any) -> Any:
    if b.ndim == 1:
        return (a * b).sum(-1)
    if a.ndim == 1:
        return (a[:, None] * b).sum(-2)
    return (a[..., :, :, None] * b[..., None, :, :]).sum(-2)


def adam(w: Any, g: Any, m: Any, v: Any, lr: Any, t: Any, decay: float = 0.0) -> Any:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return w - lr * (step + decay * w), m, v


def dropped(x: Any, p: float, seed: int) -> Any:
    kept = np.random.default_rng(seed).random(x.shape, np.float32) >= p
    return np.where(kept, x / (1 - p), 0.0)


# ---- cases whose arguments belong together


def batches(count: int, max_dims: int) -> SearchStrategy[tuple[Shape, ...]]:
    """Leading axes that broadcast."""
    shapes = hnp.mutually_broadcastable_shapes(num_shapes=count, min_side=1, max_side=2, max_dims=max_dims)
    return shapes.map(lambda drawn: drawn.input_shapes)


@st.composite
def matrices(draw: DrawFn) -> Case:
    n, k, m = (draw(st.integers(0, 3)) for _ in range(3))
    left, right = draw(batches(2, max_dims=2))
    matrices = (*left, n, k), (*right, k, m)
    inputs = st.sampled_from([matrices, matrices, (matrices[0], (k,)), ((k,), matrices[1])])
    return draw(calls(inputs, real))


@st.composite
def contractions(draw: DrawFn) -> Case:
    subscripts = draw(st.sampled_from([
        "ij,jk->ik", "ij,kj->ik", "ij,ij->i", "i,i->", "i,j->ij", "ijk,k", "ij,jk,kl->il", "i,ij,j->",
        "bij,bjk->bik", "ij->ji", "ij->", "ji", "ii->i", "ii", "iij,j->ij", "...ij,...jk->...ik",
        "i...,i...->...", "ij , j -> i",
    ]))  # fmt: skip
    side = st.integers(1, 3) | st.integers(0, 3)
    size = {letter: (draw(side),) for letter in sorted(set(subscripts)) if letter.isalpha()}
    rest = draw(st.sampled_from([(), (2,)]))
    terms = subscripts.replace(" ", "").partition("->")[0].split(",")
    size["."] = rest
    spelled = [sum((size[letter] for letter in term.replace("...", ".")), ()) for term in terms]
    return draw(calls(st.just(spelled), real, subscripts=st.just(subscripts)))


@st.composite
def fitting(draw: DrawFn, shape: Shape) -> Shape:
    """A shape that broadcasts to a shape and does not enlarge it."""
    return tuple(draw(st.sampled_from([1, n])) for n in shape)[draw(st.integers(0, len(shape))) :]


@st.composite
def masked_rows(draw: DrawFn) -> Case:
    shape = draw(shapes(min_dims=1))
    inputs = [shape, draw(fitting(shape))]
    return draw(calls(st.just(inputs), real, booleans, axis=an_axis(len(shape))))


@st.composite
def attentions(draw: DrawFn, *, masked: bool, values: bool = True, longest: int = 3, **keywords: Any) -> Case:
    n, m = (draw(st.integers(1, longest)) for _ in range(2))
    d, e = (draw(st.integers(1, 3)) for _ in range(2))
    batch = draw(batches(3 if values else 2, max_dims=2))
    inputs = [(*lead, *shape) for lead, shape in zip(batch, [(n, d), (m, d), (m, e)], strict=False)]
    kinds: list[Values] = [real] * len(inputs)
    if masked:
        inputs.append(draw(fitting((*np.broadcast_shapes(*batch), n, m))))
        kinds.append(booleans)
    keywords = {"is_causal": st.booleans(), **keywords}
    return draw(calls(st.just(inputs), *kinds, **keywords))


@st.composite
def classifications(draw: DrawFn, logits: Values, labels: str) -> Case:
    """(…, C) with labels (…), or with a weight for each class (…, C)."""
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    batch = draw(shapes(max_dims=2))
    batch = tuple(max(n, 1) for n in batch) if reduction == "mean" else batch
    classes = draw(st.integers(1, 4))
    full = (*batch, classes)
    if labels == "integers":
        inputs, targets = (full, batch), integers(classes)
    else:
        inputs, targets = (full, full), between(0.05, 1)  # weights that need not add up to 1
    return draw(calls(st.just(inputs), logits, targets, reduction=st.just(reduction)))


@st.composite
def regressions(draw: DrawFn, *values: Values, **keywords: Any) -> Case:
    reduction = draw(st.sampled_from(["mean", "sum", "none"]))
    return draw(alike(2, *values, least=int(reduction == "mean"), reduction=st.just(reduction), **keywords))


@st.composite
def channels(draw: DrawFn) -> Case:
    n, c = draw(st.integers(2, 4)), draw(st.integers(1, 3))
    image = draw(st.sampled_from([(), (2,), (1, 3)]))
    inputs = st.just([(n, c, *image), (c,), (c,), (c,), (c,)])
    keywords = {"training": st.booleans(), "momentum": st.sampled_from([0.1, 0.5])}
    return draw(calls(inputs, distinct, real, between(0.5, 2), real, real, **keywords))


@st.composite
def image_sizes(draw: DrawFn, kernel: tuple[int, int], most: int) -> tuple[Shape, dict[str, Any]]:
    """Height and width that the kernel fits into, often just so, and the stride and padding."""
    padding = draw(st.sampled_from([0, 0, *range(1, most + 1), (most, 0), (0, most)]))
    p, q = padding if isinstance(padding, tuple) else (padding, padding)
    h, w = (max(k - 2 * n, 1) + draw(st.sampled_from([0, 0, 1, 2])) for k, n in zip(kernel, (p, q), strict=True))
    return (h, w), {"stride": st.sampled_from([1, 1, 2, 3, (1, 2), (3, 1)]), "padding": st.just(padding)}


KERNELS = st.sampled_from([(1, 1), (1, 2), (2, 2), (2, 3), (3, 1), (3, 3)])


@st.composite
def convolutions(draw: DrawFn, *, bias: bool) -> Case:
    """Images (n, c, h, w) and weights (o, c, u, v): no image, one pixel, a kernel as large as the image."""
    n, c, o = draw(st.integers(0, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 3))
    kernel = draw(KERNELS)
    size, keywords = draw(image_sizes(kernel, most=2))
    inputs = [(n, c, *size), (o, c, *kernel), (o,)][: 2 + bias]
    return draw(calls(st.just(inputs), real, **keywords))


@st.composite
def views(draw: DrawFn) -> Case:
    """Images, and what Windows takes as literals."""
    kernel, stride = draw(KERNELS), st.sampled_from([(1, 1), (1, 2), (3, 1)])
    (h, w), keywords = draw(image_sizes(kernel, most=1))
    padding = keywords["padding"].map(lambda p: p if isinstance(p, tuple) else (p, p))
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), h, w)
    return draw(unary(real, of=st.just(shape), kernel=st.just(kernel), stride=stride, padding=padding))


@st.composite
def folds(draw: DrawFn) -> Case:
    """Numbers (n, c, u, v, i, j), one for each place of each window of an image."""
    kernel = draw(KERNELS)
    (h, w), _ = draw(image_sizes(kernel, most=0))
    (p, q), (s, t) = (draw(st.sampled_from([(0, 0), (1, 0), (1, 2)])), draw(st.sampled_from([(1, 1), (1, 2), (3, 1)])))
    i, j = (h + 2 * p - kernel[0]) // s + 1, (w + 2 * q - kernel[1]) // t + 1
    shape = (draw(st.integers(0, 2)), draw(st.integers(1, 2)), *kernel, i, j)
    keywords = {"shape": st.just((h, w)), "stride": st.just((s, t)), "padding": st.just((p, q))}
    return draw(unary(real, of=st.just(shape), **keywords))


@st.composite
def poolings(draw: DrawFn, values: Values) -> Case:
    """Images (n, c, h, w), and windows that overlap, meet, or leave pixels out."""
    n, c = draw(st.integers(0, 2)), draw(st.integers(1, 2))
    kernel = draw(KERNELS)
    size, keywords = draw(image_sizes(kernel, most=min(kernel) - 1))
    stride = st.none() | keywords.pop("stride")
    each = st.sampled_from([kernel, kernel[0]]) if kernel[0] == kernel[1] else st.just(kernel)
    return draw(calls(st.just([(n, c, *size)]), values, kernel=each, stride=stride, **keywords))


@st.composite
def rows_of(draw: DrawFn, parameters: int) -> Case:
    """(…, d), and the scale and shift of d, or of one number."""
    shape = draw(shapes(min_dims=1).map(lambda s: (*s[:-1], max(s[-1], 1))))
    each = draw(st.sampled_from([shape[-1:], ()]))
    return draw(calls(st.just([shape] + [each] * parameters), distinct, real))


def biased(*values: Values) -> SearchStrategy[Case]:
    """(…, n) and (n,)."""
    return calls(shapes(min_dims=1).map(lambda shape: (shape, shape[-1:])), *values)


@st.composite
def lookups(draw: DrawFn) -> Case:
    words, width = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    tokens = draw(shapes(max_dims=2))
    return draw(calls(st.just((tokens, (words, width))), integers(words), real))


def array_indices(shape: Shape) -> SearchStrategy[Any]:
    """Integer arrays with repeats, for some axes or all; one beside None or ...; a boolean array."""
    result = hnp.array_shapes(min_side=0, max_side=3, max_dims=2)
    every = hnp.integer_array_indices(shape, result_shape=result)
    first = hnp.integer_array_indices(shape[:1], result_shape=result).map(lambda index: index[0])
    truth = hnp.arrays(np.bool_, shape) | hnp.arrays(np.bool_, shape[:1])
    beside = first.flatmap(lambda i: st.sampled_from([i, (i,), (i, ...), (None, i), (i, None)]))
    return every | beside | truth | first.map(lambda i: (..., i % shape[-1]))


@st.composite
def indexed(draw: DrawFn, indices: Callable[[Shape], SearchStrategy[Any]], *, scatter: bool = False) -> Case:
    shape = draw(hnp.array_shapes(max_dims=3, max_side=4))
    index = draw(indices(shape))
    if not scatter:
        return draw(unary(real, of=st.just(shape), index=st.just(index)))
    taken = np.zeros(shape)[index].shape
    return draw(unary(real, of=st.just(taken), index=st.just(index), shape=st.just(shape)))


def basic_indices(shape: Shape) -> SearchStrategy[Any]:
    return hnp.basic_indices(shape, allow_newaxis=True)


@st.composite
def broadcasts(draw: DrawFn) -> Case:
    shape = draw(shapes())
    of = draw(hnp.broadcastable_shapes(shape, max_dims=len(shape), min_side=0, max_side=4))
    return draw(unary(real, of=st.just(of), shape=st.just(np.broadcast_shapes(of, shape))))


@st.composite
def joined(draw: DrawFn, *, new_axis: bool) -> Case:
    shape = draw(shapes(min_dims=0 if new_axis else 1, max_dims=2))
    axis = draw(an_axis(len(shape) + new_axis))
    count = draw(st.integers(1, 3))

    def part(length: int) -> Shape:
        return shape if new_axis else (*shape[: axis % len(shape)], length, *shape[axis % len(shape) + 1 :])

    parts = [part(draw(st.integers(0, 3))) for _ in range(count)]
    return draw(calls(st.just(parts), real, axis=st.just(axis)))


@st.composite
def cuts(draw: DrawFn) -> Case:
    shape = draw(shapes(min_dims=1))
    axis = draw(an_axis(len(shape)))
    length = shape[axis]
    equal = [n for n in range(1, 5) if length % n == 0]
    places = st.lists(st.integers(0, length), max_size=3).map(sorted)
    return draw(unary(real, of=st.just(shape), parts=st.sampled_from(equal) | places, axis=st.just(axis)))


@st.composite
def parameters(draw: DrawFn, *values: Values, numbers: Sequence[Any] = (), **keywords: Any) -> Case:
    """What an update is given: arrays of one shape, then single numbers."""
    case = draw(alike(len(values), *values, **keywords))
    return Case((*case.arrays, *map(np.asarray, numbers)), case.keywords)


def unchanged_size(shape: Shape) -> SearchStrategy[Shape]:
    size = math.prod(shape)
    several = [(size,), (1, size), (size, 1), (-1,)] if size else [(0,), (0, 2), (3, 0)]
    several += [()] if size == 1 else [(2, -1)] if size and size % 2 == 0 else []
    return st.sampled_from(several)


def paddings(shape: Shape) -> SearchStrategy[Any]:
    one = st.integers(0, 2)
    pair = st.tuples(one, one)
    return one | pair | st.tuples(*(pair for _ in shape)) if shape else one


# ---- the table
# fmt: off

POSITIVE = between(0.3, 4)
PROBABILITY = between(0.05, 0.95)
EXPONENTS = st.sampled_from([0, 1, 2, 3, -1, -2, 2.0, np.float64(3)])
FRACTIONS = st.sampled_from([0.5, -0.5, 1.5, 2.7, np.float32(0.5)])

ACTIVATIONS = [
    Row("relu", F.relu, lambda x: np.where(x > 0, x, 0.0), unary(away_from(0))),
    Row("leaky_relu", F.leaky_relu, lambda x, slope: np.where(x > 0, x, x * slope),
        unary(away_from(0), slope=st.sampled_from([0.01, 0.3]))),
    Row("sigmoid", F.sigmoid, each(lambda x: 1 / (1 + math.exp(-x))), unary(real), rounds=True),
    Row("log_sigmoid", F.log_sigmoid, each(lambda x: -math.log(1 + math.exp(-x))), unary(real), rounds=True),
    Row("tanh", F.tanh, each(math.tanh), unary(real), rounds=True),
    Row("gelu", F.gelu, gelu, unary(real), rounds=True),
    Row("silu", F.silu, each(lambda x: x / (1 + math.exp(-x))), unary(real), rounds=True),
    Row("softplus", F.softplus, each(lambda x: math.log(1 + math.exp(x))), unary(real), rounds=True),
    Row("softmax", F.softmax, softmax, one_axis(), rounds=True),
    Row("masked_softmax", F.masked_softmax, masked_softmax, masked_rows(), rounds=True),
    Row("log_softmax", F.log_softmax, lambda x, axis: np.log(softmax(x, axis)), one_axis(least=1),
        rounds=True),
]

ARITHMETIC = [
    Row("add", F.add, np.add, binary(real)),
    Row("sub", F.sub, np.subtract, binary(real)),
    Row("mul", F.mul, np.multiply, binary(real)),
    Row("div", F.div, np.divide, binary(real, away_from(0, by=0.3)), rounds=True),
    Row("neg", F.neg, np.negative, unary(real)),
    Row("pow", F.pow, lambda x, p: np.power(x, p), unary(away_from(0, by=0.3), p=EXPONENTS), rounds=True),
    Row("pow of a fraction", F.pow, lambda x, p: np.power(x, p), unary(POSITIVE, p=FRACTIONS), rounds=True),
    Row("pow of an array", F.pow, each(math.pow), binary(POSITIVE, exponents), rounds=True),
    Row("exp", F.exp, each(math.exp), unary(real), rounds=True),
    Row("log", F.log, each(math.log), unary(POSITIVE), rounds=True),
    Row("log1p", F.log1p, each(math.log1p), unary(between(-0.6, 4)), rounds=True),
    Row("sqrt", F.sqrt, each(math.sqrt), unary(POSITIVE)),
    Row("sin", F.sin, each(math.sin), unary(real), rounds=True),
    Row("cos", F.cos, each(math.cos), unary(real), rounds=True),
    Row("abs", F.abs, each(abs), unary(away_from(0))),
    Row("maximum", F.maximum, np.maximum, binary(even_tenths, odd_tenths)),
    Row("minimum", F.minimum, np.minimum, binary(even_tenths, odd_tenths)),
    Row("clip", F.clip, lambda x, low, high: np.clip(x, low, high),
        unary(away_from(-0.5, 1.0), low=st.sampled_from([None, -0.5]), high=st.just(1.0))),
    Row("clip from below", F.clip, lambda x, low: np.maximum(x, low),
        unary(away_from(0.5), low=st.just(0.5))),
    Row("where", F.where, np.where, calls(broadcastable_shapes(3), booleans, real, real)),
    Row("astype", F.astype, lambda x, dtype: x.astype(dtype), unary(real, dtype=st.just(np.float64))),
    Row("astype integers", F.astype, lambda x, dtype: x.astype(dtype),
        unary(ties, dtype=st.sampled_from([np.int64, np.int8, np.bool_])), constant=True),
    Row("sign", F.sign, np.sign, unary(ties), constant=True),
    Row("isfinite", F.isfinite, np.isfinite, unary(with_infinities), constant=True),
    Row("greater", F.greater, np.greater, binary(ties), constant=True),
    Row("greater_equal", F.greater_equal, np.greater_equal, binary(ties), constant=True),
    Row("less", F.less, np.less, binary(ties), constant=True),
    Row("less_equal", F.less_equal, np.less_equal, binary(ties), constant=True),
    Row("equal", F.equal, np.equal, binary(ties), constant=True),
    Row("not_equal", F.not_equal, np.not_equal, binary(ties), constant=True),
    Row("&", arithmetic.And, np.logical_and, binary(booleans), constant=True),
    Row("|", arithmetic.Or, np.logical_or, binary(booleans), constant=True),
    Row("~", arithmetic.Not, np.logical_not, unary(booleans), constant=True),
]

REDUCTIONS = [
    Row("sum", F.sum, np.sum, reductions()),
    Row("mean", F.mean, np.mean, reductions(least=1)),
    Row("var", F.var, np.var, reductions(least=2, ddof=st.just(0)), rounds=True),
    Row("var with ddof", F.var, np.var, one_axis(least=2, keepdims=st.booleans(), ddof=st.just(1)),
        rounds=True),
    Row("std", F.std, np.std, reductions(distinct, least=2, ddof=st.just(0)), rounds=True),
    Row("std with ddof", F.std, np.std,
        one_axis(distinct, least=2, keepdims=st.booleans(), ddof=st.just(1)), rounds=True),
    Row("max", F.max, np.max, reductions(distinct, least=1)),
    Row("min", F.min, np.min, reductions(distinct, least=1)),
    Row("prod", F.prod, np.prod, reductions(with_zeros), rounds=True),
    Row("products of others", reduction.ProdOfOthers, products_of_others,
        unary(with_zeros, of=shapes(min_dims=1, max_side=3).map(lambda s: (*s[:-1], max(s[-1], 1)))),
        rounds=True),
    Row("logsumexp", F.logsumexp,
        lambda x, axis, keepdims: np.log(np.exp(x).sum(axis=axis, keepdims=keepdims)),
        reductions(least=1), rounds=True),
    Row("norm", F.norm, lambda x, axis, keepdims: np.sqrt((x**2).sum(axis=axis, keepdims=keepdims)),
        reductions(distinct, least=1)),
    Row("norm of order 1", F.norm,
        lambda x, ord, axis, keepdims: np.abs(x).sum(axis=axis, keepdims=keepdims),
        reductions(distinct, least=1, ord=st.just(1))),
    Row("norm of infinite order", F.norm,
        lambda x, ord, axis, keepdims: np.abs(x).max(axis=axis, keepdims=keepdims),
        reductions(distinct, least=1, ord=st.just(np.inf))),
    Row("argmax", F.argmax, np.argmax, one_axis(ties, least=1, keepdims=st.booleans()), constant=True),
    Row("argmin", F.argmin, np.argmin, one_axis(ties, least=1, keepdims=st.booleans()), constant=True),
    Row("argmax of all", F.argmax, np.argmax, alike(1, ties, least=1), constant=True),
]

SHAPES = [
    Row("reshape", lambda x, shape: F.reshape(x, shape), lambda x, shape: x.reshape(shape),
        by_shape(lambda s: {"shape": unchanged_size(s)})),
    Row("flatten", F.flatten, np.ravel, unary(real)),
    Row("transpose", lambda x, axes: F.transpose(x, axes), np.transpose,
        by_shape(lambda s: {"axes": st.none() | st.permutations(range(len(s))).map(tuple)})),
    Row("swapaxes", F.swapaxes, lambda x, a, b: np.swapaxes(x, a, b),
        by_shape(lambda s: {"a": an_axis(len(s)), "b": an_axis(len(s))}, min_dims=1)),
    Row("expand_dims", F.expand_dims, lambda x, axis: np.expand_dims(x, axis),
        by_shape(lambda s: {"axis": an_axis(len(s) + 1) | st.just((0, -1))})),
    Row("squeeze", F.squeeze, lambda x, axis: np.squeeze(x, axis),
        by_shape(lambda s: {"axis": st.sampled_from([None, *(i for i, n in enumerate(s) if n == 1)])},
                 max_side=2)),
    Row("broadcast_to", F.broadcast_to, np.broadcast_to, broadcasts()),
    Row("concat", lambda *xs, axis: F.concat(xs, axis), lambda *xs, axis: np.concatenate(xs, axis),
        joined(new_axis=False)),
    Row("stack", lambda *xs, axis: F.stack(xs, axis), lambda *xs, axis: np.stack(xs, axis),
        joined(new_axis=True)),
    Row("split", F.split, lambda x, parts, axis: tuple(np.split(x, parts, axis)), cuts()),
    Row("pad", F.pad, lambda x, widths, value: np.pad(x, widths, constant_values=value),
        by_shape(lambda s: {"widths": paddings(s), "value": st.sampled_from([0.0, 2.5])})),
    Row("flip", F.flip, lambda x, axis: np.flip(x, axis), by_shape(lambda s: {"axis": some_axes(len(s))})),
    Row("roll", F.roll, lambda x, shift, axis: np.roll(x, shift, axis),
        by_shape(lambda s: {"shift": st.integers(-5, 5), "axis": some_axes(len(s)).filter(lambda a: a != ())}
    )),
]

INDEXING = [
    Row("getitem", F.getitem, lambda x, index: x[index], indexed(basic_indices)),
    Row("getitem of arrays", F.getitem, lambda x, index: x[index], indexed(array_indices)),
    Row("getitem of lists", F.getitem, lambda x, index: x[np.array(index, int)],
        indexed(lambda shape: st.lists(an_axis(shape[0]), max_size=4))),
    Row("unslice", indexing.Unslice, scattered, indexed(basic_indices, scatter=True)),
    Row("scatter-add", lambda x, index, shape: indexing.ScatterAdd(x, index, shape=shape), scattered,
        indexed(array_indices, scatter=True)),
    Row("embedding", F.embedding, lambda t, W: one_hot(t, len(W)) @ W, lookups()),
]

LINEAR = [
    Row("matmul", F.matmul, matmul, matrices()),
    Row("matmul of vectors", F.matmul, np.vdot, alike(2, real, of=shapes(1, 1))),
    Row("einsum", lambda *xs, subscripts: F.einsum(subscripts, *xs),
        lambda *xs, subscripts: np.einsum(subscripts, *xs), contractions()),
]

LOSSES = [
    Row("mse_loss", F.mse_loss, lambda p, t, reduction: mean_sum_or_none((t - p) ** 2, reduction),
        regressions(real)),
    Row("half_squared_error", F.half_squared_error, lambda p, t: np.vdot(t - p, t - p) / 2,
        alike(2, real)),
    Row("l1_loss", F.l1_loss, lambda p, t, reduction: mean_sum_or_none(np.abs(t - p), reduction),
        regressions(even_tenths, odd_tenths)),
    Row("huber_loss", F.huber_loss,
        lambda p, t, reduction, delta: mean_sum_or_none(
            each(lambda e: e * e / 2 if e <= delta else delta * (e - delta / 2))(np.abs(p - t)), reduction),
        regressions(even_tenths, even_tenths, delta=st.sampled_from([0.5, 1.125]))),
    Row("cross_entropy", F.cross_entropy,
        lambda x, t, reduction: mean_sum_or_none(
            -np.log((softmax(x) * one_hot(t, x.shape[-1])).sum(-1)), reduction),
        classifications(real, "integers"), rounds=True),
    Row("cross_entropy with weights", F.cross_entropy,
        lambda x, t, reduction: mean_sum_or_none(-(t * np.log(softmax(x))).sum(-1), reduction),
        classifications(real, "weights"), rounds=True),
    Row("cross_entropy_of_probabilities", F.cross_entropy_of_probabilities,
        lambda p, t, reduction: mean_sum_or_none(-(np.log(p) * one_hot(t, p.shape[-1])).sum(-1), reduction),
        classifications(PROBABILITY, "integers"), rounds=True),
    Row("cross_entropy_of_probabilities with weights", F.cross_entropy_of_probabilities,
        lambda p, t, reduction: mean_sum_or_none(-(t * np.log(p)).sum(-1), reduction),
        classifications(PROBABILITY, "weights"), rounds=True),
    Row("binary_cross_entropy", F.binary_cross_entropy,
        lambda p, t, reduction: mean_sum_or_none(-t * np.log(p) - (1 - t) * np.log(1 - p), reduction),
        regressions(PROBABILITY, PROBABILITY), rounds=True),
    Row("binary_cross_entropy_with_logits", F.binary_cross_entropy_with_logits,
        lambda x, t, reduction: mean_sum_or_none(
            t * np.log(1 + np.exp(-x)) + (1 - t) * np.log(1 + np.exp(x)), reduction),
        regressions(real, PROBABILITY), rounds=True),
]

LAYERS = [
    Row("layer_norm", F.layer_norm, layer_norm, rows_of(2), rounds=True),
    Row("rms_norm", F.rms_norm, lambda x, gamma: gamma * x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5),
        rows_of(1), rounds=True),
    Row("conv2d", F.conv2d, conv2d, convolutions(bias=True), rounds=True),
    Row("conv2d without a bias", F.conv2d, conv2d, convolutions(bias=False), rounds=True),
    Row("max_pool2d", F.max_pool2d, max_pool2d, poolings(distinct)),
    Row("avg_pool2d", F.avg_pool2d, avg_pool2d, poolings(real), rounds=True),
    Row("windows", convolution.Windows, lambda x, **how: windows(x, **how).transpose(2, 3, 4, 5, 0, 1), views()),
    Row("unwindows", convolution.Unwindows, put_back, folds(), rounds=True),
    Row("batch_norm", F.batch_norm, batch_norm, channels(), rounds=True),
    Row("bias_relu", F.bias_relu, lambda x, b: np.where(x + b > 0, x + b, 0.0), biased(even_tenths, odd_tenths)),
    Row("bias_sigmoid", F.bias_sigmoid, lambda x, b: 1 / (1 + np.exp(-x - b)), biased(real), rounds=True),
    Row("bias_tanh", F.bias_tanh, lambda x, b: 2 / (1 + np.exp(-2 * (x + b))) - 1, biased(real), rounds=True),
    Row("bias_gelu", F.bias_gelu, lambda x, b: gelu(x + b), biased(real), rounds=True),
    Row("dropout", lambda x, p, seed: F.dropout(x, p, generator=np.random.default_rng(seed)), dropped,
        unary(real, p=st.sampled_from([0.0, 0.2, 0.7]), seed=seeds)),
    Row("scaled_dot_product_attention", F.scaled_dot_product_attention, attention,
        attentions(masked=False), rounds=True),
    Row("scaled_dot_product_attention with a mask", F.scaled_dot_product_attention, attention,
        attentions(masked=True), rounds=True),
    Row("attention_weights", F.attention_weights, attention_weights, attentions(masked=False, values=False),
        rounds=True),
    Row("attention_weights with a mask", F.attention_weights, attention_weights,
        attentions(masked=True, values=False), rounds=True),
    Row("blocked_attention", F.blocked_attention, attention,
        attentions(masked=False, longest=4, block=st.sampled_from([1, 2])), rounds=True),
    Row("blocked_attention that is causal", F.blocked_attention, attention,
        attentions(masked=False, longest=4, is_causal=st.just(True), block=st.sampled_from([1, 2])), rounds=True),
    Row("blocked_attention with a mask", F.blocked_attention, attention,
        attentions(masked=True, longest=4, block=st.sampled_from([1, 2])), rounds=True),
]

UPDATES = [
    Row("SGD", update.SGD, lambda w, g, lr: w - lr * g, parameters(real, real, numbers=[0.1]), constant=True),
    Row("Momentum", update.Momentum, lambda w, g, m, lr: (w - lr * (0.9 * m + g), 0.9 * m + g),
        parameters(real, real, real, numbers=[0.1]), constant=True),
    Row("Nesterov", update.Nesterov, lambda w, g, m, lr: (w - lr * (g + 0.9 * (0.9 * m + g)), 0.9 * m + g),
        parameters(real, real, real, numbers=[0.1]), constant=True),
    Row("Adam", update.Adam, adam, parameters(real, real, real, POSITIVE, numbers=[0.1, 3]),
        constant=True, rounds=True),
    Row("AdamW", update.AdamW, adam,
        parameters(real, real, real, POSITIVE, numbers=[0.1, 3], decay=st.just(0.05)),
        constant=True, rounds=True),
    Row("L2Penalty", update.L2Penalty, lambda g, w, decay: g + decay * w,
        parameters(real, real, decay=st.just(0.3)), constant=True),
    Row("L1Penalty", update.L1Penalty, lambda g, w, decay: g + decay * np.sign(w),
        parameters(real, with_zeros, decay=st.just(0.3)), constant=True),
    Row("ClipNorm", update.ClipNorm, lambda g, norm, limit: g * min(1, limit / norm),
        parameters(real, numbers=[2.0], limit=st.sampled_from([1.0, 3.0])), constant=True),
    Row("ClipValue", update.ClipValue, lambda g, limit: np.minimum(np.maximum(g, -limit), limit),
        parameters(real, limit=st.just(0.5)), constant=True),
]

TABLE = [*ACTIVATIONS, *ARITHMETIC, *REDUCTIONS, *SHAPES, *INDEXING, *LINEAR, *LOSSES, *LAYERS, *UPDATES]

WITHOUT_SECOND_DERIVATIVE: tuple[str, ...] = ()
"""Ops whose second derivative raises; at most five. None at present."""
