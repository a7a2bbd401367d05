"""gradcheck: claimed gradients against measured ones, and everything else a backward can do wrong. 梯度检验"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from tinygrad_zh.check import diagnosis, directions, hygiene
from tinygrad_zh.check.birth import with_birth
from tinygrad_zh.check.comparing import Comparing, Settings, check_form, measured
from tinygrad_zh.check.differences import METHODS
from tinygrad_zh.check.elsewhere import Elsewhere
from tinygrad_zh.check.problem import (
    ArrayProblem,
    Problem,
    RaisedError,
    SecondOrder,
    TensorProblem,
    arrays_of,
    names_of,
    title_of,
)
from tinygrad_zh.check.report import Comparison, Failure, Report
from tinygrad_zh.check.upstream import upstreams_of
from tinygrad_zh.core.mode import using
from tinygrad_zh.core.random import philox


def gradcheck(fn_or_op: Callable[..., Any], *inputs: Any, grad: Any = None, order: int = 1, method: str = "ladder",
              upstream: Any = None, special: bool = True, seed: int = 0, rtol: float = 1e-7,
              max_elements: int = 1000) -> Report:
    """Σ u ∂f/∂x as f's backward claims it, against differences of Σ u f. 中文：梯度检验。

    fn_or_op: a function of tensors that returns a tensor or a tuple of them, or an op. Its floating inputs are
    checked, integer and boolean ones are constants. With `grad` it is a plain NumPy function: grad is the gradient
    (an array, or a tuple of one an input), or a function that gives it, called as grad(*inputs) for a scalar f and
    grad(upstream, *inputs) otherwise.

    order: 2 checks the gradient of the gradient against differences of the first one. method: "ladder" (adaptive,
    with an error bar), "central", "five-point", or "complex" for analytic functions. upstream: u, random unless
    given. special: whether also at special points (zeros, ties, ×40, ×±1000, ×10⁻⁴, repeated indices), where
    f has a value. seed: of all that is random here. rtol: allowed beside 10 error bars. max_elements: larger inputs are
    sampled, and checked whole along dense directions.

    Differences are taken in float64, whatever the inputs; a float32 backward is then compared with the float64 one.
    Returns a `Report`: true if all is well, printable, with `.worst`, `.failures`, `.table()` and `.to_json()`.
    Raises TypeError and ValueError for calls that cannot be checked at all.

    >>> import numpy as np, tinygrad_zh as tz
    >>> from tinygrad_zh.check import gradcheck
    >>> bool(gradcheck(tz.functional.tanh, tz.tensor([0.5, -2.0])))
    True
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> report = gradcheck(lambda x: (x**2).sum(), x, grad=x)
    >>> bool(report), report.failures[0].diagnosis, report.failures[0].values
    (False, 'factor', {'factor': '1/2'})
    """
    if not callable(fn_or_op):
        raise TypeError(f"gradcheck(f, x, …): f is a function or an op, not {type(fn_or_op).__name__}")
    _check_options(order, method, special, seed, rtol, max_elements)
    arrays, title, names = arrays_of(inputs), title_of(fn_or_op), names_of(fn_or_op, inputs)
    with using(tape=None), np.errstate(all="ignore"):
        problem: Problem
        if grad is not None:
            if order == 2:
                raise ValueError("gradcheck: order=2 differentiates a backward of tensors; for plain NumPy check the "
                                 "gradient itself, gradcheck(g, x, grad=hessian, upstream=…)")
            problem = ArrayProblem(fn_or_op, grad, arrays, title, names, upstream)
        else:
            problem = TensorProblem(fn_or_op, arrays, title, names)
            if order == 2:
                outputs, _ = problem.forward(hygiene.copies(problem.points))
                dy, *_ = upstreams_of(problem, outputs, upstream, philox(seed))
                problem = SecondOrder(problem, outputs, dy)
        return check(problem, upstream=upstream if order == 1 else None, order=order, method=method,
                     special=special, seed=int(seed), rtol=float(rtol), max_elements=int(max_elements))


def _check_options(order: Any, method: Any, special: Any, seed: Any, rtol: Any, max_elements: Any) -> None:
    if isinstance(order, bool) or order not in (1, 2):
        raise ValueError(f"gradcheck: order is 1 or 2, not {order!r}")
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"gradcheck: method is one of {', '.join(METHODS)}, not {method!r}")
    if not isinstance(special, bool):
        raise TypeError(f"gradcheck: special is True or False, not {special!r}")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise ValueError(f"gradcheck: seed is a whole number from 0 on, not {seed!r}")
    if isinstance(rtol, bool) or not isinstance(rtol, Real) or not 0 <= float(rtol) < 1:
        raise ValueError(f"gradcheck: rtol is a number from 0 to 1, not {rtol!r}")
    if isinstance(max_elements, bool) or not isinstance(max_elements, Integral) or max_elements < 1:
        raise ValueError(f"gradcheck: max_elements is a whole number from 1 on, not {max_elements!r}")


def check(problem: Problem, *, upstream: Any = None, order: int = 1, method: str = "ladder", special: bool = False,
          seed: int = 0, rtol: float = 1e-7, max_elements: int | Sequence[int] = 1000,
          largest_step: float = np.inf) -> Report:
    """Check a problem: first that f can be differenced, then what is claimed, then the manners of its backward; and,
    if nothing is wrong so far, whether the claim holds at special points.

    max_elements: one limit for all inputs, or one an input.
    """
    settings = Settings(upstream, method, philox(seed), rtol, max_elements, largest_step)
    rows: list[Comparison] = []
    points: list[str] = []
    outside: list[str] = []
    failures: list[Failure] = []
    with using(grad=False, tape=None, kernels=None), np.errstate(all="ignore"):
        try:
            failures.extend(here(problem, settings, rows))
            if special and not failures and not problem.fixed:
                elsewhere = Elsewhere(problem, settings, rows)
                failures.extend(elsewhere.findings())
                points, outside = elsewhere.points, elsewhere.outside
        except RaisedError as raised:
            failures.append(Failure("raised", "", *diagnosis.diagnose_error(raised.error)))
    return Report(problem.title, order, method, seed, tuple(rows), tuple(failures), points=tuple(points),
                  outside=tuple(outside))


def here(problem: Problem, settings: Settings, rows: list[Comparison]) -> Iterator[Failure]:
    """Everything, at the given inputs."""
    outputs, pull = problem.forward(hygiene.copies(problem.points))
    broken = list(hygiene.check_function(problem, outputs))
    yield from with_birth(problem, broken)
    if broken:
        return
    upstreams = upstreams_of(problem, outputs, settings.upstream, settings.rng)
    claims = [[np.array(g) for g in pull(u)] for u in upstreams]
    malformed = check_form(problem, claims[0], lambda i: measured(problem, upstreams, i))
    yield from malformed.values()
    comparing = Comparing(problem, settings, upstreams, claims, outputs, rows, malformed)
    wrong = list(comparing.one_by_one(directions.elements(claims[0], settings.max_elements, settings.rng)))
    yield from with_birth(problem, wrong)
    yield from comparing.together()
    if not malformed:
        yield from hygiene.check_backward(problem, upstreams[0], claims[0])
