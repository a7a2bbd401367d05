"""One run of a training step, as a program that can be repeated. 录制的一步

    inputs, leaves, before  ──lines──▶  outputs, assigned, gradients

Every array of the run is one of these, or a constant: what no line made, and what no tensor held that was there before.
Only a second run can tell whether a constant is one; two runs with the same `signature` did the same.
"""

from __future__ import annotations

import pickle
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tape import ENGINE, Line, Tape, recording
from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.device import noting
from tinygrad_zh.program.compiling.shadows import Shadows, root
from tinygrad_zh.program.living import living

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)

COMPUTES = ("forward", "seed", "backward", "sum_to", "cast", "accumulate", "gradient")
"""The kinds of lines that give new values; the others are effects and remarks."""


class Changed(Exception):
    """What a program was made for does not hold any more. Nothing has changed, but that generators may have drawn."""


class Unsupported(Exception):
    """A step that cannot be replayed. key and values: the sentence of the catalog that says why, and what to do."""

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


class Read(NamedTuple):
    """Python looked at a value: after so many lines, at that place of the user's program."""

    after: int
    array: Any
    where: str


class Bound(NamedTuple):
    """The step has checked that every element of an array, labels or tokens, is in [least, most]."""

    array: Any
    least: float
    most: float


class Constant(NamedTuple):
    """What no line made, and where it is used: a number, or an array that belongs to no input and no leaf."""

    value: Any
    where: str


class Recorded:
    """The program that one run was. Arrays are told apart by identity; `names` has a name for each, by its id.

    lines: what computes, in order; function(*arguments, **keywords) gives the outputs again.
    inputs (x0 …): the arrays of the call's arguments. leaves (p0 …): each tensor that is read or assigned to, and the
    array that it had. before (g0 …): the gradients that were there and are read, by their accumulators.
    constants: what else the lines take; arrays among them are c0 …, and what the lines make is v0 ….
    outputs: the arrays that are returned. assigned: leaves and the arrays that they have become. gradients:
    accumulators and the array that their .grad has become, None where it was taken away.
    states: generators, and their states before the run.
    reads, bounds: what has to hold in a replay. none: ids of the accumulators whose .grad was None before.
    """

    def __init__(self, tape: StepTape, outputs: Sequence[Any]) -> None:
        if tape.problem is not None:
            raise tape.problem
        if not tape.complete:
            raise Unsupported("compile.why.second_derivative")
        self.inputs = tape.inputs
        self.outputs = list(outputs)
        self.reads = tape.reads
        self.states = list(tape.states.values())
        self.modules = list({id(m): m for m in tape.entered}.values())
        self._living = tape.shadows.alive()
        self.lines = [self._resolved(line) for line in tape]
        self.constants: list[Constant] = []
        self.leaves: list[tuple[Tensor, Any]] = []
        self.before: list[tuple[Accumulator, Any]] = []
        self.names: dict[int, str] = {id(x): f"x{i}" for i, x in enumerate(self.inputs)}
        self._tape: StepTape | None = tape
        signature: list[Any] = [self._line(line) for line in self.lines]
        self.assigned = [(t, t.array) for t in tape.assigned.values()]
        order = {id(t.source): i for i, (t, _) in enumerate(self.leaves)}
        changed = [a for a, g in tape.before if a.grad is not g]  # in the collector's order, which is none
        changed.sort(key=lambda a: order.get(id(a), len(order)))
        self.gradients = [(a, None if a.grad is None else a.grad.array) for a in changed]
        for t, _ in self.assigned:  # a leaf, even if it is never read
            if self._name(tape.met[id(t)][1])[0] == "x":
                raise Unsupported("compile.why.assigned_argument")
        signature += [(id(t), self._name(array)) for t, array in self.assigned]
        signature += [(id(a), array is not None and self._name(array)) for a, array in self.gradients]
        signature += [self._name(array) for array in self.outputs]
        signature += [(r.after, self._name(r.array)) for r in self.reads]
        self.signature = (*signature, *(id(t) for t, _ in self.leaves), *(id(a) for a, _ in self.before))
        bounds = [b._replace(array=self._real(b.array)) for b in tape.bounds]
        self.bounds = [b for b in bounds if id(b.array) in self.names]
        self.none = {id(a) for a, g in tape.before if g is None}
        self._tape = None
        self._living = {}

    def name(self, array: Any) -> str:
        """What an array of the run is called in every program that repeats it."""
        return self.names[id(array)]

    def _real(self, x: Any) -> Any:
        """An argument with living arrays in the place of their shadows."""
        if isinstance(x, (tuple, list)):
            return type(x)([self._real(part) for part in x])
        return self._living.get(id(x), x)

    def _resolved(self, line: Line) -> Line:
        keywords = {name: self._real(x) for name, x in line.keywords.items()}
        return Line(line.kind, line.function, self._real(line.arguments), keywords, self._real(line.outputs), line.info)

    def _line(self, line: Line) -> tuple[Any, ...]:
        """A line with names for arrays, and without the constants: two runs that did the same have the same."""
        taken = tuple([self._argument(x, line) for x in (*line.arguments, *line.keywords.values())])
        for array in line.outputs:
            if array is not None:
                self.names.setdefault(id(array), f"v{len(self.names)}")
        given = tuple([x is not None and (self.names[id(x)], x.shape, x.dtype, x.strides) for x in line.outputs])
        return line.function, tuple(line.keywords), taken, given

    def _argument(self, x: Any, line: Line) -> Any:
        """An argument in the signature: an array by its name, a constant by its kind."""
        if isinstance(x, (tuple, list)):
            return tuple([self._argument(part, line) for part in x])
        if isinstance(x, np.random.Generator):
            return "default generator" if x is default_generator() else id(x)
        if hasattr(x, "strides"):
            return self._name(x, line.info["where"])
        self.constants.append(Constant(x, line.info["where"]))
        return type(x)

    def _name(self, array: Any, where: str = "?") -> str:
        """The name of an array. One that no line made belongs to an old gradient, to a leaf, or to nobody."""
        key = id(array)
        if key in self.names:
            return self.names[key]
        assert self._tape is not None
        owner = self._tape.owner(array)
        if isinstance(owner, Accumulator):
            self.names[key] = f"g{len(self.before)}"
            self.before.append((owner, array))
        elif owner is not None:
            self.names[key] = f"p{len(self.leaves)}"
            self.leaves.append((owner, array))
        elif self._tape.derived(array):
            raise Unsupported("compile.why.view", where=where)
        else:
            self.names[key] = f"c{len(self.constants)}"
            self.constants.append(Constant(array, where))
        return self.names[key]


