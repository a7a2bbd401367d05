"""Which steps share a loop nest, so that values stay in registers between them. 循环融合

    for i in rows:                           scalars first, then rows, each with some passes over its numbers:
        m = max x[i, j] over j               pass 0
        s = Σ_j exp(x[i, j] − m)             pass 1
        y[i, j] = exp(x[i, j] − m) / s       pass 2
    L = Σ_i …                                totals last

A nest runs over all indices of one space, cut into rows of `width` numbers where it reduces them. A step joins a nest
if what it reads of that nest is there when it is read: the number at the same index, or one of its row. A sum over all
rows is complete when the nest has ended, so that what reads it begins a new one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinygrad_zh.program.lowering import (
    Element,
    Looped,
    Pointwise,
    Product,
    Reduction,
    Step,
    read_by,
)
from tinygrad_zh.program.lowering.expressions import (
    Number,
    Shape,
    c_strides,
    cuts,
    refined,
    spread_over,
    squeezed,
)
from tinygrad_zh.program.native.products import Multiplication, joined

SCALAR, ROW, FULL = 0, 1, 2
"""Levels: once a nest, once a row, once an index. What comes after the loops reads totals."""

MOST = 24
"""Arrays in a nest; with more, each streams from memory the slower."""


@dataclass
class Member:
    """A step in a nest. level: how often its value is computed. goes: "each" value is kept at its index; "row" and
    "total" are reductions of a row and of everything; "onto" adds to what is in memory. after: it reads totals."""

    step: Any
    level: int
    goes: str
    after: bool = False

    @property
    def readable(self) -> bool:
        return self.goes in ("each", "row") and getattr(self.step, "place", None) is None

    @property
    def result_level(self) -> int:
        return ROW if self.goes == "row" else self.level


@dataclass
class Nest:
    """Steps that run in one loop nest over `total` indices, in rows of `width`, if there are rows."""

    total: int
    cuts: frozenset[int]
    width: int | None = None
    members: list[Member] = field(default_factory=list)
    writers: dict[str, Member] = field(default_factory=dict)
    reads: set[str] = field(default_factory=set)
    arrays: set[str] = field(default_factory=set)  # all that it reads or writes, but for single numbers

    def copy(self) -> Nest:
        return Nest(self.total, self.cuts, self.width, self.members, dict(self.writers), set(self.reads),
                    set(self.arrays))

    def join(self, step: Looped) -> bool:
        """Take a step in, if it can run here."""
        writers = self.writers
        if step.name in writers or len(self.arrays) >= MOST:
            return False
        space = step.value.shape
        size, reads = math.prod(space), [e for e in read_by(step) if e.name in writers]
        member: Member | None
        nest = self.copy()
        if size == 1 and isinstance(step, Pointwise):
            after = any(writers[e.name].goes == "total" or writers[e.name].after for e in reads)
            member = Member(step, SCALAR, "each", after)
        elif size == self.total:
            member = nest._at_full_level(step)
        elif self.width is not None and size * self.width == self.total:
            member = nest._at_row_level(step)
        elif reads and size > self.total and size % self.total == 0 and self.width is None and nest._widen(size):
            member = nest._at_full_level(step)
        else:
            return False
        if member is None or not all(nest.available(e, member) for e in reads):
            return False
        self.total, self.cuts, self.width = nest.total, nest.cuts, nest.width
        self.members = [*nest.members, member]
        self.writers = {m.step.name: m for m in self.members}
        self.reads |= {e.name for e in read_by(step)}
        self.arrays |= arrays_of(step)
        return True

    def _at_full_level(self, step: Looped) -> Member | None:
        space = step.value.shape
        if refined(self.cuts, cuts(space)) is None:
            return None
        self.cuts |= cuts(space)
        if not isinstance(step, Reduction):
            return Member(step, FULL, "each" if isinstance(step, Pointwise) else "onto")
        reduced = [i for i in step.axes if space[i] > 1]
        if all(n == 1 for n in step.shape):
            return Member(step, FULL, "total")
        first = reduced[0]
        width = math.prod(space[first:])
        if all(i in reduced for i in range(first, len(space)) if space[i] > 1):
            if self.width in (None, width):
                self.width = width
                return Member(step, FULL, "row")
            return None
        return Member(step, FULL, "onto")

    def _at_row_level(self, step: Looped) -> Member | None:
        space, width = step.value.shape, self.width or 1
        row_cuts = frozenset(c * width for c in cuts(space))
        if refined(self.cuts, row_cuts) is None:
            return None
        self.cuts |= row_cuts
        if not isinstance(step, Reduction):
            return Member(step, ROW, "each" if isinstance(step, Pointwise) else "onto")
        return Member(step, ROW, "total" if all(n == 1 for n in step.shape) else "onto")

    def _widen(self, total: int) -> bool:
        """What was an index becomes a row of a larger space; scalars stay what they are."""
        if any(m.goes == "total" for m in self.members) and self.total == 1:
            return False
        width = total // self.total
        if self.total > 1:
            self.width = width
            self.cuts = frozenset(c * width for c in self.cuts) | {1}
            self.members = [Member(m.step, min(m.level, ROW), m.goes, m.after) for m in self.members]
        else:
            self.cuts = frozenset({total, 1})
        self.total = total
        return True

    def available(self, read: Element, member: Member) -> bool:
        """Whether what a member reads of this nest is there in time: the same index, its row's, or a scalar."""
        writer = self.writers[read.name]
        if member.after:
            return writer.level == SCALAR or writer.goes == "total"
        if not writer.readable or writer.after or read.place.gathers or read.place.offset:
            return False
        level = writer.result_level
        if level > member.level:
            return False
        return self.strides(read, member.level) == self.canonical(level)

    # ---- the axes

    @property
    def parts(self) -> Shape:
        """The axes of the space, as finely cut as any member has it."""
        extra = frozenset() if self.width is None else frozenset({self.width})
        parts = refined(self.cuts, extra)
        assert parts is not None
        return parts

    @property
    def row_axes(self) -> int:
        """How many of the axes say which row."""
        if self.width is None:
            return 0
        product, count = 1, 0
        while product * self.width < self.total:
            product *= self.parts[count]
            count += 1
        return count

    def strides(self, read: Any, level: int) -> Shape:
        """The strides of something with a shape and a place, over all axes, for a value of a level."""
        return self.spread(read.shape, read.place.strides, level)

    def spread(self, shape: Shape, strides: Shape, level: int) -> Shape:
        parts = self.parts
        if level == SCALAR:
            return (0,) * len(parts)
        if level == FULL:
            return spread_over(parts, shape, strides)
        rows = parts[: self.row_axes]
        return spread_over(rows, shape, strides) + (0,) * (len(parts) - len(rows))

    def canonical(self, level: int) -> Shape:
        """The strides of an array that has one number for each index, or for each row, in the order of memory."""
        parts = self.parts
        axes = {SCALAR: 0, ROW: self.row_axes, FULL: len(parts)}[level]
        return c_strides(parts[:axes]) + (0,) * (len(parts) - axes)


