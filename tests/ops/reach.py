"""Which formulas a row of the table really runs, read off the tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

import tinygrad_zh as tz
from tests.ops.checks import OF_GRADIENTS, forward_is_numpys
from tests.ops.table import TABLE, Case, Row

REPEATABLE = settings(
    deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)


def for_examples(count: int, row: Row, check: Callable[[Case], None]) -> None:
    """The check on some cases of the row, the same ones every time."""

    @settings(REPEATABLE, max_examples=count)
    @given(row.cases)
    def run(case: Case) -> None:
        check(case)

    run()


def every_op(base: type = tz.Op) -> Iterator[Any]:
    """The ops that tinygrad_zh/ops defines."""
    for op in base.__subclasses__():
        if op.__module__.startswith("tinygrad_zh.ops."):
            yield op
        yield from every_op(op)


@cache
def formulas_of(row: Row) -> frozenset[Any]:
    """The forward and backward functions that a few cases of the row run, second derivatives included."""
    found: set[Any] = set()

    def collect(case: Case) -> None:
        with tz.record() as tape:
            for check in (forward_is_numpys,) if row.constant else OF_GRADIENTS:
                check(row, case)
        found.update(line.function for line in tape if line.kind in ("forward", "backward"))

    for_examples(12, row, collect)
    return frozenset(found)


def rows_of(op: Any) -> list[Row]:
    """The rows that run a backward of this op, or its forward if it has none."""
    functions = {getattr(op, name) for name in op.backwards or ("forward",)}
    return [row for row in TABLE if functions & formulas_of(row)]
