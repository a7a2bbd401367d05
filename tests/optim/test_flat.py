"""Flat buffers: the same steps to the bit as one by one, whatever happens between two steps."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.optim.test_optimizers import ALL, every
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim


def network(dtype=np.float32):
    """A network with parameters of several shapes, one of them a single number; the same each time."""
    tz.manual_seed(3)
    model = nn.Sequential(nn.Dense(5, 7), nn.ReLU(), nn.LayerNorm(7), nn.Dense(7, 3))
    for p in model.parameters():
        p.assign(p.numpy() + 0.1)
    model.factor = tz.tensor(np.array(1.5, np.float32), requires_grad=True)
    return model


def backward(model, step):
    """Gradients that differ from step to step."""
    x = np.random.default_rng(step).standard_normal((4, 5)).astype(np.float32)
    for p in model.parameters():
        p.zero_grad()
    ((model(x) * model.factor) ** 2).mean().backward()


def both(name, **settings):
    """Twice the same network, updated one by one and in flat buffers."""
    pairs = [(model, ALL[name](model.parameters(), **settings)) for model in (network(), network())]
    optim.flattened(pairs[1][1])
    return pairs


def assert_equal(one, two):
    """Parameters and state, to the bit, with the same names."""
    for a, b in zip(one[0].parameters(), two[0].parameters(), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    states = [optimizer.state_dict() for _, optimizer in (one, two)]
    assert states[0].keys() == states[1].keys()
    for key in states[0]:
        np.testing.assert_array_equal(states[0][key], states[1][key], err_msg=key)


def step_all(pairs, step, between=lambda model, optimizer: None):
    for model, optimizer in pairs:
        backward(model, step)
        between(model, optimizer)
        optimizer.step()


def in_buffers(optimizer):
    """How many arrays the parameters with more than one number are parts of."""
    return len({id(p.array if p.array.base is None else p.array.base) for p in optimizer.parameters if p.ndim})


@every
def test_steps_are_equal_to_the_bit(name):
    pairs = both(name)
    for step in range(5):
        step_all(pairs, step)
    assert_equal(*pairs)
    assert in_buffers(pairs[1][1]) == 1 < in_buffers(pairs[0][1])


@every
def test_with_penalties_and_clipping(name):
    pairs = both(name, weight_decay=0.01, l1=0.001) if name != "adamw" else both(name, l1=0.001)
    for step in range(3):
        step_all(pairs, step, lambda model, optimizer: optim.clip_grad_norm(model.parameters(), 0.5))
    assert_equal(*pairs)


@every
def test_a_rate_that_changes(name):
    pairs = both(name)
    schedules = [optim.ExponentialLR(optimizer, 0.5) for _, optimizer in pairs]
    for step in range(3):
        step_all(pairs, step)
        for schedule in schedules:
            schedule.step()
    assert_equal(*pairs)


@every
def test_a_parameter_without_a_gradient_is_left_alone(name):
    pairs = both(name)
    for step in range(6):
        step_all(pairs, step, lambda model, optimizer, step=step: optimizer.parameters[step % 4].zero_grad())
    assert_equal(*pairs)


def test_a_frozen_parameter_stays_and_the_others_share_a_buffer():
    pairs = both("adam")
    for step in range(3):
        step_all(pairs, step, lambda model, optimizer: optimizer.parameters[1].zero_grad())
    assert_equal(*pairs)
    assert in_buffers(pairs[1][1]) == 2  # its own array, and theirs


@every
def test_what_is_assigned_between_two_steps_counts(name):
    pairs = both(name)
    for step in range(4):
        step_all(pairs, step, lambda model, optimizer: optimizer.parameters[2].assign(0.5 * model.parameters()[2]))
    assert_equal(*pairs)


@every
@pytest.mark.parametrize("saver", [0, 1])
def test_a_state_goes_from_either_to_the_other(name, saver):
    pairs = both(name)
    for step in range(3):
        step_all(pairs, step)
    (model, optimizer), (other_model, other) = pairs[saver], pairs[1 - saver]
    weights, state = model.state_dict(), optimizer.state_dict()
    step_all(pairs, 9)
    other_model.load_state_dict(weights)
    other.load_state_dict(state)
    for later in (9, 10):
        backward(other_model, later)
        other.step()
    backward(model, 10)
    optimizer.step()
    assert_equal(*pairs)


def test_one_buffer_for_each_dtype():
    a, b = (tz.tensor(np.ones(3, dtype), requires_grad=True) for dtype in (np.float32, np.float64))
    c = tz.tensor(np.ones((2, 2), np.float64), requires_grad=True)
    optimizer = optim.flattened(optim.Adam([a, b, c]))
    (F.sum(a) + F.sum(b) + F.sum(c)).backward()
    optimizer.step()
    assert [p.dtype for p in (a, b, c)] == [np.float32, np.float64, np.float64]
    assert b.array.base is c.array.base is not a.array.base


def test_the_old_values_stay_what_they_were():
    model, optimizer = both("adam")[1]
    backward(model, 0)
    optimizer.step()
    before = [p.numpy() for p in model.parameters()]
    copies = [x.copy() for x in before]
    for step in range(3):
        backward(model, step)
        optimizer.step()
    for x, copy in zip(before, copies, strict=True):
        np.testing.assert_array_equal(x, copy)


def test_nothing_changes_when_an_update_has_the_wrong_shape():
    class Wrong(optim.SGD):
        def update(self, p, g, state, lr):
            return g[:1] if p.dtype == np.float64 else super().update(p, g, state, lr)

    a, b = (tz.tensor(np.ones(3, dtype), requires_grad=True) for dtype in (np.float32, np.float64))
    optimizer = optim.flattened(Wrong([a, b], lr=0.1))
    (F.sum(a) + F.sum(b)).backward()
    with pytest.raises(ValueError, match="nothing was changed"):
        optimizer.step()
    assert a.tolist() == b.tolist() == [1, 1, 1]


def test_while_a_tape_records_parameters_are_updated_one_by_one():
    pairs = both("adam")
    step_all(pairs, 0)
    tapes = []
    for model, optimizer in pairs:
        backward(model, 1)
        with tz.record() as tape:
            optimizer.step()
        tapes.append([str(line) for line in tape])
    assert tapes[0] == tapes[1]
    step_all(pairs, 2)
    assert_equal(*pairs)


def test_a_state_that_is_no_element_s_is_refused():
    class Rows(optim.SGD):
        def begin(self, p):
            return {"norms": tz.tensor(np.zeros(p.shape[0]))}

    w = tz.tensor(np.ones((3, 2)), requires_grad=True)
    with pytest.raises(ValueError, match=r"Rows keeps norms of shape \(3,\) for parameter 0 of shape \(3, 2\)"):
        optim.flattened(Rows([w], lr=0.1))


def test_the_kernels_take_the_whole_buffer():
    pairs = both("adam")
    with tz.use_kernels("numba"):
        for step in range(3):
            step_all(pairs, step)
    assert_equal(*pairs)
