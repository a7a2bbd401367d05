"""A diagnosis in words: what the wrong gradient looks like beside the measured one. 诊断"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

import numpy as np

from tinygrad_zh.check.differences import Array
from tinygrad_zh.core import sum_to

SINGLE = 1e-6  # relative: several roundings of float32
ALIKE = 1e-5  # relative, of the largest: enough to recognise a pattern

Words = tuple[str, dict[str, str]]
"""The diagnosis' name, the last part of its key in the catalogue, and the values that fill its text."""


def alike(a: Array, b: Array) -> bool:
    """Equal for the purpose of recognition."""
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= ALIKE * np.abs(b).max(initial=0.0)))


# ---- values


@dataclass(frozen=True)
class Scene:
    """What stands around a wrong gradient. x: the input, or its elements that were measured. y, upstream: the output
    and its upstream gradient, if there is one output. indices: integer constants. others: the measured gradients of
    the other inputs, by name. whole: whether all elements were measured."""

    x: Array
    y: Array
    upstream: Array
    indices: Sequence[Array]
    others: Mapping[str, Array]
    whole: bool


def diagnose(analytic: Array, numeric: Array, wrong: Array, scene: Scene) -> Words:
    """What is wrong with a gradient, from the first pattern that fits: of the elements that were measured, in order."""
    x, y = scene.x, scene.y
    if not np.isfinite(analytic).all():
        return _not_finite(analytic, x, scene.whole)
    if not np.isfinite(numeric).all():
        return "not_measured", {}
    if not analytic.any():
        return "zero", {}
    found = _single(analytic, numeric) or _factor(analytic, numeric) or _offset(analytic, numeric)
    if found is None and not alike(analytic, numeric):
        found = _signs(analytic, numeric)
        if found is None and scene.whole:
            g, measured = analytic.reshape(x.shape), numeric.reshape(x.shape)
            found = _places(g, measured) or _swapped(g, scene) or _reduction(g, measured, scene)
            if found is None and y.shape == x.shape:
                found = _missing(g, measured, x, y) or _coupling(g, measured, scene)
            found = found or _repeated(wrong.reshape(x.shape), scene) or _constant(g, measured)
    if found is None and scene.whole:
        found = _only_at(wrong.reshape(x.shape), x)
    found = found or _clipped(analytic, numeric)
    return found or ("elements", {"wrong": str(int(wrong.sum())), "all": str(wrong.size)})


def _not_finite(analytic: Array, x: Array, whole: bool) -> Words:
    bad = ~np.isfinite(analytic)
    value = str(analytic[bad][0])
    if whole and (x.ravel()[bad] == 0).all():
        return "not_finite_at_zero", {"value": value}
    return "not_finite", {"value": value}


def _factor(analytic: Array, numeric: Array) -> Words | None:
    """analytic = c · numeric."""
    size = float(numeric @ numeric)
    c = float(analytic @ numeric) / size if size else 0.0
    # By far closer than the two are to each other: a factor of 1 + 10⁻⁶ is one too.
    if not c or np.abs(analytic - c * numeric).max() > 0.01 * np.abs(analytic - numeric).max():
        return None
    if abs(c + 1) < ALIKE:
        return "sign", {}
    return "factor", {"factor": spelled(c)}


def spelled(c: float) -> str:
    """A factor as one writes it: 2, 1/3, 1 + 1e-06, 0.7311, nan."""
    if not math.isfinite(c):
        return str(c)
    if 0 < abs(c - 1) < 1e-3:
        return f"1 {'+' if c > 1 else '−'} {abs(c - 1):.1e}"
    simple = Fraction(c).limit_denominator(100)
    return str(simple) if simple and abs(float(simple) / c - 1) < 1e-7 else f"{c:.4g}"


def _offset(analytic: Array, numeric: Array) -> Words | None:
    """analytic = numeric + c."""
    added = analytic - numeric
    if added.size > 1 and np.ptp(added) <= ALIKE * np.abs(added).max():
        return "offset", {"value": f"{added[0]:.4g}"}
    return None


