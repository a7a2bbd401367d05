"""The parts of a program: runs of formulas, each one compiled function, and between them what Python does. 分段"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import numpy as np

from tinygrad_zh.program.compiling.recorded import Read
from tinygrad_zh.program.native import Item, lowered
from tinygrad_zh.program.native.steps import Step, Steps, effects, owner


class Compiled:
    """A run of formulas. items: what it executes, in order; first: the position of the first of them in the program."""

    def __init__(self, items: Sequence[Item], first: int) -> None:
        self.items = list(items)
        self.first = first

    @property
    def reads(self) -> set[str]:
        return {name for item in self.items for name in item.reads}

    @property
    def last(self) -> int:
        return self.first + len(self.items)


class Called:
    """A step that Python runs, at a position of its own."""

    def __init__(self, step: Step, position: int) -> None:
        self.step = step
        self.first = self.last = position

    @property
    def reads(self) -> set[str]:
        return set(self.step.reads)


class Looked:
    """Values that the step's Python has looked at: with others it might do something else."""

    def __init__(self, reads: Sequence[Read], names: Iterable[str], position: int) -> None:
        self.looks = reads
        self.reads = set(names)
        self.first = self.last = position


Part = Compiled | Called | Looked


class Parts(list[Part]):
    """A program in parts; the last is compiled, and it alone writes what others see.

    views: the step that a view comes from. turned: of what a call gives, the order of axes in which it has no gaps in
    memory; compiled code takes it in that order, by the name turned(name).
    """

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.views = {step.writes[0]: step for step in steps if step.is_view}
        self.turned: dict[str, tuple[int, ...]] = {}
        self.kin: dict[str, str] = {}  # what a call gives that looks at the memory of what it was given
        self._position = 0
        runs = self._runs()
        read = [self._memory_read(run) for run in runs]
        final = set(map(self.memory_of, map(steps.name, effects(steps.recorded))))
        for i, run in enumerate(runs):
            outside = final.union(*read[:i], *read[i + 1:])
            if isinstance(run, list):
                items = self._items(run, outside)
                self.append(Compiled(items, self._position))
                self._position += len(items)
            else:
                self.append(Called(run, self._position) if isinstance(run, Step) else self._guard())
            self._position += 1
        self.end = self._position

    def memory_of(self, name: str) -> str:
        """What has to be there for a name to be read: of a view, what it looks at."""
        while name in self.views or name in self.kin:
            name = self.views[name].reads[0] if name in self.views else self.kin[name]
        return name

    # ---- runs

    def _runs(self) -> list[list[Step] | Step | None]:
        """Runs of formulas, calls, and None where values are looked at."""
        names = {self.memory_of(self.steps.name(read.array)) for read in self.steps.recorded.reads}
        runs: list[list[Step] | Step | None] = [[]]
        waiting = set(names)
        if waiting and not waiting & {name for step in self.steps for name in step.writes}:
            runs, waiting = [None, []], set()
        for step in self.steps:
            if step.is_view:
                continue
            if step.statements:
                runs[-1].append(step)  # type: ignore[union-attr]
            else:
                self._note_memory(step)
                runs += [step, []]
            if waiting and not (waiting := waiting - set(step.writes) - self._given()):
                runs += [None, []]
        return [run for run in runs[:-1] if run != []] + runs[-1:]

    def _given(self) -> set[str]:
        written = {name for step in self.steps for name in step.writes}
        return set(self.steps.values) - written

    def _note_memory(self, step: Step) -> None:
        """How the results of a call lie in memory."""
        values = self.steps.values
        for name in step.writes:
            order = tuple(sorted(range(values[name].ndim), key=lambda axis: -values[name].strides[axis]))
            if not values[name].flags.c_contiguous:
                self.turned[name] = order
            for read in step.reads:
                if owner(values[name]) is owner(values[read]):
                    self.kin[name] = self.kin[turned(name)] = read

    def _guard(self) -> Looked:
        reads = self.steps.recorded.reads
        return Looked(reads, {self.steps.name(read.array) for read in reads}, self._position)

    def _memory_read(self, run: list[Step] | Step | None) -> set[str]:
        """The memory that a run reads, of what is written before it or in it."""
        if run is None:
            return {self.memory_of(self.steps.name(read.array)) for read in self.steps.recorded.reads}
        return {self.memory_of(name) for step in (run if isinstance(run, list) else [run]) for name in step.reads}

    # ---- one run

    def _items(self, run: list[Step], outside: set[str]) -> list[Item]:
        """A run, and the views that it reads, as items."""
        statements: list[ast.Assign] = []
        known: set[str] = set()
        for step in run:
            for name in step.reads:
                statements += self._seen_from(name, known)
            statements += step.statements
        values = self.steps.helpers | self.steps.values
        values |= {turned(name): values[name].transpose(order) for name, order in self.turned.items()}
        written = {name for step in run for name in step.writes}
        return lowered(statements, values, written & outside)


    def _seen_from(self, name: str, known: set[str]) -> list[ast.Assign]:
        """The statements that make a name out of what is in memory, unless they are there already."""
        if name in known:
            return []
        known.add(name)
        if name in self.views:
            return [*self._seen_from(self.views[name].reads[0], known), *self.views[name].statements]
        if name in self.turned:
            back = tuple(map(int, np.argsort(self.turned[name])))
            return [_assignment(f"{name} = {turned(name)}.transpose({back})")]
        return []


def turned(name: str) -> str:
    """What compiled code calls the memory of a result that lies there with its axes in another order."""
    return f"{name}_turned"


def _assignment(text: str) -> ast.Assign:
    statement = ast.parse(text).body[0]
    assert isinstance(statement, ast.Assign)
    return statement
