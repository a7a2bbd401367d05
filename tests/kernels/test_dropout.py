"""The words that dropout draws are NumPy's, and the generator is left as NumPy leaves it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_zh as tz
import tinygrad_zh_kernels as library
from tests.support.cuda import emulated_launcher
from tinygrad_zh import functional as F
from tinygrad_zh.kernels import formula
from tinygrad_zh_kernels import Arguments, Body
from tinygrad_zh_kernels.philox import WORDS, block, take

BODIES = list(library.bodies(library.get("dropout.forward")).values())
DRAWS = st.lists(st.tuples(st.sampled_from([np.float32, np.float64]), st.integers(0, 11)), max_size=3)


def generator(draws: Any, seed: int = 3) -> np.random.Generator:
    """A Philox that has given these numbers of these dtypes."""
    rng = np.random.Generator(np.random.Philox(seed))
    for dtype, n in draws:
        rng.random(n, dtype)
    return rng


def assert_same_state(a: np.random.Generator, b: np.random.Generator) -> None:
    np.testing.assert_equal(a.bit_generator.state, b.bit_generator.state)


def words_of(taken: Any, n: int) -> np.ndarray:
    """The words that were taken, computed one block after the other."""
    first = sum(int(lane) << 64 * i for i, lane in enumerate(taken.counter))
    key = (int(taken.key[0]), int(taken.key[1]))
    halves = [block((first + i) % 2**256, key) for i in range(n // WORDS + 2)]
    words = np.array(halves, np.uint64).reshape(-1).astype("<u8").view("<u4")[taken.skip : taken.skip + n].copy()
    if taken.early is not None:
        words[0] = taken.early
    return words


@given(draws=DRAWS, n=st.integers(0, 40))
def test_what_is_taken_is_what_numpy_would_give_next(draws, n):
    mine, numpys = generator(draws), generator(draws)
    words, expected = words_of(take(mine, n), n), numpys.random(n, np.float32)
    np.testing.assert_array_equal((words >> 8).astype(np.float32) * np.float32(2**-24), expected)
    assert_same_state(mine, numpys)


def test_a_counter_goes_round_after_its_last_block():
    mine, numpys = generator([]), generator([])
    for rng in (mine, numpys):
        state: Any = rng.bit_generator.state
        state["state"]["counter"] = np.full(4, 2**64 - 1, np.uint64)
        rng.bit_generator.state = state
    words, expected = words_of(take(mine, 30), 30), numpys.random(30, np.float32)
    np.testing.assert_array_equal((words >> 8) / 2**24, expected)
    assert_same_state(mine, numpys)


@pytest.mark.parametrize("body", BODIES, ids=str)
@pytest.mark.parametrize("draws", [[], [(np.float32, 3)], [(np.float32, 1), (np.float64, 2)]], ids=["0", "3", "1 + 2"])
@pytest.mark.parametrize("n", [0, 1, 7, 2500])
def test_the_generator_is_left_as_the_formula_leaves_it(body: Body, draws: Any, n: int) -> None:
    x = np.ones(n, np.float32)
    mine, numpys = generator(draws), generator(draws)
    launch = None if body.device == "cpu" else emulated_launcher(body)
    _, mask = body.run(launch, Arguments((x,), {"p": 0.4, "scale": 1 / 0.6, "rng": mine}))
    _, expected = formula(body.kernel)(x, p=0.4, scale=1 / 0.6, rng=numpys)
    np.testing.assert_array_equal(mask, expected)
    assert_same_state(mine, numpys)


def test_with_kernels_and_without_a_network_is_trained_on_the_same_masks():
    pytest.importorskip("numba", reason="Numba is not installed")

    def two() -> list[Any]:
        tz.manual_seed(5)
        x = tz.tensor(np.ones((3, 5), np.float32))
        return [F.dropout(x, 0.5).tolist() for _ in range(2)]

    plain = two()
    with tz.use_kernels("numba"):
        assert two() == plain


def test_other_generators_are_left_to_the_formula():
    rng = np.random.default_rng(0)
    for body in BODIES:
        assert not body.accepts(np.ones(3, np.float32), p=0.4, scale=1 / 0.6, rng=rng)