def _signs(analytic: Array, numeric: Array) -> Words | None:
    if alike(np.abs(analytic), np.abs(numeric)):
        flipped = np.sign(analytic) != np.sign(numeric)
        return "signs", {"wrong": str(int(flipped.sum())), "all": str(flipped.size)}
    return None


def _places(analytic: Array, numeric: Array) -> Words | None:
    """The right values in the wrong places."""
    if analytic.ndim >= 2:
        if alike(analytic.ravel(), np.ascontiguousarray(numeric.mT).ravel()):
            return "transposed", {}
        if alike(np.ascontiguousarray(analytic.mT).ravel(), numeric.ravel()):
            return "transposed", {}
    for count in range(1, analytic.ndim + 1):
        for axes in combinations(range(analytic.ndim), count):
            if alike(analytic, np.flip(numeric, axes)):
                return "reversed", {"axes": ", ".join(map(str, axes))}
    for axis, length in enumerate(analytic.shape):
        ahead, behind = (analytic.take(range(*part), axis) for part in ((1, length), (0, length - 1)))
        first, last = (numeric.take(range(*part), axis) for part in ((0, length - 1), (1, length)))
        for shift, (claimed, right) in {1: (ahead, first), -1: (behind, last)}.items():
            if length > 2 and alike(claimed, right):
                return "shifted", {"axis": str(axis), "shift": f"{shift:+d}"}
    if alike(np.sort(analytic, axis=None), np.sort(numeric, axis=None)):
        return "places", {}
    return None


def _single(analytic: Array, numeric: Array) -> Words | None:
    """Right but for rounding, and every value is one of float32."""
    close = np.abs(analytic - numeric) <= SINGLE * np.abs(numeric)
    if close.all() and (analytic == analytic.astype(np.float32)).all() and not _factor(analytic, numeric):
        return "float32_rounding", {}
    return None


def _clipped(analytic: Array, numeric: Array) -> Words | None:
    """analytic = min(max(numeric, −c), c)."""
    c = float(np.abs(analytic).max())
    if (np.abs(numeric) > (1 + 100 * ALIKE) * c).any() and alike(analytic, np.clip(numeric, -c, c)):
        return "clipped", {"value": f"{c:.4g}"}
    return None


def _swapped(analytic: Array, scene: Scene) -> Words | None:
    for name, gradient in scene.others.items():
        if alike(analytic, gradient):
            return "swapped", {"other": name}
    return None


def _reduction(analytic: Array, numeric: Array, scene: Scene) -> Words | None:
    """Of an input that was broadcast and added: one slice of the upstream gradient, or a sum over another axis."""
    dy = scene.upstream
    for axis, length in enumerate(dy.shape):
        right = dy.sum(axis=axis)
        if length == 1 or right.size != numeric.size or not alike(right.ravel(), numeric.ravel()):
            continue
        for index in range(length):
            if alike(dy.take(index, axis).ravel(), analytic.ravel()):
                return "one_slice", {"axis": str(axis), "index": str(index)}
        for other in range(dy.ndim):
            if other != axis and alike(dy.sum(axis=other).ravel(), analytic.ravel()):
                return "wrong_axis", {"axis": str(axis), "other": str(other)}
    return None


def _coupling(analytic: Array, numeric: Array, scene: Scene) -> Words | None:
    """Of y = g(x, a statistic of x): the diagonal of the Jacobian alone, or without the terms through the statistics,
    which are multiples of 1 and y in each slice, as in softmax and in normalization."""
    y, missing = scene.y, numeric - analytic
    if alike(analytic, scene.upstream * y * (1 - y)):
        return "diagonal", {}
    for axis, length in enumerate(y.shape):
        if length < 4:
            continue
        rows, columns = (np.moveaxis(z, axis, -1).reshape(-1, length) for z in (missing, y))
        for basis in (columns[:, :, None], np.stack([np.ones_like(columns), columns], axis=-1)):
            fitted = (basis @ (np.linalg.pinv(basis) @ rows[:, :, None]))[:, :, 0]
            if alike(rows, fitted):
                return "statistics", {"axis": str(axis)}
    return None


