"""The digits that ship with the package, and pictures with labels."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from tinygrad_zh.data import Images, clothes, digits


def test_digits_are_the_ones_that_were_packed():
    images = digits()
    assert images.pixels.shape == (5000, 28, 28) and images.pixels.dtype == np.uint8
    assert images.labels.shape == (5000,) and images.labels.dtype == np.int64
    assert (
        hashlib.sha256(images.pixels.tobytes()).hexdigest()
        == "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f"
    )
    np.testing.assert_array_equal(images.labels, np.repeat(np.arange(10), 500))  # sorted by class


def test_clothes_are_the_ones_that_were_packed():
    for images, count, pixels in zip(
        clothes(),
        (400, 100),
        (
            "b69184138f80f1c95f89c980b62699491b298e341bf7c2310b22a0387185fbec",
            "87a8c47fe141ad7de61e1517e5478a1e5dfefafa9a8b3a34b8f39e1d92c4ad0d",
        ),
        strict=True,
    ):
        assert images.pixels.shape == (10 * count, 28, 28)
        assert hashlib.sha256(images.pixels.tobytes()).hexdigest() == pixels
        np.testing.assert_array_equal(images.labels, np.repeat(np.arange(10), count))  # sorted by class


def test_digits_can_be_told_apart():
    """The nearest class mean gets about 4 of 5 right: the pictures and the labels belong together."""
    images = digits()
    pixels = images.pixels.reshape(5000, -1).astype(float)
    means = np.stack([pixels[images.labels == k].mean(axis=0) for k in range(10)])
    nearest = ((means**2).sum(axis=1) - 2 * pixels @ means.T).argmin(axis=1)
    assert 0.75 < (nearest == images.labels).mean() < 0.9


def test_digits_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        digits().pixels[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        digits().labels[0] = 0


def test_the_licence_lies_beside_the_data():
    folder = files("tinygrad_zh.data") / "files"
    notice = (folder / "DIGITS.md").read_text(encoding="utf-8")
    for words in ("Attribution-ShareAlike 3.0", "Yann LeCun", "Corinna Cortes", "Sebastian Raschka"):
        assert words in notice
    assert "2017 Zalando SE" in (folder / "CLOTHES.md").read_text(encoding="utf-8")
    assert "De Cock" in (folder / "HOUSES.md").read_text(encoding="utf-8")
    assert sum(len(path.read_bytes()) for path in folder.iterdir()) < 3_200_000


PIXELS = np.zeros((3, 2, 2), np.uint8)
LABELS = np.zeros(3, np.int64)


@pytest.mark.parametrize(
    ("pixels", "labels", "error", "told"),
    [
        (PIXELS, LABELS[:2], ValueError, r"different length: \(3, 2, 2\), \(2,\)"),
        (PIXELS[:0], LABELS[:0], ValueError, "empty"),
        (PIXELS[0], LABELS, ValueError, r"pixels must have 3 axes, got shape \(2, 2\)"),
        (PIXELS, LABELS[:, None], ValueError, r"labels must have 1 axes, got shape \(3, 1\)"),
        (PIXELS.astype(float), LABELS, TypeError, "pixels must be uint8, got float64"),
        (PIXELS, LABELS.astype(float), TypeError, "labels must be int64, got float64"),
        (PIXELS, LABELS.astype(">i8"), TypeError, "labels must be int64, got >i8"),
    ],
)
def test_bad_images(pixels, labels, error, told):
    with pytest.raises(error, match=told):
        Images(pixels, labels)


def test_images_are_frozen_and_have_a_length():
    images = Images(PIXELS, LABELS)
    assert len(images) == 3
    with pytest.raises(AttributeError):
        images.labels = LABELS
