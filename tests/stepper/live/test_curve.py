"""Curves stay short, and keep first, last, least and greatest, and every nan that they can."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh.stepper.live.curve import Curve


def curve_of(values, limit=64):
    curve = Curve(limit)
    for step, value in enumerate(values):
        curve.add(step, value)
    return curve


def test_a_spike_of_one_step_in_a_million_stays():
    values = np.sin(np.arange(200_000) / 1e4)
    values[23_457], values[170_001] = 50.0, -50.0
    curve = curve_of(values.tolist())
    assert len(curve.steps) <= 64
    assert curve.values[curve.steps.index(23_457)] == 50.0
    assert curve.values[curve.steps.index(170_001)] == -50.0


def test_the_shape_is_that_of_the_whole():
    values = np.exp(-np.arange(100_000) / 2e4)
    curve = curve_of(values.tolist(), limit=512)
    drawn = np.interp(np.arange(100_000), curve.steps, curve.values)
    assert np.abs(drawn - values).max() < 0.01


def test_nan_stays():
    values = [1.0] * 5000
    values[2222] = math.nan
    curve = curve_of(values)
    assert [step for step, value in zip(curve.steps, curve.values, strict=True) if math.isnan(value)] == [2222]


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=600), st.integers(8, 64))
def test_short_in_order_and_honest(values, limit):
    curve = curve_of(values, limit)
    assert len(curve.steps) == len(curve.values) <= limit
    assert curve.steps == sorted(set(curve.steps))
    assert curve.steps[-1] == len(values) - 1
    for step, value in zip(curve.steps, curve.values, strict=True):
        assert value == values[step] or (math.isnan(value) and math.isnan(values[step]))
    real = [value for value in values if not math.isnan(value)]
    if len(real) == len(values):
        assert max(curve.values) == max(values) and min(curve.values) == min(values)
    else:
        assert any(map(math.isnan, curve.values))


def test_the_same_step_again_replaces():
    curve = curve_of([1.0, 2.0])
    curve.add(1, 5.0)
    assert (curve.steps, curve.values) == ([0, 1], [1.0, 5.0])


def test_every_part_is_drawn_as_finely_as_any_other():
    curve = curve_of(np.random.default_rng(0).normal(size=200_000).tolist(), limit=512)
    parts = np.histogram(curve.steps, 10, (0, 200_000))[0]
    assert parts.min() > 0.7 * parts.max()


def test_sparse_points_are_thinned_too():
    curve = Curve(64)
    for step in range(0, 10_000_000, 9973):
        curve.add(step, float(step))
    assert 20 < len(curve.steps) <= 64 and curve.steps[0] == 0