def arrays_of(values: Any) -> Iterator[Any]:
    """The arrays among arguments, those within tuples too."""
    for x in values:
        if isinstance(x, (tuple, list)):
            yield from arrays_of(x)
        elif hasattr(x, "strides"):
            yield x


# ---- one run


class StepTape(Tape):
    """A tape that also notes the tensors and gradients that were there before, and what the step did with them.

    Its lines are those that compute, and they hold shadows: a step that is recorded needs no more memory than before.
    """

    def __init__(self, inputs: Sequence[Any]) -> None:
        super().__init__()
        there = living(Tensor, Accumulator, *_GENERATORS)
        self.inputs = list(inputs)
        self.before = [(a, a.grad) for a in there if type(a) is Accumulator]
        self.met: dict[int, tuple[Tensor, Any]] = {}  # leaves, and the arrays that they had then
        self.assigned: dict[int, Tensor] = {}
        self.entered: list[Any] = []
        self.reads: list[Read] = []
        self.bounds: list[Bound] = []
        self.states: dict[int, tuple[np.random.Generator, Any]] = {}
        self.drew = False  # whether Python itself did
        self._drawn = {id(g): (g, _state_of(g)) for g in there if isinstance(g, _GENERATORS)}  # by nobody but ops
        self.tangled: list[Tensor] = []  # they look at the array of another: which of the two is meant?
        self.problem: Unsupported | None = None
        self.shadows = Shadows(self.inputs)
        self._watched = {id(root(x)) for x in self.inputs}
        self._gradients = {id(g.array): a for a, g in self.before if g is not None}
        own = {id(g) for _, g in self.before if g is not None}
        self._there = {id(t): t for t in there if type(t) is Tensor and t.is_leaf and id(t) not in own}
        self._holders = {id(t.array): (t, t.array) for t in self._there.values()}
        self._owners: dict[int, Tensor] = {}

    def forward(self, op: Any, inputs: Any, arrays: Any, attributes: Any, outputs: Any, before: Any) -> Line:
        for x in inputs:
            if type(x) is Tensor:
                self._meet(x)
        for key, state in before[1].items():
            generator = attributes[key]
            self.states.setdefault(id(generator), (generator, state))
            self.drew |= id(generator) in self._drawn and self._drawn[id(generator)][1] != pickle.dumps(state)
            self._drawn[id(generator)] = generator, _state_of(generator)
        return self.write("forward", op.forward, arrays, attributes, outputs, op=op)

    def write(self, kind: str, function: Any, arguments: Any, keywords: Any, outputs: Any, **info: Any) -> Line:
        hooks = getattr(info.get("source"), "hooks", None) or ([function] if kind == "hook" else [])
        if hooks:
            self.problem = Unsupported("compile.why.hook", name=getattr(hooks[0], "__qualname__", repr(hooks[0])))
        if kind == "enter":
            self.entered.append(info["module"])
        elif kind == "read":
            self._meet(info["tensor"])
            self.reads.append(Read(len(self), arguments[0], _users_place()))
        elif kind == "assign":
            self._meet(info["tensor"])
            if id(info["tensor"]) in self.met:
                self.assigned[id(info["tensor"])] = info["tensor"]
        forward = info.get("forward")
        where = _users_place() if forward is None else forward.info["where"]
        line = Line(kind, function, arguments, keywords, outputs, {"op": info.get("op"), "where": where})
        if kind in COMPUTES:
            line.arguments = self.shadows.of(arguments, self._from_outside)
            line.keywords = {name: self.shadows.of(x, self._from_outside) for name, x in keywords.items()}
            line.outputs = tuple([self.shadows.made(x) for x in outputs])
            self.append(line)
        return line

    def _from_outside(self, array: Any) -> None:
        """What no line made is somebody's, or a constant."""
        if self.owner(array) is not None:
            self._watched.add(id(root(array)))

    def derived(self, array: Any) -> bool:
        """Whether an array that no line made looks at the memory of an input, a leaf, or a result."""
        return id(root(array)) in self._watched or self.shadows.is_part(array)

    def _meet(self, t: Tensor) -> None:
        """Note a leaf that was there before the step, with its array."""
        if id(t) not in self.met and id(t) in self._there:
            self.met[id(t)] = t, t.array
            if self._owners.setdefault(id(t.array), t) is not t or id(t.array) in self._gradients:
                self.tangled.append(t)

    def owner(self, array: Any) -> Tensor | Accumulator | None:
        """Whose array this was before the step."""
        for owners in (self._owners, self._gradients):
            if id(array) in owners:
                return owners[id(array)]
        return self._holders.get(id(array), (None,))[0]

    def note(self, array: Any, least: float, most: float) -> None:
        """The step demands bounds of an array's elements."""
        self.bounds.append(Bound(self.shadows.known(array), least, most))

    def look_at_generators(self) -> None:
        """What Python itself drew, a replay would not."""
        self.drew |= any([state != _state_of(generator) for generator, state in self._drawn.values()])

    def undo(self) -> None:
        """Leaves, gradients and generators are again as they were before the run."""
        for t, array in self.met.values():
            t.array = array
        for a, gradient in self.before:
            a.grad = gradient
        for generator, state in self.states.values():
            generator.bit_generator.state = state


def run(call: Callable[[], Any], inputs: Sequence[Any]) -> tuple[Any, StepTape]:
    """What call() returns, and the tape of it. Whatever it raises passes on, and everything is as before."""
    tape = StepTape(inputs)
    try:
        with recording(tape), noting(tape.note):
            result = call()
    except BaseException:
        tape.undo()
        raise
    tape.look_at_generators()
    return result, tape


def _state_of(generator: Any) -> Any:
    """What a generator will draw; None of one that asks the operating system."""
    if isinstance(generator, np.random.Generator):
        return pickle.dumps(generator.bit_generator.state)
    if isinstance(generator, np.random.RandomState):
        return pickle.dumps(generator.get_state(legacy=False))
    try:
        return generator.getstate()
    except NotImplementedError:
        return None


def _users_place() -> str:
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back
    return "?" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
