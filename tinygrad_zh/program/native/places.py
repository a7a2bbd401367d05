"""Where each value of a program is: in a home that the user sees, or in a piece of the arena. 每个值的位置

An update is written over the old value where no one reads that any more; then an Adam step moves seven numbers for each
parameter and not ten. All others are written to the arena, and copied home in the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_zh.program.compiling.recorded import Unsupported
from tinygrad_zh.program.native import Item
from tinygrad_zh.program.native.memory import Piece, placed
from tinygrad_zh.program.native.parts import Compiled, Parts
from tinygrad_zh.program.native.steps import effects


class Places:
    """homes: what has an address of its own in the table, from entry 1 on: `owned` leaves, which compiled code updates,
    `borrowed` ones, which it reads, `fixed` constants, and `kept`, for gradients, with the names that become them.
    gradient_home: of the positions in recorded.gradients. stored: the home that a name is written into. offsets: of all
    others, in the arena. shared: a name that is written over another one. copies: (home, name), at the end."""

    def __init__(self, parts: Parts) -> None:
        self.parts, self.steps = parts, parts.steps
        recorded = self.steps.recorded
        self.values = self.steps.values
        name = self.steps.name
        self.last = parts[-1]
        assert isinstance(self.last, Compiled)
        self.items = dict(self._numbered())
        self.written: dict[str, int] = {}  # by which item first; others may write the other parts of a name
        self.complete: dict[str, int] = {}
        for i, item in self.items.items():
            for n in item.writes:
                self.written.setdefault(n, i)
                self.complete[n] = i
        self.leaves = [recorded.name(a) for _, a in recorded.leaves]
        self.before = [recorded.name(a) for _, a in recorded.before]
        tensors = {id(t): recorded.name(a) for t, a in recorded.leaves}
        self.assigned = {tensors[id(t)]: name(a) for t, a in recorded.assigned}
        self.gradients = [None if a is None else name(a) for _, a in recorded.gradients]
        self._refuse()
        self.stored: dict[str, str] = {}
        self.shared: dict[str, str] = {}
        self.copies: list[tuple[str, str]] = []
        self._keep_gradients()
        self._update_leaves()
        read = {n for part in parts if isinstance(part, Compiled) for n in part.reads}
        self.owned = {leaf for leaf, n in self.assigned.items() if n in self.written}
        self.borrowed = [leaf for leaf in self.leaves if leaf in read and leaf not in self.owned]
        self.fixed = [n for n in self._constants() if n in read]
        self.homes = [*(leaf for leaf in self.leaves if leaf in self.owned), *self.borrowed, *self.fixed,
                      *self.kept]
        self.offsets, self.bytes = placed(self._pieces())
        self._note_shared()

    def entry(self, name: str) -> int:
        """The place of a home in the table."""
        return 1 + self.homes.index(name)

    def held_in(self, home: str) -> str:
        """A name whose shape and dtype a home has."""
        return self.kept.get(home, home)

    def kind(self, name: str) -> tuple[tuple[int, ...], Any]:
        """Shape and dtype of an array that has a place."""
        if name in self.values:
            return self.values[name].shape, self.values[name].dtype
        return self.items[self.written[name]].kinds[name]

    @staticmethod
    def temporaries(part: Compiled) -> dict[str, tuple[tuple[int, ...], Any]]:
        """The arrays that the items of a part need to work in."""
        return {name: kind for item in part.items for name, kind in item.temporaries.items()}

    def _constants(self) -> list[str]:
        recorded = self.steps.recorded
        return [recorded.name(c.value) for c in recorded.constants if isinstance(c.value, np.ndarray)]

    def _numbered(self) -> Iterator[tuple[int, Item]]:
        for part in self.parts:
            if isinstance(part, Compiled):
                yield from enumerate(part.items, part.first)

    def _refuse(self) -> None:
        """What would need the old value of a leaf after the new one is written."""
        recorded = self.steps.recorded
        updated = set(self.assigned)
        out = [self.steps.name(a) for a in recorded.outputs] + [n for n in self.gradients if n is not None]
        for read in recorded.reads:  # compiled code rounds otherwise: the value would never be the same
            if read.array.dtype.kind == "f" and self.parts.memory_of(self.steps.name(read.array)) in self.written:
                raise Unsupported("compile.why.looked", where=read.where)
        for n in (*out, *self.assigned.values()):
            if n in updated or n in self.parts.views or self.parts.memory_of(n) in updated:
                raise Unsupported("compile.why.old_value")

    # ---- homes

    def _in_the_end(self, name: str) -> bool:
        """Whether a name is written where no error can come after it."""
        return name in self.written and self.written[name] >= self.last.first

    def _keep_gradients(self) -> None:
        """A gradient has a home of its own, the same for two leaves that share one."""
        self.gradient_home: dict[int, str] = {}
        for i, name in enumerate(self.gradients):
            if name is not None and name in self.written and not self.before:
                self.gradient_home[i] = home_of(name)
        names = {name for name in self.gradients if name is not None and home_of(name) in self.gradient_home.values()}
        self.kept = {home_of(name): name for name in sorted(names, key=lambda name: self.written[name])}
        for name in self.kept.values():
            if self._in_the_end(name):
                self.stored[name] = home_of(name)
            else:
                self.copies.append((home_of(name), name))

    def _update_leaves(self) -> None:
        for leaf, name in self.assigned.items():
            if name not in self.written:
                continue
            if name not in self.stored and self._in_the_end(name) and self._may_overwrite(name, leaf):
                self.stored[name] = leaf
                if leaf in self.items[self.written[name]].reads:
                    self.shared[name] = leaf
            else:
                self.copies.append((leaf, name))

    def _may_overwrite(self, name: str, leaf: str) -> bool:
        """Whether the first step that writes `name` is the last to read `leaf`, and reads it only where it writes."""
        at = self.written[name]
        own = self.items[at]
        later = any(leaf in self._memory(item) for i, item in self.items.items() if i > at)
        return not later and (leaf not in self._memory(own) or (name, leaf) in own.in_place)

    def _memory(self, item: Item) -> frozenset[str]:
        """The names whose memory an item reads."""
        return item.reads | set(map(self.parts.memory_of, item.reads))

    # ---- the arena

    def _pieces(self) -> list[Piece]:
        last = self._last_reads()
        pieces = []
        for i, item in self.items.items():
            taken: set[str] = set()
            for name in item.writes:
                if name not in self.stored and self.written[name] == i:
                    over = next((r for w, r in sorted(item.in_place) if w == name and r in self.written
                                 and r not in self.stored and r not in taken and last.get(r) == i), None)
                    taken.add(over or "")
                    end = max(self.complete[name], last.get(name, self.parts.end))
                    pieces.append(Piece(name, _bytes(*self.kind(name)), i, end, over))
        for part in self.parts:
            if isinstance(part, Compiled):
                for name, kind in self.temporaries(part).items():
                    used = [i for i, item in enumerate(part.items, part.first) if name in item.temporaries]
                    pieces.append(Piece(piece(part, name), _bytes(*kind), used[0], used[-1]))
        return pieces

    def _last_reads(self) -> dict[str, int]:
        """The last position at which each name's memory is read; what the program gives is read in the end."""
        last: dict[str, int] = {}
        for i, item in self.items.items():
            last |= dict.fromkeys(self._memory(item), i)
        for part in self.parts:
            if not isinstance(part, Compiled):
                for name in part.reads:
                    memory = self.parts.memory_of(name)
                    last[memory] = max(part.first, last.get(memory, 0))
        end = [self.parts.memory_of(self.steps.name(a)) for a in effects(self.steps.recorded)]
        return last | dict.fromkeys(end, self.parts.end)

    def _note_shared(self) -> None:
        for item in self.items.values():
            for w, r in sorted(item.in_place):
                if w in self.offsets and self.offsets.get(r) == self.offsets[w] and r not in self.stored:
                    self.shared.setdefault(w, r)


def home_of(name: str) -> str:
    """The name of the home of a gradient."""
    return f"{name}_given"


def piece(part: Compiled, name: str) -> str:
    """The name in the arena of an array that a part works in: other parts may use the same name."""
    return f"{part.first}.{name}"


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
