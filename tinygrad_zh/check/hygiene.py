"""What a backward owes besides the right numbers: nothing written, nothing remembered between calls, nothing made of
nothing, any memory layout, its own dtype. 卫生检查"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.problem import Problem, TensorProblem
from tinygrad_zh.check.report import Failure
from tinygrad_zh.core import Tape, record

CLOSE = 1e-9  # of the largest gradient: what another order of summation may change
ROUNDING = 1e-3  # of CLOSE, and of Σ |g|: where values cancel to 0, rounding is left
PRECISION = 1e4  # of a low-precision dtype's eps


def strided(x: Array) -> Array:
    """The same values with every axis strided and the axes in Fortran's order."""
    everywhere: tuple[Any, ...] = (..., *[slice(None, None, 2)] * x.ndim)
    view = np.zeros([2 * n for n in x.shape[::-1]], x.dtype).T[everywhere]
    view[...] = x
    return view


def copies(arrays: Sequence[Array]) -> list[Array]:
    return [np.array(x) for x in arrays]


def same(a: Sequence[Array], b: Sequence[Array]) -> bool:
    """Equal to the last byte."""
    return all(x.shape == y.shape and x.dtype == y.dtype and x.tobytes() == y.tobytes()
               for x, y in zip(a, b, strict=True))


def close(a: Array, b: Array, size: float, tolerance: float = CLOSE) -> bool:
    """Within the tolerance of the larger one's norm, or the rounding of values of some size; nan and infinities in the
    same places."""
    finite = np.isfinite(b)
    if not (np.isfinite(a) == finite).all():
        return False
    a, b = a[finite].astype(np.float64), b[finite].astype(np.float64)
    norm = max(np.linalg.norm(a), np.linalg.norm(b))
    return bool(np.linalg.norm(a - b) <= tolerance * (norm + size * ROUNDING))


def size_of(*lists: Sequence[Array]) -> float:
    """Σ |value| of all that is finite."""
    return float(sum(np.abs(x[np.isfinite(x)]).sum(dtype=np.float64) for arrays in lists for x in arrays))


# ---- of the function


def check_function(problem: Problem, outputs: Sequence[Array]) -> Iterator[Failure]:
    """Without these there is nothing to difference."""
    for y in outputs:
        if y.dtype != np.float64:
            yield Failure("dtype", "", "float32_output", {"dtype": str(y.dtype)})
        elif not np.isfinite(y).all():
            place = np.argwhere(~np.isfinite(y))[0].tolist()
            yield Failure("finite", "", "value_not_finite", {"value": str(y[tuple(place)]), "element": str(place)})
    first, second = ([np.array(y) for y in problem.value(copies(problem.points))] for _ in range(2))
    if not same(first, second):
        yield Failure("deterministic", "", "random")
    elif not all(close(a, b, size_of(outputs)) for a, b in zip(first, outputs, strict=True)):
        yield Failure("deterministic", "", "inconsistent")


# ---- of the backward


