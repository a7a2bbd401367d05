"""What must hold for every row of the table and every case of it: plain functions that assert.

test_table.py runs them under pytest, tests/mutation.py against ops that were broken on purpose.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import tinygrad_zh as tz
from tests.ops.table import Case, Row
from tests.support.differences import numeric_gradient
from tinygrad_zh.check.strategies import LAYOUTS, first_repeated, strided, upstream
from tinygrad_zh.core.tensor import leaf

Arrays = Sequence[NDArray[Any]]


# ---- running a row


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def floating(arrays: Arrays) -> list[int]:
    return [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]


def forward(row: Row, case: Case, arrays: Arrays) -> tuple[Any, ...]:
    return as_tuple(row.function(*arrays, **case.keywords))


def values(results: Sequence[Any]) -> list[NDArray[Any]]:
    return [x.numpy() if isinstance(x, tz.Tensor) else np.asarray(x) for x in results]


def cast(arrays: Arrays, dtype: Any) -> list[NDArray[Any]]:
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in arrays]


def coarse(x: NDArray[Any]) -> NDArray[Any]:
    """Rounded to 1/1024: sums and products of a few such numbers are exact, in whatever order."""
    return np.asarray(np.round(x * 1024) / 1024) if x.dtype.kind == "f" else x


class Run:
    """A forward on leaves that share the arrays' memory: the results and inputs that have a gradient."""

    def __init__(self, row: Row, case: Case, arrays: Arrays) -> None:
        self.inputs = [leaf(x.view(), x.dtype.kind == "f") for x in arrays]
        self.results = forward(row, case, self.inputs)  # type: ignore[arg-type]
        self.leaves = [x for x in self.inputs if x.requires_grad]
        self.roots = [y for y in self.results if isinstance(y, tz.Tensor) and y.requires_grad]

    def gradients(self, seeds: Sequence[Any], **how: Any) -> tuple[tz.Tensor, ...]:
        return tz.grad(self.roots, self.leaves, list(seeds), **how)


def seeds_for(case: Case, roots: Sequence[Any]) -> list[NDArray[Any]]:
    rng = np.random.default_rng(case.seed)
    return [upstream(rng, y.shape).astype(y.dtype) for y in roots]


def gradients(row: Row, case: Case, arrays: Arrays, seeds: Arrays | None = None) -> list[NDArray[Any]]:
    run = Run(row, case, arrays)
    seeds = seeds_for(case, run.roots) if seeds is None else seeds
    return values(run.gradients([leaf(s.view()) for s in seeds]))


def differentiable(row: Row, case: Case) -> Callable[..., list[NDArray[Any]]]:
    """The row as a function of arrays, with the results that have a gradient only."""
    run = Run(row, case, case.arrays)
    places = [i for i, y in enumerate(run.results) if any(y is root for root in run.roots)]
    return lambda *arrays: [np.asarray(as_tuple(row.function(*arrays, **case.keywords))[i]) for i in places]


# ---- comparing


def assert_same(found: Arrays, expected: Arrays, what: str) -> None:
    """Shape, dtype and bytes."""
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        same = (x.shape, x.dtype, x.tobytes()) == (y.shape, y.dtype, y.tobytes())
        assert same, f"{what}, {i}: {x!r} is not {y!r}"


def assert_close(found: Arrays, expected: Arrays, tolerance: float, what: str) -> None:
    """Equal shapes; equal values to a tolerance, relative to the largest of an array and to 1."""
    for i, (x, y) in enumerate(zip(found, expected, strict=True)):
        assert x.shape == np.shape(y), f"{what}, {i}: shape {x.shape} is not {np.shape(y)}"
        scale = max(1.0, np.max(np.abs(y), initial=0.0, where=np.isfinite(y))) if x.dtype.kind == "f" else 1.0
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale, err_msg=f"{what}, {i}")


# ---- the checks


def forward_is_numpys(row: Row, case: Case) -> None:
    """The value, the shape and the dtype, for float64 and float32; plain arrays give the same as tensors."""
    expected = [np.asarray(y) for y in as_tuple(row.reference(*case.arrays, **case.keywords))]
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        arrays = cast(case.arrays, dtype)
        results = values(Run(row, case, arrays).results)
        assert_close(results, expected, tolerance, f"forward in {np.dtype(dtype)}")
        for found, y in zip(results, expected, strict=True):
            wanted = case.keywords.get("dtype") or (dtype if y.dtype.kind == "f" else y.dtype)
            assert found.dtype == wanted, f"{found.dtype} is not {wanted}"
        assert_same(values(forward(row, case, arrays)), results, "plain arrays")


def partials_are_difference_quotients(row: Row, case: Case) -> None:
    """Every element of every partial, against an upstream gradient of random signs that is not contiguous."""
    function = differentiable(row, case)
    seeds = [strided(s) for s in seeds_for(case, function(*case.arrays))]
    found = gradients(row, case, case.arrays, seeds)
    expected = [numeric_gradient(function, case.arrays, i, seeds) for i in floating(case.arrays)]
    assert_close(found, expected, 1e-7, "gradient")
    assert all(g.dtype == np.float64 for g in found)


