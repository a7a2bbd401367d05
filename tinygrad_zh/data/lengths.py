"""Arrays that belong together have one row a sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def common_length(arrays: Sequence[np.ndarray]) -> int:
    """The number of samples n of arrays of shapes (n, …); ValueError when they differ or there are none."""
    if not arrays:
        raise ValueError("no arrays were given; pass at least one of shape (n, ...)")
    if any(array.ndim == 0 for array in arrays):
        raise ValueError("a 0-d array has no samples; pass arrays of shape (n, ...)")
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"arrays of different length: {', '.join(str(array.shape) for array in arrays)}")
    if len(arrays[0]) == 0:
        raise ValueError("the data set is empty; pass at least one sample")
    return len(arrays[0])
