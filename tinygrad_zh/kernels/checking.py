"""check: does a body do what its formula does? On the sizes and cases of its kernel's contract, against float64."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core.mode import using
from tinygrad_zh.core.walk import sum_to
from tinygrad_zh.kernels.binding import formula
from tinygrad_zh_kernels import Arguments, Body, Kernel

RANDOM_SIZES = 6


class Checked(NamedTuple):
    """One call of a body. error: the largest deviation over the tolerated one; problem: what is wrong, None if nothing
    is; covered: whether the body takes such arguments at all."""

    body: Body
    dtype: str
    call: str
    error: float
    problem: str | None
    covered: bool = True


Make = Callable[[np.random.Generator, np.dtype[Any]], Arguments]


def calls(kernel: Kernel, seed: int = 0) -> Iterator[tuple[str, Make]]:
    """The calls that a body is tried on, by name: the corners of the contract's limits, some sizes between them, and
    the contract's special cases."""
    rng = np.random.default_rng(seed)
    sizes = list(itertools.product(*kernel.limits))
    sizes += [tuple(int(rng.integers(low, high + 1)) for low, high in kernel.limits) for _ in range(RANDOM_SIZES)]
    for size in dict.fromkeys(sizes):
        yield " × ".join(map(str, size)), _of_size(kernel, size)
    yield from kernel.cases.items()


def _of_size(kernel: Kernel, size: tuple[int, ...]) -> Make:
    return lambda rng, dtype: kernel.arguments(rng, dtype, size)


def check(body: Body, launch: Any = None, *, seed: int = 0) -> list[Checked]:
    """Compare a body with its formula on every call of its kernel, in every dtype that it covers. 中文：检验一种写法。

    launch: what launches the kernels of a body on CUDA; its arrays are NumPy's (the emulator's), or made by
    `launch.array` from them (a GPU's).
    """
    return [check_call(body, name, make, np.dtype(dtype), launch, seed=seed)
            for dtype in body.dtypes for name, make in calls(body.kernel, seed)]


def check_call(body: Body, name: str, make: Make, dtype: np.dtype[Any], launch: Any = None, *,
               seed: int = 0) -> Checked:
    """One call of a body, compared with the formula in float64."""
    mine, exact, plain, single = (make(np.random.default_rng(seed), dtype) for _ in range(4))
    if not body.accepts(*mine.arrays, **mine.keywords):
        return Checked(body, dtype.name, name, 0.0, None, covered=False)
    before = [np.array(x) for x in mine.arrays]
    results = _tuple(_run(body, mine, launch))
    expected = _tuple(_formula(body.kernel, Arguments(tuple(map(_as_float64, exact.arrays)), exact.keywords)))
    rounded = _tuple(_formula(body.kernel, Arguments(tuple(map(_as_float32, single.arrays)), single.keywords)))
    kinds = _tuple(_formula(body.kernel, plain))
    error, problem = _compare(results, expected, kinds, body.kernel.tolerated(dtype), rounded)
    if any(np.asarray(x).tobytes() != old.tobytes() for x, old in zip(mine.arrays, before, strict=True)):
        problem = "it writes into its arguments"
    return Checked(body, dtype.name, name, error, problem)


def _run(body: Body, arguments: Arguments, launch: Any) -> Any:
    if launch is None or not hasattr(launch, "array"):
        return body.run(launch, arguments)
    arrays = tuple([x if isinstance(x, tuple) else launch.array(x) for x in arguments.arrays])
    results = body.run(launch, Arguments(arrays, arguments.keywords))
    return tuple(r if r is None else r.get() for r in _tuple(results))


def _formula(kernel: Kernel, arguments: Arguments) -> Any:
    with using(grad=False, tape=None, kernels=None), np.errstate(all="ignore"):
        return formula(kernel)(*arguments.arrays, **arguments.keywords)


def _as_float64(x: Any) -> Any:
    return x.astype(np.float64) if not isinstance(x, tuple) and x.dtype.kind == "f" else x


