"""A backward that is off by one part in a million is caught, of every op."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.ops.table import TABLE
from tinygrad_zh import functional as F
from tinygrad_zh.check import gradcheck

DIFFERENTIABLE = [row for row in TABLE if not row.constant]


class Nudged(tz.Op):
    """The identity with a gradient of 1 + ε."""

    def forward(x, *, epsilon):
        return x * 1

    def backward(dy, *, epsilon):
        return dy * (1 + epsilon)


def has_gradient(function, arrays):
    """Whether any gradient is finite and not 0."""
    leaves = [tz.tensor(x, requires_grad=True) if x.dtype.kind == "f" else x for x in arrays]
    y = function(*leaves)
    outputs = y if isinstance(y, tuple) else (y,)
    reached = [out for out in outputs if out.requires_grad]
    if not reached:
        return False
    wanted = [x for x in leaves if isinstance(x, tz.Tensor)]
    upstream = [tz.tensor(np.random.default_rng(0).normal(size=out.shape)) for out in reached]
    grads = tz.core.grad(reached, wanted, upstream, allow_unused=True)
    largest = max((np.abs(g.numpy()).max(initial=0) for g in grads if g is not None), default=0)
    return bool(np.isfinite(largest)) and largest > 1e-6


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=str)
@settings(max_examples=2, suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_one_part_in_a_million(row, data):
    case = data.draw(row.cases)
    assume(any(x.dtype.kind == "f" for x in case.arrays))
    assume(sum(x.size for x in case.arrays) < 60)

    def right(*xs):
        return row.function(*xs, **case.keywords)

    def nudged(*xs):
        return right(*[Nudged(x, epsilon=1e-6) if x.dtype.kind == "f" else x for x in xs])

    assume(has_gradient(right, case.arrays))
    assert not gradcheck(nudged, *case.arrays, seed=case.seed, special=False)


@pytest.mark.parametrize("epsilon", [3e-7, -3e-7, 1e-3])
@pytest.mark.parametrize("name", ["tanh", "softmax", "gelu", "sigmoid", "relu", "exp", "logsumexp", "layer_norm"])
def test_three_parts_in_ten_million(name, epsilon):
    x = np.random.default_rng(2).normal(size=(3, 4))
    report = gradcheck(lambda x: getattr(F, name)(Nudged(x, epsilon=epsilon)), x)
    assert [failure.diagnosis for failure in report.failures] == ["factor"]
    size = abs(1 - report.worst.analytic / report.worst.numeric)
    assert size == pytest.approx(abs(epsilon), rel=1e-2)


def test_one_wrong_element_among_many_by_a_millionth():
    x = np.random.default_rng(2).normal(size=(20, 20))

    class Dent(tz.Op):
        def forward(x):
            return np.sin(x)

        def backward(dy, x):
            g = dy * np.cos(x)
            g[7, 3] *= 1 + 1e-6
            return g

    report = gradcheck(Dent, x)
    assert report.worst.element == (7, 3)
