"""Functions for which no rule of an op is to blame: random, inconsistent, without a value or without a slope."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck


def unseeded(x):
    return x * np.random.default_rng().random(4)


def another_with_grad(x):
    return 2 * x if tz.is_grad_enabled() else 3 * x


def nan_forward(x):
    return F.log(x)


class DefinedAtOneAlone(tz.Op):
    def forward(x):
        return np.where(x == 1, x, np.nan)

    def backward(dy):
        return dy


ODD = [
    (unseeded, np.random.default_rng(0).normal(size=4), "random"),
    (another_with_grad, np.random.default_rng(0).normal(size=4), "inconsistent"),
    (nan_forward, np.array([-1.0, 2.0]), "value_not_finite"),
    (DefinedAtOneAlone, np.array([1.0]), "not_measured"),
]


@pytest.mark.parametrize(("function", "x", "diagnosis"), ODD)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_is_called_what_it_is(function, x, diagnosis, seed):
    report = gradcheck(function, x, seed=seed)
    assert diagnosis in [failure.diagnosis for failure in report.failures], str(report)
