"""Training steps on the tape: every update is a line, and lines run again are the next step to the byte."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim

EVERY = {
    "sgd": lambda p: optim.SGD(p, 0.1),
    "penalties": lambda p: optim.SGD(p, 0.1, weight_decay=0.1, l1=0.01),
    "momentum": lambda p: optim.Momentum(p, 0.1),
    "nesterov": lambda p: optim.Nesterov(p, 0.1),
    "adam": lambda p: optim.Adam(p, 0.1),
    "adamw": lambda p: optim.AdamW(p, 0.1),
}


def run_again(tape):
    """Run the lines of a tape once more, from what the leaves hold now; only `assign` has an effect."""
    values = {}  # by the id of the array that stood there when the tape was recorded

    def now(argument):
        if isinstance(argument, tuple):
            return tuple(map(now, argument))
        if id(argument) in values:
            return values[id(argument)]
        return tape.leaves[id(argument)].array if id(argument) in tape.leaves else argument

    for line in tape:
        if line.kind in ("enter", "leave", "read"):
            continue
        if line.kind == "assign":
            line.info["tensor"].assign(now(line.arguments[1]))
            continue
        results = line.function(*map(now, line.arguments), **line.keywords)
        results = results if isinstance(results, tuple) else (results,)
        for old, new in zip(line.outputs, results, strict=True):
            values[id(old)] = np.asarray(new)


def lines(tape):
    return [line.info["op"].__name__ if line.kind == "forward" else line.kind for line in tape]


def network():
    tz.manual_seed(5)
    return nn.Sequential(nn.Dense(3, 4), nn.Tanh(), nn.Dense(4, 2))


X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(6, 2)).astype(np.float32)


def step(model, optimizer, limit=None):
    optimizer.zero_grad()
    F.mse_loss(model(X), Y).backward()
    if limit is not None:
        optim.clip_grad_norm(model.parameters(), limit)
    optimizer.step()


def test_an_update_is_a_line_and_its_assignment_another():
    p = tz.tensor(1.0, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.25)
    p.grad = tz.tensor(2.0)
    with tz.record() as tape:
        optimizer.step()
    assert lines(tape) == ["SGD", "assign"]
    update, assign = tape
    assert [np.asarray(a).item() for a in update.arguments] == [1.0, 2.0, 0.25]
    assert update.outputs[0] is assign.outputs[0] is p.array
    assert assign.info["tensor"] is p
    assert tape.leaves[id(update.arguments[0])] is p


def test_adam_s_count_is_computed_on_the_tape():
    p = tz.tensor(1.0, requires_grad=True)
    optimizer = optim.Adam([p], weight_decay=0.1, l1=0.1)
    p.grad = tz.tensor(2.0)
    with tz.record() as tape:
        optimizer.step()
    assert lines(tape) == ["L2Penalty", "L1Penalty", "Add", "Adam", *["assign"] * 4]


def test_all_values_are_computed_before_the_first_is_assigned():
    p, q = (tz.tensor(1.0, requires_grad=True) for _ in range(2))
    optimizer = optim.Momentum([p, q], lr=0.1)
    p.grad, q.grad = tz.tensor(1.0), tz.tensor(2.0)
    with tz.record() as tape:
        optimizer.step()
    assert lines(tape) == ["Momentum", "Momentum", *["assign"] * 4]


@pytest.mark.parametrize("name", EVERY)
def test_a_recorded_step_run_again_is_the_next_step_to_the_byte(name):
    model = network()
    optimizer = EVERY[name](model.parameters())
    with tz.record() as tape:
        step(model, optimizer)
    optimizer.zero_grad()
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    for _ in range(3):
        run_again(tape)
        step(twin, twin_optimizer)
        assert_equal(model, twin)
        assert_equal(optimizer, twin_optimizer)


def test_a_step_run_again_uses_the_rate_of_now():
    model = network()
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    with tz.record() as tape:
        step(model, optimizer)
    optimizer.zero_grad()
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    for rate in (0.05, 0.0, 0.2):
        optimizer.lr = twin_optimizer.lr = rate
        run_again(tape)
        step(twin, twin_optimizer)
        assert_equal(model, twin)


def test_a_clipped_step_run_again_clips_by_the_norm_of_now():
    model = network()
    optimizer = optim.SGD(model.parameters(), lr=0.5)
    with tz.record() as tape:
        step(model, optimizer, limit=0.3)
    optimizer.zero_grad()
    twin, twin_optimizer = copy.deepcopy((model, optimizer))
    for _ in range(3):
        run_again(tape)
        step(twin, twin_optimizer, limit=0.3)
        assert_equal(model, twin)


def assert_equal(one, other):
    state = other.state_dict()
    for name, array in one.state_dict().items():
        assert array.tobytes() == state[name].tobytes(), name