# ---- which nest a step goes into

NEAR = 16
"""So many groups back a step, or a nest, looks for one that it could join: what belongs together is close by."""


def grouped(steps: Sequence[Step]) -> list[Nest | Multiplication]:
    """Nests and products that compute these steps, in an order in which all is there when it is read."""
    groups: list[Nest | Multiplication] = []
    writer: dict[str, int] = {}
    for step in steps:
        place = len(groups)
        if isinstance(step, (Multiplication, Product)):
            groups.append(step)  # type: ignore[arg-type]
        else:
            first = max((writer.get(name, 0) for name in (step.name, *(e.name for e in read_by(step)))), default=0)
            nearby = [first, *range(max(first + 1, place - NEAR), place)]
            arrays = arrays_of(step) | {e.name for e in read_by(step) if writer.get(e.name) == first}
            for i in nearby:
                group = groups[i] if i < place else None
                if isinstance(group, Nest) and arrays & (group.arrays | set(group.writers)) and group.join(step):
                    place = i
                    break
            else:
                groups.append(begun(step))
        writer[step.name] = place
    return together(groups)


def together(groups: list[Nest | Multiplication]) -> list[Nest | Multiplication]:
    """The same groups, of which two nests with an array in common are one, where one of them may wait for all that is
    between them, or come before it."""
    j = 0
    while j < len(groups):
        j = merged(groups, j) if isinstance(groups[j], Nest) else j + 1
    return groups


def merged(groups: list[Nest | Multiplication], j: int) -> int:
    """Make one nest of the j-th group and one before it, if that can be done. Where to go on: there, else j + 1."""
    later = groups[j]
    assert isinstance(later, Nest)
    for i in range(max(0, j - NEAR), j):
        earlier, between = groups[i], groups[i + 1 : j]
        if not isinstance(earlier, Nest) or not earlier.arrays & later.arrays:
            continue
        up = not any(written(g) & (later.reads | written(later)) for g in between)
        down = not any((reads_of(g) | written(g)) & written(earlier) for g in between)
        both = earlier.copy()
        if (up or down) and all(both.join(m.step) for m in later.members):
            groups[i : j + 1] = [both, *between] if up else [*between, both]
            return i if up else j - 1
    return j + 1


def arrays_of(step: Looped) -> set[str]:
    """What a step reads and writes, but for single numbers: learning rates, say, that many have in common."""
    own = {step.name} if math.prod(step.shape) > 1 else set()
    return own | {e.name for e in read_by(step) if e.place.gathers or any(squeezed(e.shape, e.place.strides)[1])}


def reads_of(group: Nest | Multiplication) -> set[str]:
    return group.reads - set(group.writers) if isinstance(group, Nest) else {group.a.name, group.b.name}


def written(group: Nest | Multiplication) -> set[str]:
    return set(group.writers) if isinstance(group, Nest) else {group.name}


def begun(step: Looped) -> Nest:
    """A nest that begins with a step."""
    space = step.value.shape
    nest = Nest(math.prod(space), cuts(space))
    if not nest.join(step):
        raise AssertionError(f"no nest for {step}")
    return nest


# ---- before that


def needed(steps: Sequence[Step], wanted: set[str]) -> list[Step]:
    """The steps that the wanted names depend on."""
    kept: list[Step] = []
    used = set(wanted)
    for step in reversed(steps):
        if step.name in used:
            kept.append(step)
            used |= {e.name for e in read_by(step)}
    return kept[::-1]


def simplified(steps: Sequence[Step]) -> Iterator[Step]:
    """Steps over no index at all, without their loops: an empty sum is 0, an empty product 1."""
    for step in steps:
        if isinstance(step, Product):
            space, neutral = (*step.shape, step.a.shape[-1]), 0
        else:
            space, neutral = step.value.shape, int(isinstance(step, Reduction) and step.kind == "multiply")
        if math.prod(space):
            yield step
        elif math.prod(step.shape) and not (isinstance(step, Pointwise) and step.place is not None):
            number = Number(step.shape, step.dtype, np.dtype(step.dtype).type(neutral).item())
            yield Pointwise(step.name, step.shape, step.dtype, number)


def planned(steps: Sequence[Step], wanted: set[str]) -> list[Nest | Multiplication]:
    """The nests and products that compute the wanted names of these steps."""
    return grouped(joined(list(simplified(needed(steps, wanted))), wanted))
