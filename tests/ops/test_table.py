"""Every row of the table against every check, and the table against the ops."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ops.checks import checks_of, second_partials_are_difference_quotients, without_warnings
from tests.ops.reach import every_op, for_examples, formulas_of
from tests.ops.table import TABLE, WITHOUT_SECOND_DERIVATIVE
from tinygrad_zh import functional as F

EXAMPLES = 12
CHECKED = [pytest.param(row, check, id=f"{row}-{check.__name__}") for row in TABLE for check in checks_of(row)]


@pytest.mark.parametrize(("row", "check"), CHECKED)
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_row(row, check, data):
    without_warnings(check, row, data.draw(row.cases))


@pytest.mark.parametrize("op", sorted(every_op(), key=lambda op: op.__name__), ids=lambda op: op.__name__)
def test_every_formula_of_every_op_is_run_by_some_row(op):
    run = frozenset().union(*map(formulas_of, TABLE))
    assert op.forward in run
    assert [name for name in op.backwards if getattr(op, name) not in run] == []


def test_every_public_function_has_a_row():
    rows = {str(row).partition(" ")[0] for row in TABLE}
    assert set(F.__all__) - rows == set()


def test_the_rows_have_names_of_their_own():
    names = [str(row) for row in TABLE]
    assert len(set(names)) == len(names)


def test_the_ops_without_second_derivative_are_the_named_ones_and_raise():
    def differentiate_twice(case):
        second_partials_are_difference_quotients(row, case)

    refusing = set()
    for row in TABLE:
        if not row.constant:
            try:
                for_examples(3, row, differentiate_twice)
            except (RuntimeError, TypeError):
                refusing.add(str(row))
    assert refusing == set(WITHOUT_SECOND_DERIVATIVE)
    assert len(WITHOUT_SECOND_DERIVATIVE) <= 5
