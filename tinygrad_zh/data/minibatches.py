"""A data set in portions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_zh.data.lengths import common_length


class Minibatches:
    """Tuples of ``batch_size`` rows of each array (小批量), each row once an epoch; ``len()`` counts them.

    Every batch is a contiguous copy. With ``shuffle``, each ``iter()`` draws one permutation from
    ``generator`` (default Philox(0), so the same batches every time); otherwise rows keep their order. The
    last batch holds what is left, down to one sample, unless ``drop_last``.

    Raises ValueError for arrays that are empty or of different length, a batch size below 1, or a
    ``drop_last`` that would drop everything; TypeError for a batch size that is not an integer.

    >>> x, y = np.arange(10.0).reshape(5, 2), np.arange(5)
    >>> for x_batch, y_batch in Minibatches(x, y, batch_size=2, shuffle=False):
    ...     print(x_batch.shape, y_batch)
    (2, 2) [0 1]
    (2, 2) [2 3]
    (1, 2) [4]
    """

    def __init__(
        self,
        *arrays: np.ndarray,
        batch_size: int,
        shuffle: bool = True,
        generator: np.random.Generator | None = None,
        drop_last: bool = False,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer):
            raise TypeError(f"batch_size must be an int, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size}")
        self.arrays = tuple(np.asarray(array) for array in arrays)
        self.samples = common_length(self.arrays)
        if drop_last and self.samples < batch_size:
            raise ValueError(
                f"drop_last leaves nothing of {self.samples} samples with batch_size={batch_size}"
            )
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.generator = np.random.Generator(np.random.Philox(0)) if generator is None else generator
        self.drop_last = drop_last

    def __len__(self) -> int:
        rounded_down, left = divmod(self.samples, self.batch_size)
        return rounded_down + (left > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[tuple[np.ndarray, ...]]:
        order = self.generator.permutation(self.samples) if self.shuffle else np.arange(self.samples)
        # A generator of its own, so that the draw is made by iter() and not at the first use.
        return self._batches(order)

    def _batches(self, order: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            rows = order[start : start + self.batch_size]
            yield tuple(np.ascontiguousarray(array[rows]) for array in self.arrays)
