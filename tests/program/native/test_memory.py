"""Places in the arena, homes, and what compiled code makes of an address."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from tinygrad_zh.program.native.memory import Home, Piece, aligned, at, copy, placed, within

pieces = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 12), st.integers(0, 6), st.booleans()), max_size=25)


@given(pieces)
def test_no_two_pieces_that_live_at_once_overlap(drawn):
    """Unless one was asked to take over another, of its size, that ends where it begins."""
    made = []
    for i, (size, first, length, over) in enumerate(sorted(drawn, key=lambda piece: piece[1])):
        taken = next((p for p in made if over and p.first < p.last == first and p.size == size
                      and not any(q.over == p.name for q in made)), None)
        made.append(Piece(f"p{i}", size, first, first + length, taken and taken.name))
    offsets, total = placed(made)
    for i, p in enumerate(made):
        assert offsets[p.name] % 64 == 0 and 0 <= offsets[p.name] <= total - p.size
        for q in made[:i]:
            apart = offsets[p.name] + p.size <= offsets[q.name] or offsets[q.name] + q.size <= offsets[p.name]
            assert apart or q.last < p.first or p.last < q.first or q.name == p.over


def test_memory_is_used_again_as_soon_as_nobody_reads_it():
    chain = [Piece(f"v{i}", 1000, i, i + 1) for i in range(50)]
    _, total = placed(chain)
    assert total == 2 * 1024


def test_what_takes_over_needs_no_room():
    chain = [Piece(f"v{i}", 1000, i, i + 1, f"v{i - 1}" if i else None) for i in range(50)]
    offsets, total = placed(chain)
    assert total == 1024 and set(offsets.values()) == {0}


def test_free_neighbours_become_one_stretch():
    made = [Piece("a", 64, 0, 0), Piece("b", 64, 0, 0), Piece("c", 64, 0, 2), Piece("d", 128, 1, 2)]
    assert placed(made)[0]["d"] == 0


# ---- homes


@pytest.mark.parametrize("shape", [(), (0,), (3, 5)])
def test_a_home_is_aligned_and_its_owner_alone_writes(shape):
    home = Home(shape, np.float32)
    assert home.address % 64 == 0 and home.array.shape == home.seen.shape == shape
    home.array[...] = 2
    np.testing.assert_array_equal(home.seen, np.full(shape, 2))
    for array in (home.seen, home.lent, home.seen.view()):
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.setflags(write=True)


@pytest.mark.parametrize("take", [lambda a: a, lambda a: a[:1], lambda a: a[0].T[1:], lambda a: memoryview(a),
                                  lambda a: a.reshape(-1).view(np.int32)])
def test_whoever_looks_at_a_home_is_noticed(take):
    home = Home((2, 3), np.float32)
    assert not home.held(0)
    taken = take(home.seen)
    assert home.held(0)
    del taken
    assert not home.held(0)
    user = home.seen
    assert home.held(0) and not home.held(1)
    assert user is home.seen


# ---- in compiled code


@njit
def doubled(table):
    x, y, flags = at(table[0], (2, 3), np.float32), at(table[1] + 64, (2, 3), np.float32), at(table[1], (2,), np.bool_)
    for i in range(2):
        flags[i] = True
        for j in range(3):
            y[i, j] = 2 * x[i, j]


def test_an_address_is_an_array_again():
    home = Home((2, 3), np.float32)
    home.array[...] = np.arange(6).reshape(2, 3)
    memory, start = aligned(128)
    doubled(np.array([home.address, memory.ctypes.data + start]))
    assert (memory.ctypes.data + start) % 64 == 0
    np.testing.assert_array_equal(memory[start + 64:start + 88].view(np.float32), 2 * np.arange(6))
    assert memory[start:start + 2].all()


@pytest.mark.parametrize(("values", "inside"), [
    ([0, 1, 2], True), ([], True), ([0, 3], False), ([-1, 0], False), ([np.nan], False), ([0.5, 2.0], True)])
def test_bounds(values, inside):
    assert within(np.array(values), 0, 2) == inside


def test_copies_are_of_all_numbers():
    to, x = np.zeros(5), np.arange(5.0)
    copy(to, x)
    np.testing.assert_array_equal(to, x)
