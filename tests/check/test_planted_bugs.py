"""Every planted bug is found, and called by its name."""

from __future__ import annotations

import numpy as np
import pytest

from tests.check.broken import BUGS, HalfTheSlope, OneInAMillion, WrongSign
from tinygrad_zh.check import gradcheck
from tinygrad_zh.check.differences import METHODS


@pytest.mark.parametrize("bug", BUGS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_caught_with_its_diagnosis(bug, seed):
    report = gradcheck(bug.function, *bug.inputs, order=bug.order, seed=seed)
    assert not report
    assert bug.diagnosis in [failure.diagnosis for failure in report.failures], str(report)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("op", [HalfTheSlope, OneInAMillion, WrongSign])
def test_every_method_catches_wrong_values(method, op):
    report = gradcheck(op, np.array([0.3, 1.2]), method=method)
    assert report.failures[0].diagnosis in ("factor", "sign")


def test_it_is_caught_under_the_one_seed_as_under_another():
    assert not any(gradcheck(OneInAMillion, np.array([0.3, 1.2]), seed=seed) for seed in range(20))


def test_there_are_many_and_of_many_kinds():
    assert len(BUGS) >= 40
    assert len({bug.diagnosis for bug in BUGS}) >= 20