def _as_float32(x: Any) -> Any:
    return x.astype(np.float32) if not isinstance(x, tuple) and x.dtype.kind == "f" else x


def _tuple(results: Any) -> tuple[Any, ...]:
    return results if isinstance(results, tuple) else (results,)


def _compare(results: tuple[Any, ...], expected: tuple[Any, ...], kinds: tuple[Any, ...], tolerance: float,
             rounded: tuple[Any, ...] = ()) -> tuple[float, str | None]:
    """(the largest error over the tolerated one, what is wrong). rounded: what the formula gives in float32."""
    if len(results) != len(expected):
        return np.inf, f"it returns {len(results)} results, the formula {len(expected)}"
    worst = 0.0
    for i, (result, exact, kind) in enumerate(zip(results, expected, kinds, strict=True)):
        if exact is None and result is None:
            continue
        exact = _like(exact, result)
        if result.shape != exact.shape or result.dtype != np.asarray(kind).dtype:
            return np.inf, (f"result {i} is {result.dtype} {result.shape}, "
                            f"the formula's is {np.asarray(kind).dtype} {exact.shape}")
        lost = _lost(_like(rounded[i], result), exact, result.dtype) if rounded else 0.0
        error, problem = _deviation(np.asarray(result), exact, max(tolerance, lost))
        if problem:
            return error, f"result {i}: {problem}"
        worst = max(worst, error)
    return worst, None


def _like(exact: Any, result: Any) -> np.ndarray[Any, Any]:
    """The formula's result; its sum, if it is a partial whose broadcasting the body has undone already."""
    exact = np.asarray(exact)
    return sum_to(exact, result.shape) if exact.shape != result.shape and result.ndim <= exact.ndim else exact


FORMULAS_ROUNDING = 4
"""A body may be off by so many times what the formula itself loses to rounding, where that is more than its tolerance:
a sum whose terms cancel has no digits that anybody could keep."""


def _lost(rounded: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> float:
    """What rounding takes from the formula in float32, relative to the largest, as it would be in `dtype`."""
    both = np.isfinite(exact) & np.isfinite(rounded)
    if dtype.kind != "f" or not both.any():
        return 0.0
    off = np.abs(rounded[both] - exact[both]).max() / (np.abs(exact[both]).max() or 1.0)
    return float(FORMULAS_ROUNDING * off * np.finfo(dtype).eps / np.finfo(np.float32).eps)


def _deviation(result: np.ndarray[Any, Any], exact: np.ndarray[Any, Any], tolerance: float) -> tuple[float, str | None]:
    if result.dtype.kind != "f":
        wrong = np.argwhere(result != exact)
        return (np.inf, f"{len(wrong)} of {exact.size} differ, the first at {_index(wrong[0])}") if len(wrong) else (
            0.0, None)
    largest = np.finfo(result.dtype).max
    wanted = np.where(np.abs(exact) > largest, np.copysign(np.inf, exact), exact)  # what its dtype can hold of it
    finite = np.isfinite(wanted)
    with np.errstate(invalid="ignore"):  # memory that a body never wrote may hold a signalling nan, whose cast warns
        same = (result == wanted) | (np.isnan(result) & np.isnan(wanted))
    wrong = np.argwhere(~np.where(finite, np.isfinite(result), same))
    if len(wrong):
        at = tuple(wrong[0])
        return np.inf, f"{result[at]} instead of {wanted[at]} at {_index(at)}"
    scale = np.abs(wanted[finite]).max(initial=0.0) or 1.0
    off = np.abs(np.where(finite, result, 0).astype(np.float64) - np.where(finite, wanted, 0)) / scale
    worst = off.max(initial=0.0)
    if worst <= tolerance:
        return float(worst / tolerance), None
    at = np.unravel_index(off.argmax(), off.shape)
    return float(worst / tolerance), (f"{result[at]} instead of {wanted[at]:.9g} at {_index(at)}: off by {worst:.1e} "
                                      f"of the largest, {tolerance:.1e} is tolerated")


def _index(at: Any) -> str:
    return f"[{', '.join(str(int(i)) for i in at)}]"
