"""Randomness: one seed, one sequence; a generator's state can be kept and put back."""

from __future__ import annotations

import contextvars
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
from tinygrad_zh.core.random import get_state, philox, set_state


@given(st.integers(0, 2**64))
def test_a_seed_determines_the_sequence(seed: int) -> None:
    first = tz.manual_seed(seed).random(4)
    np.testing.assert_array_equal(tz.manual_seed(seed).random(4), first)
    assert not np.array_equal(tz.manual_seed(seed + 1).random(4), first)


def test_manual_seed_returns_the_generator_that_the_context_draws_from() -> None:
    assert tz.manual_seed(7) is tz.default_generator()
    assert tz.default_generator().bit_generator.state["bit_generator"] == "Philox"


def test_the_sequence_is_philoxs_own() -> None:
    """The words that numpy.random.Philox(7) draws; a change would make old checkpoints draw other masks."""
    words = tz.manual_seed(7).bit_generator.random_raw(3)
    np.testing.assert_array_equal(words, np.random.Philox(7).random_raw(3))


def test_without_a_seed_every_context_draws_its_own() -> None:
    draws = [contextvars.Context().run(lambda: tz.default_generator().random(4).tolist()) for _ in range(3)]
    assert draws[0] != draws[1] != draws[2]


def test_dropout_draws_from_the_context_or_from_what_it_is_given() -> None:
    x = tz.tensor(np.ones(64))
    tz.manual_seed(3)
    first, second = tz.functional.dropout(x), tz.functional.dropout(x)
    assert first.tolist() != second.tolist()
    tz.manual_seed(3)
    assert tz.functional.dropout(x).tolist() == first.tolist()
    assert tz.functional.dropout(x, generator=philox(3)).tolist() == first.tolist()
    assert tz.functional.dropout(x).tolist() == second.tolist()  # which the given generator did not disturb


@given(st.integers(0, 2**32), st.integers(0, 50), st.booleans())
def test_a_state_is_saved_and_put_back(seed: int, drawn: int, half: bool) -> None:
    """`half` leaves one of a pair of 32-bit draws over, which the state must keep too."""
    generator = philox(seed)
    generator.random(drawn)
    if half:
        generator.integers(0, 2**32, dtype=np.uint32)
    state = get_state(generator)
    assert all(isinstance(part, np.ndarray) for part in state.values())
    expected = [generator.random(5).tolist(), generator.integers(0, 9, 5, np.uint32).tolist()]
    other = philox(seed + 1)
    for fresh in (generator, other):
        set_state(fresh, state)
        assert [fresh.random(5).tolist(), fresh.integers(0, 9, 5, np.uint32).tolist()] == expected


def test_a_saved_state_does_not_move_with_its_generator() -> None:
    generator = philox(0)
    state = get_state(generator)
    before = {name: part.copy() for name, part in state.items()}
    generator.random(1000)
    np.testing.assert_equal(state, before)


def test_only_counter_based_generators_are_saved() -> None:
    with pytest.raises(TypeError, match="only Philox generators can be saved, not PCG64"):
        get_state(np.random.default_rng(0))


@pytest.mark.parametrize(("seed", "error"), [
    (-1, ValueError), (1.0, TypeError), ("1", TypeError), (None, TypeError), (True, TypeError),
])
def test_seeds_are_integers_from_zero_up(seed: Any, error: type[Exception]) -> None:
    tz.manual_seed(5)
    with pytest.raises(error, match="the seed is an integer ≥ 0, not "):
        tz.manual_seed(seed)
    np.testing.assert_array_equal(tz.default_generator().random(3), philox(5).random(3))


def test_seeds_of_numpys_integers() -> None:
    np.testing.assert_array_equal(tz.manual_seed(np.int64(5)).random(3), philox(5).random(3))