def single_precision_is_near(row: Row, case: Case) -> None:
    """The float32 gradients have dtype float32 and are those of float64, rounded."""
    arrays = cast(case.arrays, np.float32)
    run = Run(row, case, arrays)
    seeds = [s.astype(np.float32) for s in seeds_for(case, run.roots)]
    found = gradients(row, case, arrays, [s.astype(y.dtype) for s, y in zip(seeds, run.roots, strict=True)])
    exact = gradients(row, case, cast(arrays, np.float64), cast(seeds, np.float64))
    assert_close(found, exact, 3e-5, "gradient in float32")
    assert all(g.dtype == np.float32 for g in found)


def second_partials_are_difference_quotients(row: Row, case: Case) -> None:
    """∂(v · gradient) by the inputs and by the upstream, against differences of the gradient."""
    function = differentiable(row, case)
    seeds = seeds_for(case, function(*case.arrays))
    run = Run(row, case, case.arrays)
    above = [leaf(s.copy(), True) for s in seeds]
    first = run.gradients(above, create_graph=True)
    assert_close(values(first), gradients(row, case, case.arrays, seeds), 1e-12, "gradient with a graph")

    rng = np.random.default_rng(case.seed + 1)
    v = [upstream(rng, g.shape) for g in first]
    kept = [i for i, g in enumerate(first) if g.requires_grad]
    found = tz.grad([first[i] for i in kept], [*run.leaves, *above], [v[i] for i in kept], allow_unused=True)
    variables = [case.arrays[i] for i in floating(case.arrays)]

    def first_gradient(*moved: NDArray[Any]) -> list[NDArray[Any]]:
        arrays = list(case.arrays)
        for i, x in zip(floating(case.arrays), moved, strict=False):
            arrays[i] = x
        return gradients(row, case, arrays, moved[len(variables) :])

    moving = [*variables, *seeds]
    expected = [numeric_gradient(first_gradient, moving, i, v) for i in range(len(moving))]
    full = [np.zeros(x.shape) if g is None else g.numpy() for g, x in zip(found, moving, strict=True)]
    assert_close(full, expected, 1e-6, "second derivative")


def memory_layout_does_not_matter(row: Row, case: Case) -> None:
    """The same values in other strides, upstream included: the same bytes, or the same to rounding."""
    arrays = [coarse(x) for x in case.arrays]
    repeated = [first_repeated(x).copy() for x in arrays]
    for base, name, change in [
        *((arrays, name, change) for name, change in LAYOUTS.items()),
        (repeated, "broadcast", first_repeated),
    ]:
        run = Run(row, case, base)
        seeds = [coarse(s) for s in seeds_for(case, run.roots)]
        other = Run(row, case, [change(x) for x in base])
        found, expected = values(other.results), values(run.results)
        if not row.constant:
            found += values(other.gradients([leaf(LAYOUTS.get(name, strided)(s)) for s in seeds]))
            expected += values(run.gradients([leaf(s) for s in seeds]))
        if not row.rounds:
            assert_same(found, expected, name)
        else:
            assert_close(found, expected, 1e-13, name)
            assert [x.dtype for x in found] == [x.dtype for x in expected]


def nothing_is_written_and_nothing_remembered(row: Row, case: Case) -> None:
    """Inputs and upstream keep their bytes; a second call gives the same bytes, another in between or not."""
    before = [x.copy() for x in case.arrays]
    forward(row, case, case.arrays)
    run = Run(row, case, case.arrays)
    seeds = seeds_for(case, run.roots)
    kept = [s.copy() for s in seeds]
    others = [x * 0.5 if x.dtype.kind == "f" else x for x in case.arrays]
    with np.errstate(all="ignore"):
        forward(row, Case(case.arrays, {**case.keywords}), [tz.tensor(x) for x in others])
    results = values(run.results)
    if not row.constant:
        results += values(run.gradients([leaf(s.view()) for s in seeds]))
    again = values(Run(row, case, case.arrays).results)
    if not row.constant:
        again += gradients(row, case, case.arrays, seeds)
    assert_same(results, again, "called again")
    assert_same(case.arrays, before, "inputs")
    assert_same(seeds, kept, "upstream")


def nothing_comes_of_nothing(row: Row, case: Case) -> None:
    """A zero upstream gives zero gradients, of the inputs' shapes."""
    run = Run(row, case, case.arrays)
    found = values(run.gradients([np.zeros(y.shape) for y in run.roots]))
    assert_close(found, [np.zeros(x.shape) for x in run.leaves], 0.0, "gradient")


def a_constant_has_no_gradient(row: Row, case: Case) -> None:
    run = Run(row, case, case.arrays)
    assert run.results and not run.roots


OF_EVERY_ROW = (forward_is_numpys, memory_layout_does_not_matter, nothing_is_written_and_nothing_remembered)
OF_GRADIENTS = (
    partials_are_difference_quotients,
    single_precision_is_near,
    second_partials_are_difference_quotients,
    nothing_comes_of_nothing,
)
OF_CONSTANTS = (a_constant_has_no_gradient,)


def without_warnings(check: Callable[[Row, Case], None], row: Row, case: Case) -> None:
    """In a row's ordinary domain nothing divides by zero or overflows on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(row, case)


def checks_of(row: Row) -> tuple[Callable[[Row, Case], None], ...]:
    return OF_EVERY_ROW + (OF_CONSTANTS if row.constant else OF_GRADIENTS)
