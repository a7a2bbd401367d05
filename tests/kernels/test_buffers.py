"""Buffers: a result is never written to while somebody can see it, and memory is used again when nobody can."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from tinygrad_zh_kernels import buffers

SHAPE = (64, 100)


@pytest.fixture(autouse=True)
def forget() -> None:
    buffers.clear()


def address(array: np.ndarray) -> int:
    return array.ctypes.data


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
@pytest.mark.parametrize("shape", [(5000,), (64, 100), (3, 1, 5000), (0, 7), (), (3, 4)])
def test_an_array_of_the_shape_aligned_where_it_is_large(shape: tuple[int, ...], dtype: type) -> None:
    array = buffers.empty(shape, dtype)
    assert array.shape == shape and array.dtype == dtype and array.flags.c_contiguous and array.flags.writeable
    assert array.nbytes < buffers.SMALL or address(array) % buffers.ALIGNMENT == 0


def test_memory_that_nobody_holds_is_used_again() -> None:
    first = address(buffers.empty(SHAPE, np.float32))
    assert address(buffers.empty(SHAPE, np.float32)) == first
    assert address(buffers.empty((100, 64), np.float32)) == first, "it is the length that counts"


@pytest.mark.parametrize("hold", [lambda a: a, lambda a: a[3:5], lambda a: a.T, lambda a: a.reshape(-1)[::2].view(),
                                  lambda a: a.view(np.int32), memoryview, lambda a: [a[0, :1]]],
                         ids=["itself", "rows", "transposed", "view of a view", "other dtype", "buffer", "in a list"])
def test_what_somebody_can_still_see_is_left_alone(hold) -> None:
    array = buffers.empty(SHAPE, np.float32)
    array[...] = 7
    place, held = address(array), hold(array)
    del array
    others = [buffers.empty(SHAPE, np.float32) for _ in range(4)]
    assert place not in map(address, others)
    assert np.asarray(held[0] if isinstance(held, list) else held).reshape(-1)[0] in (7, np.float32(7).view(np.int32))


def test_memory_that_was_locked_comes_back_writable() -> None:
    array = buffers.empty(SHAPE, np.float32)
    array.setflags(write=False)
    array.base.setflags(write=False)
    place = address(array)
    del array
    again = buffers.empty(SHAPE, np.float32)
    assert address(again) == place
    again[...] = 1


def test_two_threads_never_share() -> None:
    mine = address(buffers.empty(SHAPE, np.float32))
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(buffers.empty(SHAPE, np.float32)))
    thread.start()
    thread.join()
    assert address(theirs[0]) != mine
    held = [buffers.empty(SHAPE, np.float32) for _ in range(3)]
    assert address(theirs[0]) not in map(address, held)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "KEPT", 10 * 25600)
    held = [buffers.empty(SHAPE, np.float32) for _ in range(25)]
    assert len({address(a) for a in held}) == 25
    assert buffers._POOL.bytes <= buffers.KEPT
    assert sum(len(pieces) for pieces in buffers._POOL.memory.values()) <= 10
