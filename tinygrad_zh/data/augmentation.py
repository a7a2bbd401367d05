"""Pictures changed a little and anew each time they are shown, so that a network cannot learn them by heart."""

from __future__ import annotations

import numpy as np


def shifted(images: np.ndarray, most: int, generator: np.random.Generator) -> np.ndarray:
    """y[i, j] = x[i − a, j − b], 0 where that lies outside: each picture moved at random (数据增强：随机平移).

    ``images`` real (n, height, width); returns a new array of that shape and dtype. For each picture ``generator``
    draws a and b from −``most``, …, ``most``, all equally likely. 0 has to be the background, so shift before
    standardising. Document 001 §2.4.3 (F26); Simard, Steinkraus, Platt 2003, "Best practices for convolutional
    neural networks applied to visual document analysis".

    Raises TypeError for what is no real number, a ``most`` that is no integer or a generator that is none;
    ValueError for another number of axes, or a ``most`` below 0 or by which a picture could leave the frame.

    >>> shifted(np.arange(1, 10).reshape(1, 3, 3), 1, np.random.Generator(np.random.Philox(2)))
    array([[[0, 0, 0],
            [0, 1, 2],
            [0, 4, 5]]])
    """
    images = np.asarray(images)
    if images.dtype.kind not in "biuf":
        raise TypeError(f"shifted needs real numbers, got dtype {images.dtype}")
    if images.ndim != 3:
        raise ValueError(f"shifted needs images of shape (n, height, width), got {images.shape}; reshape them")
    if isinstance(most, bool) or not isinstance(most, int | np.integer):
        raise TypeError(f"most must be an int, a number of pixels, got {most!r}")
    most, (n, height, width) = int(most), images.shape  # −most wraps around in unsigned integers
    if not 0 <= most < min(height, width):
        raise ValueError(f"most must be at least 0 and less than a side of the {height} × {width} images, got {most}")
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"generator must be a numpy.random.Generator, got {generator!r}")

    a, b = generator.integers(-most, most, size=(2, n, 1), endpoint=True)
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    rows, columns = most + np.arange(height) - a, most + np.arange(width) - b
    return padded[np.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
