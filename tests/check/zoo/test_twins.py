"""The right ops that bugs of the zoo are compared with are right."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh.check import gradcheck
from tinygrad_zh.check.zoo import normal, twins
from tinygrad_zh.core.op import Op

WELL_CONDITIONED = normal(3, 3) + 3 * np.eye(3)

INPUTS = {
    twins.Arctan2: (normal(5), normal(5, seed=1)),
    twins.Inverse: (WELL_CONDITIONED,),
    twins.Determinant: (WELL_CONDITIONED,),
    twins.Cholesky: (WELL_CONDITIONED @ WELL_CONDITIONED.T,),
}


@pytest.mark.parametrize("op", INPUTS)
def test_its_gradient_is_right(op):
    assert gradcheck(op, *INPUTS[op])


def test_every_one_is_tested():
    assert {op for op in Op.__subclasses__() if op.__module__ == twins.__name__} == set(INPUTS)


def test_a_cholesky_factor_multiplies_back():
    x = WELL_CONDITIONED @ WELL_CONDITIONED.T
    y = twins.Cholesky(x)
    np.testing.assert_allclose(y @ y.T, x, rtol=1e-12)