def check_backward(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    """All the rest; gradients are what pulling `upstream` back gave at first."""
    for check in CHECKS:
        yield from check(problem, upstream, gradients)


def nothing_written(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    points, seeds = copies(problem.points), copies(upstream)
    _, pull = problem.forward(points)
    pull(seeds)
    for name, before, after in zip(problem.names, problem.points, points, strict=True):
        if not same([before], [after]):
            yield Failure("writes", name, "writes_input")
    if not same(copies(upstream), seeds):
        yield Failure("writes", "", "writes_upstream")


def twice_the_same(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    _, pull = problem.forward(copies(problem.points))
    first, second = copies(pull(copies(upstream))), pull(copies(upstream))
    for name, a, b in zip(problem.names, first, second, strict=True):
        if not same([a], [b]):
            yield Failure("repeat", name, "repeat")


def nothing_overwritten(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    if problem.fixed:
        return
    _, pull = problem.forward(copies(problem.points))
    handed_out = pull(copies(upstream))
    before = copies(handed_out)
    pull([-2 * u for u in upstream])
    for name, a, b in zip(problem.names, before, handed_out, strict=True):
        if not same([a], [b]):
            yield Failure("repeat", name, "overwritten")


def nothing_remembered(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    _, pull = problem.forward(copies(problem.points))
    with suppress(ValueError, ArithmeticError, LookupError):  # other values may be outside f's domain
        problem.forward([0.75 * np.flip(x) for x in problem.points])
    for name, a, b in zip(problem.names, pull(copies(upstream)), gradients, strict=True):
        if not close(a, b, size_of(gradients, upstream)):
            yield Failure("state", name, "state")


def zero_gives_zero(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    if problem.fixed:
        return
    _, pull = problem.forward(copies(problem.points))
    for name, a, b in zip(problem.names, pull([np.zeros_like(u) for u in upstream]), gradients, strict=True):
        wrong = a[np.isfinite(b)]
        if not (wrong == 0).all():
            yield Failure("zero", name, "zero_upstream", {"value": f"{wrong[wrong != 0][0]:.3g}"})


def any_layout(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    _, pull = problem.forward([strided(x) for x in problem.points])
    for name, a, b in zip(problem.names, pull(copies(upstream)), gradients, strict=True):
        if not close(a, b, size_of(gradients, upstream)):
            yield Failure("layout", name, "layout_input")


def column_major(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    """An upstream gradient as a transpose sends it: contiguous, but by columns."""
    if problem.fixed or all(u.ndim < 2 for u in upstream):
        return
    _, pull = problem.forward(copies(problem.points))
    found = pull([np.array(u, order="F") for u in upstream])
    for name, a, b in zip(problem.names, found, gradients, strict=True):
        if not close(a, b, size_of(gradients, upstream)):
            yield Failure("layout", name, "layout_upstream")


def low_precision(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    """The gradient in the user's own dtype against the one in float64."""
    if problem.fixed or all(dtype == np.float64 for dtype in problem.dtypes):
        return
    outputs, pull = problem.forward([x.astype(d) for x, d in zip(problem.points, problem.dtypes, strict=True)])
    found = pull([u.astype(y.dtype) for u, y in zip(upstream, outputs, strict=True)])
    size = size_of(gradients, [u * y.astype(np.float64) for u, y in zip(upstream, outputs, strict=True)])
    for name, dtype, a, b in zip(problem.names, problem.dtypes, found, gradients, strict=True):
        range_ = np.finfo(dtype)
        in_range = np.isfinite(a).all() or bool(np.abs(b).max(initial=0.0) < range_.max / PRECISION)
        if in_range and not close(a, b, size + PRECISION * float(range_.tiny), min(PRECISION * float(range_.eps), 0.1)):
            yield Failure("precision", name, "precision", {"dtype": str(dtype)})


def dtype_kept(problem: Problem, upstream: Sequence[Array], gradients: Sequence[Array]) -> Iterator[Failure]:
    """No op changes the dtype of what it is given, in either precision, forward or backward."""
    if not isinstance(problem, TensorProblem):
        return
    for dtype in (np.float32, np.float64):
        with record() as tape:
            outputs, pull = problem.forward([x.astype(dtype) for x in problem.points])
            pull([u.astype(y.dtype) for u, y in zip(upstream, outputs, strict=True)])
        yield from _conversions(tape)


def _conversions(tape: Tape) -> Iterator[Failure]:
    told = set()
    for line in tape:
        if line.kind == "forward":
            given = _floating(line.arguments)
            made = _floating(line.outputs[: len(line.info["op"].outputs)])
            wanted = "dtype" in line.keywords
        elif line.kind == "backward" and line.info["forward"] is not None:
            given = _floating([*line.arguments, *line.info["forward"].arguments])
            made, wanted = _floating(line.outputs), False
        else:
            continue
        key = (line.info["op"], line.kind)
        if len(given) == 1 and made - given and not wanted and key not in told:
            told.add(key)
            yield Failure("dtype", "", f"dtype_{line.kind}", {"op": line.info["op"].__name__, "given": str(*given),
                                                            "made": str(*(made - given))})


def _floating(values: Sequence[Any]) -> set[np.dtype[Any]]:
    return {x.dtype for x in values if isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f"}


CHECKS = (nothing_written, twice_the_same, nothing_overwritten, nothing_remembered, zero_gives_zero, any_layout,
          column_major, low_precision, dtype_kept)
