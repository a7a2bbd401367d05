"""A recorded step as a program that runs in few microseconds. 编译好的训练步

    steps     v1 = x0 @ p0 …  |  v9 = Attention(v8, …)  |  v12 = …, p0 ← p0 − η v20
    parts     a compiled function, a call of Python's, another compiled function
    places    every value has its place from the first call on; parameters are updated where they are
    driver    def program(arrays): looks whether all is where it was, and calls one part after the other

Parameters and gradients live in homes. What somebody else holds when a step begins is left to them, and the home is
taken anew: no value changes under the user's eyes. What Python does comes before the last compiled function, which
alone writes into homes: an error, or Ctrl-C, leaves everything as it was.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from contextlib import nullcontext
from operator import is_
from sys import getrefcount
from typing import Any

import numpy as np

from tinygrad_zh.core.mode import MODE, Mode
from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.device import freeze
from tinygrad_zh.program.compiling.recorded import Changed, Recorded
from tinygrad_zh.program.native import can_lower
from tinygrad_zh.program.native.driver import Driver
from tinygrad_zh.program.native.memory import HOMES, Home, aligned
from tinygrad_zh.program.native.parts import Called, Compiled, Parts
from tinygrad_zh.program.native.places import Places
from tinygrad_zh.program.native.steps import Steps
from tinygrad_zh.program.native.trial import again, check
from tinygrad_zh_kernels import buffers
from tinygrad_zh_kernels.blas import one_thread
from tinygrad_zh_kernels.threads import available


def build(recorded: Recorded) -> Program:
    """The program of a recorded run, tried once on what was recorded. 中文：编译一步训练。

    It is called with the arrays of the inputs and gives those of the outputs, frozen; effects included, all or nothing.
    It raises Changed, before anything has changed, where Python looked at a value that is another one now, or the step
    would refuse an input. Raises Unsupported for a step that cannot be compiled, and for one whose compiled results are
    not the recorded ones.
    """
    program = _tried(recorded)
    program.bind([t for t, _ in recorded.leaves], [a for a, _ in recorded.gradients], [a for a, _ in recorded.before])
    buffers.clear()  # of what was tried here much is not needed again
    return program


def _tried(recorded: Recorded) -> Program:
    nudged = again(recorded)  # first, while the program's own memory is not yet taken
    program = Program(recorded)
    check(program, recorded, nudged)
    return program


class Program:
    """A compiled step: program(arrays) → arrays. 中文：编译好的程序。

    compiled: of how many compiled functions; called: the formulas that Python runs between them, and why (a key of the
    catalog). arena: bytes for what is computed on the way; homes: the memory of what the user sees. Of the recorded
    arrays it keeps none.
    """

    def __init__(self, recorded: Recorded) -> None:
        steps = Steps(recorded, can_lower)
        parts = Parts(steps)
        places = Places(parts)
        self.compiled = sum(isinstance(part, Compiled) and bool(part.items) for part in parts)
        self.called = [(part.step.line.function, part.step.reason) for part in parts if isinstance(part, Called)]
        self.arena = places.bytes
        memory, start = aligned(places.bytes)
        self.table = np.zeros(1 + len(places.homes) + 1, np.int64)
        self.table[0] = memory.ctypes.data + start
        self.homes: dict[str, Home] = {}
        self._leaves: dict[str, Tensor] = {}
        self._given: dict[int, Tensor] = {}  # the gradients, by their place among recorded.gradients
        self.names: dict[str, Any] = {
            "table": self.table, "memory": memory, "refs": getrefcount, "seen": (), "count": 0, "Changed": Changed,
            "Tensor": Tensor, "freeze": freeze, "asarray": np.asarray, "contiguous": np.ascontiguousarray,
            "same": _same, "settle": self._settle, "commit": self._commit, "pending": (), "finished": 0,
            "set_mode": MODE.set, "reset_mode": MODE.reset, "mode": Mode(grad=False, kernels=steps.kernels),
            "default_generator": default_generator, "one_thread": one_thread, "available": available,
            "nullcontext": nullcontext,
        }
        for name, offset in places.offsets.items():
            if name in steps.values:
                value = steps.values[name]
                self.names[name] = np.ndarray(value.shape, value.dtype, memory, start + offset)
                self.names[name].setflags(write=False)
        for constant in recorded.constants:
            if isinstance(constant.value, np.ndarray):
                name = recorded.name(constant.value)
                self.names[name] = steps.values[name]
                if name in places.fixed:
                    self.table[places.entry(name)] = steps.values[name].ctypes.data
        self._entries = {home: places.entry(home) for home in places.homes}
        self._kinds = {home: places.kind(places.held_in(home)) for home in places.kept}
        self._stored = {name: home for home, name in places.kept.items() if places.stored.get(name) == home}
        self._names_of_leaves, self._owned, self._borrowed = places.leaves, places.owned, set(places.borrowed)
        self._kinds_of_leaves = [(a.shape, a.dtype) for _, a in recorded.leaves]
        self._gradient_home = places.gradient_home
        self._whole: dict[str, Any] = {}  # copies of borrowed leaves that have gaps in memory
        self.run = Driver(places, self.names).function()

    def __call__(self, arrays: Sequence[Any]) -> list[Any]:
        results: list[Any] = self.run(arrays)
        return results

    def finished(self) -> int:
        """How often it has run to its end, effects included. 中文：完整运行的次数。"""
        count: int = self.names["finished"]
        return count

    # ---- whose arrays it works on

    def bind(self, tensors: Sequence[Tensor], gradients: Sequence[Accumulator], before: Sequence[Accumulator]) -> None:
        """Work on these leaves, and give gradients to these accumulators; the next call looks where they are."""
        self._leaves = dict(zip(self._names_of_leaves, tensors, strict=True))
        self._accumulators = {i: gradients[i] for i in self._gradient_home}
        self.names |= {f"t{i}": t for i, t in enumerate(tensors)}
        self.names |= {f"s{i}": a for i, a in enumerate(gradients)}
        self.names |= {f"b{i}": a for i, a in enumerate(before)}
        self._let_go()
        self.names |= {f"{letter}{i}": None for i in self._gradient_home for letter in "gh"}

    def _settle(self) -> None:
        """Leaves and gradients into homes that no user holds; values stay what they are. Other threads may look at a
        new home while values are copied into it, so it is done until nothing moves.

        Raises Changed for a leaf that is of another shape than in the recorded run, or not on the CPU.
        """
        for _ in range(_PATIENCE):
            before = list(self.homes.values())
            self._settle_once()
            if len(before) == len(self.homes) and all(map(is_, before, self.homes.values())):
                return
        raise Changed

    def _settle_once(self) -> None:
        names = self.names
        names["pending"] = ()
        for t, kind in zip(self._leaves.values(), self._kinds_of_leaves, strict=True):
            if type(t.array) is not np.ndarray or (t.array.shape, t.array.dtype) != kind:
                raise Changed
        self._let_go()
        for i, (leaf, t) in enumerate(self._leaves.items()):
            if leaf in self._owned:
                self._settle_leaf(leaf, t)
                names[f"a{i}"] = t.array
            else:
                names[f"a{i}"] = weakref.ref(t.array)  # other programs count who holds it
                if leaf in self._borrowed:
                    self._whole[leaf] = None if t.array.flags.c_contiguous else t.array.copy()
                    self.table[self._entries[leaf]] = (t.array if self._whole[leaf] is None else
                                                       self._whole[leaf]).ctypes.data
        for name in self._kinds:
            self._settle_gradient(name, [i for i, home in self._gradient_home.items() if home == name])
        names |= {name: self.homes[home].lent for name, home in self._stored.items()}
        names["pending"] = [(a, self._given[i]) for i, a in self._accumulators.items() if a.grad is not self._given[i]]
        names["seen"] = (*(array for home in self.homes.values() for array in (home.seen, home.memory)),
                         *self._given.values())
        for leaf in self._owned:
            self.homes[leaf].users += 1
            self.homes[leaf].programs.add(self)
        self._note_count()

    def _let_go(self) -> None:
        """Hold no array by which a user would be noticed."""
        names = self.names
        names["count"] = None  # until all is settled: Ctrl-C may come before
        if names["seen"]:
            names["seen"] = ()
            for leaf in self._owned:
                self.homes[leaf].users -= 1
        for i, leaf in enumerate(self._leaves):
            names[f"a{i}"] = None if leaf in self._owned else _nowhere

    def __del__(self) -> None:
        self._let_go()
        for leaf in self._owned:
            for other in self.homes[leaf].programs:  # they have counted this one's references
                other.names["count"] = None

    def _settle_leaf(self, leaf: str, t: Tensor) -> None:
        """A leaf that this program updates: where it is, if that is a home, this program's or another one's."""
        home = HOMES.get(id(t.array))
        if home is None or home.held(1):
            home = self._moved_in(leaf, t.array.shape, t.array.dtype)
            home.array[...] = t.array
            t.array = home.seen
        elif home is not self.homes.get(leaf):
            self._move_in(leaf, home)

    def _note_count(self) -> None:
        """How often all that nobody else may hold is referred to. A pending gradient will be by its accumulator."""
        self.names["count"] = sum(map(getrefcount, self.names["seen"]))

    def _settle_gradient(self, name: str, sharing: list[int]) -> None:
        """A home for a gradient that these accumulators share, and the tensors that they will have."""
        for i in sharing:
            self.names[f"g{i}"] = self.names[f"h{i}"] = None
        mine = [i for i in sharing if i in self._given and self._given[i].array is self.homes[name].seen]
        if len(mine) < len(sharing) or any(map(self._is_held, mine)) or self.homes[name].held(len(mine)):
            home = self._moved_in(name, *self._kinds[name])
            self._given |= {i: Tensor(home.seen) for i in sharing}
        for i in sharing:
            self.names[f"g{i}"], self.names[f"h{i}"] = self._given[i], self._given[i].array

    def _is_held(self, i: int) -> bool:
        """Whether anyone but this program and the accumulator refers to a gradient."""
        return getrefcount(self._given[i]) > _IN_A_DICTIONARY + (self._accumulators[i].grad is self._given[i])

    def _moved_in(self, name: str, shape: tuple[int, ...], dtype: Any) -> Home:
        """A new home."""
        home = Home(shape, dtype)
        self._move_in(name, home)
        return home

    def _move_in(self, name: str, home: Home) -> None:
        self.homes[name] = home
        self.table[self._entries[name]] = home.address

    def _commit(self) -> None:
        """The gradients are there: everyone may see them."""
        for accumulator, gradient in self.names["pending"]:
            accumulator.grad = gradient
        self.names["pending"] = ()


_PATIENCE = 9
"""How often a program moves before it leaves a step to Python."""


def _references_in_a_dictionary() -> int:
    """What getrefcount says of a value that a dictionary alone refers to: versions of Python differ."""
    held = {0: np.empty(1)}
    return getrefcount(held[0])


_IN_A_DICTIONARY = _references_in_a_dictionary()


def _nowhere() -> None:
    """In the place of a weak reference to a leaf's array, before the program has looked where that is."""


def _same(a: Any, b: Any) -> bool:
    """Whether Python, which looked at one value, would see the same in the other."""
    return bool(a.tobytes() == b.tobytes())