def _repeated(wrong: Array, scene: Scene) -> Words | None:
    """Wrong only where an index occurs more than once."""
    for index in scene.indices:
        values, counts = np.unique(index, return_counts=True)
        for axis, length in enumerate(wrong.shape):
            rows = np.flatnonzero(wrong.any(axis=tuple(a for a in range(wrong.ndim) if a != axis)))
            if set(rows.tolist()) <= {int(v) % length for v in values[counts > 1] if -length <= v < length}:
                return "repeated_index", {"axis": str(axis), "index": str(int(rows[0]))}
    return None


def _constant(analytic: Array, numeric: Array) -> Words | None:
    """The same value all along an axis, where the right gradient is not."""
    size = ALIKE * np.abs(analytic).max()
    for axis, length in enumerate(analytic.shape):
        if length > 1 and np.ptp(analytic, axis=axis).max() <= size < np.ptp(numeric, axis=axis).max():
            return "constant", {"axis": str(axis)}
    return None


FACTORS: dict[str, Callable[[Array, Array], Array]] = {
    "y (1 − y)": lambda x, y: y * (1 - y),
    "1 − y²": lambda x, y: 1 - y * y,
    "y": lambda x, y: y,
    "x": lambda x, y: x,
    "2x": lambda x, y: 2 * x,
    "(x > 0)": lambda x, y: x > 0,
    "cos x": lambda x, y: np.cos(x),
    "sin x": lambda x, y: np.sin(x),
    "1 − y": lambda x, y: 1 - y,
}
"""Derivatives that are forgotten, or applied twice, most often."""


def _missing(analytic: Array, numeric: Array, x: Array, y: Array) -> Words | None:
    """A factor too few or too many, of those in the table."""
    for words, factor in FACTORS.items():
        values = factor(x, y)
        if alike(analytic * values, numeric):
            return "factor_missing", {"factor": words}
        if alike(numeric * values, analytic):
            return "factor_twice", {"factor": words}
    return None


def _only_at(wrong: Array, x: Array) -> Words | None:
    if wrong.all():
        return None
    if not x[wrong].any():
        return "only_at_zeros", {}
    values, counts = np.unique(x, return_counts=True)
    if np.isin(x[wrong], values[counts > 1]).all():
        return "only_at_ties", {}
    for words, where in {"x > 0": x > 0, "x < 0": x < 0}.items():
        if (wrong == where).all():
            return "only_one_sign", {"sign": words}
    for axis, length in enumerate(x.shape):
        for index in {0, length - 1}:
            others = np.delete(wrong, index, axis)
            if length > 1 and not others.any():
                return "only_in_slice", {"axis": str(axis), "index": str(index)}
    return None


# ---- shapes


def diagnose_shape(analytic: Array, numeric: Array) -> Words:
    """What is wrong with a gradient whose shape is not its input's; numeric has the input's shape."""
    shapes = {"shape": str(analytic.shape), "wanted": str(numeric.shape)}
    lead = analytic.ndim - numeric.ndim
    if lead >= 0 and all(n in (1, m) for n, m in zip(numeric.shape, analytic.shape[lead:], strict=True)):
        stretched = [i for i in range(lead, analytic.ndim) if numeric.shape[i - lead] != analytic.shape[i]]
        axes = ", ".join(map(str, [*range(lead), *stretched]))
        key = "unreduced" if alike(sum_to(analytic, numeric.shape), numeric) else "unreduced_and_wrong"
        return key, shapes | {"axes": axes}
    if analytic.ndim >= 2 and analytic.T.shape == numeric.shape and alike(analytic.T, numeric):
        return "transposed_shape", shapes
    if analytic.size == numeric.size and alike(analytic.ravel(), numeric.ravel()):
        return "reshaped", shapes
    return "shape", shapes


# ---- exceptions


def diagnose_error(error: Exception) -> Words:
    """What an exception of the backward says about it."""
    if "read-only" in str(error):
        return "writes_raised", {"error": str(error)}
    if "gradient of shape" in str(error):
        return "shape_raised", {"error": str(error)}
    return "raised", {"kind": type(error).__name__, "error": str(error)}
