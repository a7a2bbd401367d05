"""Shifted pictures: what is seen moves, zeros come in, and the generator alone decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh.data import digits, shifted


def philox(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(seed))


def moved(picture: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel; what leaves the frame is lost."""
    y = np.zeros_like(picture)
    for i, j in np.ndindex(picture.shape):
        if 0 <= i + down < len(picture) and 0 <= j + right < picture.shape[1]:
            y[i + down, j + right] = picture[i, j]
    return y


@given(st.integers(0, 5), st.integers(1, 5), st.integers(1, 6), st.integers(0, 9), st.data())
def test_each_picture_is_moved_by_its_own_draw(n, height, width, seed, data):
    most = data.draw(st.integers(0, min(height, width) - 1))
    images = 1 + np.arange(n * height * width).reshape(n, height, width)
    down, right = philox(seed).integers(-most, most, size=(2, n), endpoint=True)
    expected = [moved(*each) for each in zip(images, down, right, strict=True)]
    np.testing.assert_array_equal(shifted(images, most, philox(seed)), np.reshape(expected, images.shape))


def test_all_shifts_up_to_most_come_equally_often():
    images = np.zeros((9000, 5, 5))
    images[:, 2, 2] = 1
    seen = shifted(images, 1, philox())
    assert (seen.sum(axis=(1, 2)) == 1).all()
    counts = seen.sum(axis=0)
    assert counts[1:4, 1:4].sum() == 9000
    assert 900 < counts[1:4, 1:4].min() and counts[1:4, 1:4].max() < 1100  # 1,000 ± 30 each


def test_no_picture_leaves_the_frame():
    images = np.ones((500, 3, 4))
    assert shifted(images, 2, philox()).any(axis=(1, 2)).all()


def test_by_nothing_is_a_copy():
    images = digits().pixels[:3]
    same = shifted(images, 0, philox())
    np.testing.assert_array_equal(same, images)
    assert same.flags.writeable and not np.shares_memory(same, images)


@pytest.mark.parametrize("dtype", ["u1", "?", "i8", "f2", "f4", "f8", ">f4"])
def test_the_dtype_stays(dtype):
    images = np.ones((2, 3, 4), dtype)
    assert shifted(images, 1, philox()).dtype == images.dtype


IMAGES = np.arange(60, dtype=np.float32).reshape(4, 3, 5)


@pytest.mark.parametrize(
    "images",
    [np.asfortranarray(IMAGES), IMAGES[::-1], IMAGES[:, ::-1, ::-1], np.broadcast_to(IMAGES[0], (4, 3, 5)),
     IMAGES.transpose(1, 0, 2), IMAGES.tolist()],
    ids=["F", "[::-1]", "mirrored", "broadcast", "transposed", "lists"],
)  # fmt: skip
def test_any_strides(images):
    seen = shifted(images, 1, philox())
    np.testing.assert_array_equal(seen, shifted(np.array(images), 1, philox()))
    assert seen.flags.c_contiguous


def test_the_input_stays_and_the_generator_goes_on():
    images, generator = IMAGES.copy(), philox()
    images.setflags(write=False)
    first, second = shifted(images, 2, generator), shifted(images, 2, generator)
    np.testing.assert_array_equal(images, IMAGES)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, shifted(images, 2, philox()))


def test_numpy_integers_are_integers():
    """−1 is 255 in uint8."""
    np.testing.assert_array_equal(shifted(IMAGES, np.uint8(1), philox()), shifted(IMAGES, 1, philox()))


@pytest.mark.parametrize(
    ("images", "most", "generator", "error", "told"),
    [
        (IMAGES[0], 1, philox(), ValueError, r"needs images of shape \(n, height, width\), got \(3, 5\)"),
        (IMAGES[:, None], 1, philox(), ValueError, r"got \(4, 1, 3, 5\); reshape them"),
        (3.0, 1, philox(), ValueError, r"got \(\)"),
        ([["a"]], 1, philox(), TypeError, "needs real numbers, got dtype <U1"),
        (digits(), 1, philox(), TypeError, "needs real numbers, got dtype object"),
        (IMAGES * 1j, 1, philox(), TypeError, "complex64"),
        (IMAGES, -1, philox(), ValueError, "most must be at least 0 .* got -1"),
        (IMAGES, 3, philox(), ValueError, "less than a side of the 3 × 5 images, got 3"),
        (IMAGES.mT, 3, philox(), ValueError, "less than a side of the 5 × 3 images, got 3"),
        (IMAGES[:, :0], 0, philox(), ValueError, "0 × 5 images"),
        (IMAGES, 1.0, philox(), TypeError, "most must be an int, a number of pixels, got 1.0"),
        (IMAGES, True, philox(), TypeError, "got True"),
        (IMAGES, philox(), 1, TypeError, "most must be an int, .* got Generator"),
        (IMAGES, 1, 0, TypeError, r"generator must be a numpy\.random\.Generator, got 0"),
        (IMAGES, 1, None, TypeError, "got None"),
    ],
)
def test_what_cannot_be_shifted(images, most, generator, error, told):
    with pytest.raises(error, match=told):
        shifted(images, most, generator)
