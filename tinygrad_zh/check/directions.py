"""Along which directions the inputs are moved: every element of small inputs, a sample of large ones, and all the
elements together. 检验方向"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tinygrad_zh.check.differences import Array, power_of_two


@dataclass(frozen=True)
class Direction:
    """d in x + t d. parts: for each input that moves, the flat position of one element, or an array like the input."""

    parts: Mapping[int, int | Array]
    words: str = ""

    @property
    def dense(self) -> bool:
        """Whether more than one element moves."""
        return not any(isinstance(part, int) for part in self.parts.values())

    def move(self, points: Sequence[Array], t: complex) -> list[Array]:
        """x + t d, in fresh arrays where something moves."""
        moved = list(points)
        for i, part in self.parts.items():
            if isinstance(part, int):
                moved[i] = points[i].astype(type(t))
                moved[i].flat[part] += t
            else:
                moved[i] = points[i] + t * part
        return moved

    @property
    def count(self) -> int:
        """How many elements move."""
        return sum(1 if isinstance(part, int) else part.size for part in self.parts.values())

    def slope(self, gradients: Sequence[Array]) -> float:
        """Σ g d."""
        total = 0.0
        for i, part in self.parts.items():
            total += gradients[i].item(part) if isinstance(part, int) else float((gradients[i] * part).sum())
        return total

    def size(self, points: Sequence[Array]) -> float:
        """The largest |x| that moves."""
        largest = 0.0
        for i, part in self.parts.items():
            here = abs(points[i].item(part)) if isinstance(part, int) else float(np.abs(points[i]).max())
            largest = max(largest, here)
        return largest

    def first_step(self, points: Sequence[Array], largest: float) -> float:
        """Where a ladder along this direction starts: an eighth, more where x is large, less where many move."""
        return power_of_two(min(0.125 * max(1.0, self.size(points)) ** 0.5, largest) / self.count**0.5)


def elements(gradients: Sequence[Array], limits: int | Sequence[int], rng: np.random.Generator) -> list[list[int]]:
    """Flat positions to check in each input: all of them up to its limit, else half where the claimed gradient is
    largest and half anywhere. limits: one for all inputs, or one an input."""
    chosen = []
    each = [limits] * len(gradients) if isinstance(limits, int) else limits
    for gradient, limit in zip(gradients, each, strict=True):
        n = gradient.size
        if n <= limit:
            chosen.append(list(range(n)))
        else:
            size = np.nan_to_num(np.abs(gradient), nan=np.inf).ravel()
            largest = np.argpartition(size, n - (limit + 1) // 2)[n - (limit + 1) // 2:]
            others = rng.choice(np.delete(np.arange(n), largest), limit // 2, replace=False)
            chosen.append(sorted([*largest.tolist(), *others.tolist()]))
    return chosen


def dense(points: Sequence[Array], usable: Sequence[int], sampled: Collection[int],
          rng: np.random.Generator) -> Iterator[Direction]:
    """Random signs, and all ones where nothing is sampled: of each input, and of all of them at once."""
    signs = {i: np.where(rng.random(points[i].shape) < 0.5, -1.0, 1.0) for i in usable if points[i].size}
    ones = {i: np.ones(points[i].shape) for i in signs if i not in sampled}
    for i in signs:
        if i in ones and points[i].size > 1:
            yield Direction({i: ones[i]}, "ones")
        if points[i].size > 1:
            yield Direction({i: signs[i]}, "signs")
    if len(ones) == len(signs) > 1:
        yield Direction(ones, "all_ones")
    if len(signs) > 1:
        yield Direction(signs, "all_signs")


def joint(points: Sequence[Array], usable: Sequence[int], sampled: Collection[int],
          rng: np.random.Generator) -> list[Direction]:
    """Of the dense directions only those of all inputs at once."""
    return list(dense(points, usable, sampled, rng))[-2:]


def halves(direction: Direction) -> tuple[Direction, Direction]:
    """The direction of one input cut in two, to search for the element that is wrong."""
    ((i, part),) = direction.parts.items()
    moving = np.flatnonzero(part)
    parts = []
    for chosen in (moving[: len(moving) // 2], moving[len(moving) // 2:]):
        half = np.zeros_like(part)
        half.flat[chosen] = np.asarray(part).flat[chosen]
        parts.append(Direction({i: int(chosen[0])} if len(chosen) == 1 else {i: half}, direction.words))
    return parts[0], parts[1]
