"""Every planted bug is found, and called by its name."""

from __future__ import annotations

import pytest

from tests.check.broken import BUGS
from tinygrad_zh.check import gradcheck


@pytest.mark.parametrize("bug", BUGS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_caught_with_its_diagnosis(bug, seed):
    report = gradcheck(bug.function, *bug.inputs, order=bug.order, seed=seed)
    assert not report
    assert bug.diagnosis in [failure.diagnosis for failure in report.failures], str(report)


def test_there_are_many_and_of_many_kinds():
    assert len(BUGS) >= 40
    assert len({bug.diagnosis for bug in BUGS}) >= 20
