"""Where a gradient that is no number comes from: the op that made the first one. 非有限数的诞生"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from tinygrad_zh.check.autopsy import autopsy
from tinygrad_zh.check.problem import Problem, SecondOrder, TensorProblem
from tinygrad_zh.check.report import Failure

NOT_FINITE = {"value_not_finite", "not_finite", "not_finite_at_zero"}


def with_birth(problem: Problem, failures: Sequence[Failure]) -> Iterator[Failure]:
    """The failures and, if one of them is about what is not finite, the op where that was born."""
    yield from failures
    if not isinstance(problem, TensorProblem) or isinstance(problem, SecondOrder):
        return
    if all(failure.diagnosis not in NOT_FINITE for failure in failures):
        return
    given = iter(problem.points)
    found = None
    with suppress(Exception):  # it is a courtesy, and the failures stand without it
        found = autopsy(problem.function.function, *(next(given) if c is None else c for c in problem.constants))
    if found is not None and found.phase in ("forward", "backward"):
        values = {"op": found.op, "value": str(found.value), "element": str(list(found.element))}
        yield Failure("finite", "", f"born_{found.phase}", values)
