"""The trial lets pass what rounding explains, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.program.compiling.recorded import Recorded, Unsupported, run
from tinygrad_zh.program.native.trial import again, check


class Said:
    """In a program's place: whatever it is called with, it gives these outputs."""

    def __init__(self, *outputs):
        self.outputs = [np.asarray(x, np.float32) for x in outputs]

    def bind(self, *_):
        pass

    def __call__(self, arrays):
        return self.outputs


def passes(step, x, result):
    x = tz.tensor(x, np.float32)
    value, tape = run(lambda: step(x), [x.array])
    recorded = Recorded(tape, [value.array])
    try:
        check(Said(result), recorded, again(recorded))
    except Unsupported as error:
        assert error.key == "compile.why.differs"
        return False
    return True


@pytest.mark.parametrize(("off", "right"), [(0, True), (1e-6, True), (1e-3, False), (np.nan, False), (np.inf, False)])
def test_a_sum_may_be_rounded_otherwise(off, right):
    assert passes(lambda x: x.sum(), [1.0, 2.0, 3.0], 6.0 + off) is right


@pytest.mark.parametrize(("result", "right"), [(0.0, True), (2.0, True), (1000.0, False)])
def test_where_all_cancels_little_is_known(result, right):
    assert passes(lambda x: x.sum(), [1e6, -1e6, 1.0, -1.0], result) is right


@pytest.mark.parametrize(("result", "right"), [(-1.0, True), (30.0, False)])
def test_the_sign_of_what_is_only_rounding_is_either(result, right):
    """As Adam makes of gradients that are 0 but for rounding."""
    x = np.ones((2, 30), np.float32)
    assert passes(lambda x: F.sign(x[0] * 0.1 - x[1] * 0.1), x, np.full(30, result)) is right


def test_what_is_rounded_on_the_way_counts_too():
    """Softmax's largest share less 1: the inputs say nothing about its last digits."""
    x = np.array([30.0, 0.0, -5.0], np.float32)
    exact = F.softmax(tz.tensor(x)).numpy()[0] - 1
    assert passes(lambda x: F.softmax(x)[0] - 1.0, x, exact + 6e-8)
    assert not passes(lambda x: F.softmax(x)[0] - 1.0, x, exact + 1e-4)


def test_nan_and_infinity_are_compared():
    with np.errstate(all="ignore"):
        assert passes(F.log, [0.0, -1.0, 1.0], [-np.inf, np.nan, 0.0])
        for wrong in ([0.0, np.nan, 0.0], [np.inf, np.nan, 0.0], [-np.inf, 0.0, 0.0], [-np.inf, np.nan, np.nan]):
            assert not passes(F.log, [0.0, -1.0, 1.0], wrong)


def test_shapes_integers_and_dtypes_are_compared():
    assert not passes(lambda x: x * 2.0, [1.0, 2.0], [[2.0, 4.0]])
    assert not passes(lambda x: F.argmax(x), [1.0, 2.0], 1.0)  # int64
