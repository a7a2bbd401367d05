"""Shadows: what a recording remembers of arrays, and that it keeps none of them alive."""

from __future__ import annotations

import weakref

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.program.compiling.recorded import Recorded, run
from tinygrad_zh.program.compiling.shadows import Shadows, root

BASE = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("cut", [
    lambda x: x, lambda x: x[1], lambda x: x[:, ::-1], lambda x: x.T, lambda x: x[..., None], lambda x: x[0, 1:2, 3],
    lambda x: np.broadcast_to(x[:1], (2, 3, 4)), lambda x: x.reshape(6, 4)[2:], lambda x: x[:0]])
@pytest.mark.parametrize("made", [lambda: BASE.copy(), lambda: np.asfortranarray(BASE),
                                  lambda: np.empty_like(BASE.transpose(1, 2, 0)).transpose(2, 0, 1)])
def test_a_shadow_lies_as_its_array_does(made, cut):
    shadows = Shadows([])
    whole = made()
    part = cut(whole)
    shadow = shadows.made(part)
    assert (shadow.shape, shadow.dtype, shadow.strides) == (part.shape, part.dtype, part.strides)
    assert shadows.made(part) is shadows.known(part) is shadow
    assert not np.shares_memory(shadow, whole)
    owner = root(part)
    assert root(shadow) is root(shadows.made(owner))
    offset = shadow.ctypes.data - root(shadow).ctypes.data
    assert offset == part.ctypes.data - owner.ctypes.data
    with pytest.raises(ValueError, match="read-only"):
        shadow[...] = 0


def test_shadows_of_different_arrays_are_different():
    shadows = Shadows([])
    a, b = BASE.copy(), BASE.copy()
    assert root(shadows.made(a)) is not root(shadows.made(b))


def test_what_was_there_before_is_kept_itself():
    told = []
    shadows = Shadows([BASE])
    view, other = BASE[1], np.ones(3)
    assert shadows.of(BASE, told.append) is BASE and shadows.made(view) is view
    assert shadows.of((other, [other], 3), told.append) == (other, [other], 3)
    assert len(told) == 1 and told[0] is other


def test_an_array_that_has_gone_is_forgotten_and_its_place_may_be_taken():
    shadows = Shadows([])
    seen = set()
    for _ in range(100):
        array = np.empty(3)
        seen.add(id(shadows.made(array)))
        key = id(array)
        del array
        assert key not in shadows._shadows
    kept = BASE.copy()
    shadow = shadows.made(kept)
    assert shadows.alive() == {id(shadow): kept}


def test_a_recording_keeps_no_array_alive():
    """Ten results, one after the other: while the last is computed, all but its own argument are gone."""
    alive, results = [], []

    class Next(tz.Op):
        def forward(x):
            alive.append(sum(ref() is not None for ref in results))
            y = x + 1
            results.append(weakref.ref(y))
            return y

    def step(x):
        for _ in range(10):
            x = Next(x)
        return x

    x = tz.tensor(BASE)
    result, tape = run(lambda: step(x), [x.array])
    assert alive == [0] + [1] * 9
    recorded = Recorded(tape, [result.array])
    assert recorded.lines[-1].outputs[0] is result.array
    assert [recorded.name(line.outputs[0]) for line in recorded.lines] == [f"v{n}" for n in range(1, 11)]
