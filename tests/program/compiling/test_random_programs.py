"""Random small programs: what is compiled equals the step to the bit, whatever ops it is made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import tinygrad_zh as tz
from tests.program.compiling.twins import assert_equal
from tinygrad_zh import functional as F

UNARY = (
    F.tanh, F.relu, F.sigmoid, F.exp, F.softmax, F.layer_norm, lambda x: -x, lambda x: x**2, lambda x: x.mT.mT,
    lambda x: x[::-1], lambda x: x.mean(axis=0, keepdims=True) + x, lambda x: x.astype(np.float64), lambda x: x.sum(),
    lambda x: x.astype(np.float32), lambda x: F.dropout(x, 0.5), lambda x: x.reshape((9,)).reshape((3, 3)),
    lambda x: x.detach(), lambda x: F.concat([x, x])[1:4])
BINARY = (lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a - b, lambda a, b: a @ b, F.maximum,
          lambda a, b: F.where(a > b, a, b))


def usable(x):
    """A 3 × 3 matrix that stays in bounds, of what is 0-d a full one."""
    return F.tanh(x + np.zeros((3, 3), np.float32))


@st.composite
def programs(draw):
    """Lines (function, operands): each takes values that are there already, of two leaves, the input and results."""
    lines = []
    for n in range(draw(st.integers(1, 6))):
        operand = st.integers(0, 2 + n)
        if draw(st.booleans()):
            lines.append((draw(st.sampled_from(UNARY)), (draw(operand),)))
        else:
            lines.append((draw(st.sampled_from(BINARY)), (draw(operand), draw(operand))))
    return lines


def step_of(lines, accumulate, branch):
    """A training step that computes these lines from two leaves and the input, and updates the leaves."""
    tz.manual_seed(0)
    rng = np.random.default_rng(1)
    leaves = [tz.tensor(rng.normal(size=(3, 3)), np.float32, requires_grad=True),
              tz.tensor(rng.normal(size=(3, 3)), np.float64, requires_grad=True)]

    def step(x):
        values = [*leaves, x]
        for function, operands in lines:
            values.append(usable(function(*[values[i] for i in operands])))
        if branch and values[-1].sum() > 0:
            values.append(values[-1] * values[0])
        loss = sum(values[2:], start=values[0]).mean() + (values[1] * values[-1]).sum()
        for w in leaves:
            if not accumulate:
                w.zero_grad()
        loss.backward()
        for w in leaves:
            w.assign(w - 0.1 * w.grad)
        return loss, values[-1]

    return leaves, step


@given(programs(), st.booleans(), st.booleans())
@settings(max_examples=60)
def test_a_random_program(lines, accumulate, branch):
    results = []
    rng = np.random.default_rng(2)
    inputs = [rng.normal(size=(3, 3)).astype(np.float32) for _ in range(7)]
    for compiled in (False, True):
        leaves, step = step_of(lines, accumulate, branch)
        run = tz.compile(step, kernels="formulas") if compiled else step
        tz.manual_seed(7)
        results.append(([run(tz.tensor(x)) for x in inputs], leaves, [w.grad for w in leaves]))
    assert_equal(*results)
    assert run.replays >= (1 if branch else 7 - 2 - accumulate), run.explain()
