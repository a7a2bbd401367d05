"""tz.compile: a step is recorded twice; if both did the same, it is replayed from then on. 编译训练步

    call 1   runs as it is, and is recorded
    call 2   the same; the two are compared: what changed although no line computed it is not the program's to change
    call 3…  the program runs, Python does not; where it does not fit, the step is recorded anew

What a replay cannot see has to be the same as when it was recorded, and is looked at before (guards.py), or while
nothing has changed yet (what Python read, labels in range). Effects come last. So a call does all that the step does,
or raises what the step raises.
"""

from __future__ import annotations

import copy
import sys
import threading
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, update_wrapper
from typing import Any, overload

import numpy as np

from tinygrad_zh.core.dtype import to_array
from tinygrad_zh.core.mode import MODE, Mode
from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tensor import Tensor, tensor
from tinygrad_zh.device import device_of, freeze, is_frozen, on_cuda
from tinygrad_zh.kernels import FORMULAS
from tinygrad_zh.program.compiling.building import Made, build
from tinygrad_zh.program.compiling.comparing import Pending
from tinygrad_zh.program.compiling.entry import MISS, Entry, entry
from tinygrad_zh.program.compiling.explaining import explained
from tinygrad_zh.program.compiling.finding import places
from tinygrad_zh.program.compiling.guards import Place, plain
from tinygrad_zh.program.compiling.heap import give_back
from tinygrad_zh.program.compiling.recorded import Recorded, StepTape, Unsupported, run
from tinygrad_zh.program.compiling.structure import mapped, opened
from tinygrad_zh.program.cuda_graph import CudaGraph, cuda_graph

VARIANTS = 16
"""Programs that are kept: one for each shape, mode and branch; the one that was not used for longest goes."""
TRIES = 5
"""Recordings in a row, of calls of one kind, without a replay in between; then such calls are no longer recorded."""
SHARE = 8
"""Over all, one recording for so many replays, beyond the first few."""


@overload
def compile(step: Callable[..., Any], *, kernels: str = ...) -> Compiled: ...
@overload
def compile(step: None = ..., *, kernels: str = ...) -> Callable[[Callable[..., Any]], Compiled]: ...
def compile(step: Callable[..., Any] | None = None, *, kernels: str = "numba") -> Any:
    """The step as a program: its first two calls record what is computed, from then on that alone is done.
    中文：编译（录制训练步，反复重放）。

        @tz.compile
        def train_step(x, y):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

    step(*inputs): any function of arrays, most often a whole training step; what it returns are tensors, in tuples,
    lists or dicts. Called with arrays, it is given tensors. Any other argument is a constant, and each value of it has
    a program of its own. What a compiled step returns are constants: the graph ends there.

    kernels: "numba" compiles fused loops and runs hand-written kernels, equal to the step to rounding; "formulas"
    replays the formulas, equal to the bit.

    Python does not run in a replay. So print in the step sees the first calls alone, and what is read from a file, a
    clock or os.environ stays what it was. A value that Python reads (float(loss), `if y.sum() > 0`) has to be what it
    was, or the step runs as it is; so has every variable, attribute, element and NumPy array that the step's code
    names. What changes in each call, because the step changes it (list.append, a counter) or Python makes it anew
    (time, np.random), keeps the step from being compiled. `step.explain()` says which of this happened, and where.
    What may change between two calls at no cost: the batch, its shape, parameters by assign or load_state_dict, the
    learning rate, train() and eval(), gradients that are there or not.

    A call is taken whole or not at all: what the step raises is raised, and nothing has changed. On CUDA the result is
    `tz.program.cuda_graph(step)`. Threads take turns. While a tape records, the step runs as it is.

    Raises TypeError for what is no function, and for an argument that is neither data nor a constant; ValueError for
    other kernels.

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor(1.0, requires_grad=True)
    >>> optimizer = tz.optim.SGD([w], lr=0.25)
    >>> @tz.compile(kernels="formulas")
    ... def step(x):
    ...     optimizer.zero_grad()
    ...     loss = (w * x) ** 2
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> [step(tz.tensor(1.0)).item() for _ in range(4)]
    [1.0, 0.25, 0.0625, 0.015625]
    >>> step.calls, step.replays
    (4, 2)
    """
    if step is None:
        return partial(compile, kernels=kernels)
    if not callable(step):
        raise TypeError(f"compile takes a function, the training step, not {type(step).__name__}")
    if kernels not in ("numba", FORMULAS):
        raise ValueError(f'compile: kernels is "numba" or "{FORMULAS}", not {kernels!r}')
    return Compiled(step, kernels)


class Variant:
    """One program, and the calls that it is for."""

    __slots__ = ("arguments", "bounds", "enter", "kind", "lines", "made", "places", "reads", "replays")

    def __init__(self, enter: Entry, kind: Any, made: Made, places: list[Place], arguments: Sequence[Any],
                 recorded: Recorded) -> None:
        self.enter = enter
        self.kind = kind
        self.replays = 0
        self.made = made
        self.places = places
        self.arguments = [f"{x.dtype} {x.shape}" if isinstance(x, np.ndarray) else repr(x)[:60] for x in arguments]
        self.lines = len(recorded.lines)
        self.reads = [read.where for read in recorded.reads]
        self.bounds = len(recorded.bounds)


class Compiled:
    """A step that `tz.compile` made. calls: how often it was called; replays: how often without Python.
    中文：编译后的训练步。"""

    def __init__(self, step: Callable[..., Any], kernels: str) -> None:
        update_wrapper(self, step, updated=())
        self.step = step
        self.kernels = kernels
        self.runs = 0  # of Python
        self.recordings = 0
        self.reasons: dict[Any, Unsupported] = {}  # of each kind of call, why it was not compiled, or anew
        self.variants: list[Variant] = []  # the one used last is the first
        self._dropped = 0  # replays of programs that are gone
        self._pending: dict[Any, Pending] = {}
        self._tries: dict[Any, tuple[int, int]] = {}  # of a kind: recordings in a row, replays before them
        self._tangled: list[Tensor] = []
        self._touched: dict[Any, tuple[list[Tensor], list[np.random.Generator]]] = {}  # by calls of a kind
        self.graph: CudaGraph | None = None  # on CUDA it is this instead of programs
        self._lock = threading.RLock()

    @property
    def replays(self) -> int:
        """How many calls were answered without running Python. 中文：重放次数。"""
        graph = 0 if self.graph is None else self.graph.replays
        return self._dropped + sum(variant.replays for variant in self.variants) + graph

    @property
    def calls(self) -> int:
        """How many calls there were. 中文：调用次数。"""
        return self.runs + self.replays if self.graph is None else self.graph.calls

    def explain(self) -> str:
        """What runs in the step's place, for which calls, and why not, in the language in force. 中文：说明。"""
        with self._lock:
            return explained(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Compiled:
        """The copy of the step, compiled anew: of an object's method it works on the object's copy."""
        return Compiled(copy.deepcopy(self.step, memo), self.kernels)

    def __reduce__(self) -> Any:
        """A decorated function is pickled by its name, as functions are; else the step is, and compiled anew."""
        name = getattr(self.step, "__qualname__", "")
        module = sys.modules.get(getattr(self.step, "__module__", None) or "")
        return name if getattr(module, name, None) is self else (Compiled, (self.step, self.kernels))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *inputs: Any, **keywords: Any) -> Any:
        mode = MODE.get()
        if mode.tape is not None:  # whoever records sees every line
            self.runs += 1
            return mapped(Tensor.detach, self._call((*inputs, *keywords.values()), tuple(keywords))())
        self._lock.acquire()  # in this way it takes half the time that `with` takes
        try:
            names: tuple[str, ...] = ()
            if keywords:
                inputs, names = (*inputs, *keywords.values()), tuple(keywords)
            if self.variants:
                variant = self.variants[0]
                result = variant.enter(inputs, names, mode)
                if result is not MISS:
                    variant.replays += 1
                    return result
            return self._another(inputs, names, mode)
        finally:
            self._lock.release()

    # ---- the other programs

    def _another(self, inputs: tuple[Any, ...], names: tuple[str, ...], mode: Mode) -> Any:
        for variant in self.variants[1:]:
            result = variant.enter(inputs, names, mode)
            if result is not MISS:
                variant.replays += 1
                self._first(variant)
                return result
        if not self.runs and self.graph is None:
            self.graph = self._on_cuda(inputs)
        if self.graph is None:
            return self._as_it_is(inputs, names, mode)
        if names:
            raise TypeError(f"on CUDA the arguments of a compiled step have no names: give {', '.join(names)} by "
                            "position")
        return self.graph(*inputs)

    def _first(self, variant: Variant) -> None:
        self.variants = [variant, *[v for v in self.variants if v is not variant]]
        for old in self.variants[VARIANTS:]:
            self._dropped += old.replays
        del self.variants[VARIANTS:]

    def _on_cuda(self, inputs: tuple[Any, ...]) -> CudaGraph | None:
        """The step as a CUDA graph, if its tensors are on a GPU."""
        found = [p.value.array for p in places(self.step) if isinstance(p.value, Tensor)]
        device = next((device_of(x) for x in (*found, *[getattr(x, "array", x) for x in inputs]) if on_cuda(x)), None)
        return None if device is None else cuda_graph(self.step, device)

    # ---- the step itself

    def _as_it_is(self, inputs: tuple[Any, ...], names: tuple[str, ...], mode: Mode) -> Any:
        arguments, arrays = _arguments(inputs)
        kind = (names, tuple([_kind(x) for x in arrays]), mode.grad, id(mode.kernels))
        if self._worth_recording(kind):
            return self._recorded(inputs, arguments, arrays, names, kind, mode)
        with _whole(*self._touched.get(kind, next(reversed(self._touched.values()), ((), ())))):
            result = mapped(Tensor.detach, self._call(inputs, names)())
        self.runs += 1
        return result

    def _call(self, arguments: Sequence[Any], names: tuple[str, ...]) -> Callable[[], Any]:
        """The step on these arguments, of which the last have names. Data become tensors."""
        given = [tensor(x) if isinstance(x, np.ndarray) else plain(x) for x in arguments]
        first = len(given) - len(names)
        return partial(self.step, *given[:first], **dict(zip(names, given[first:], strict=True)))

    def _worth_recording(self, kind: Any) -> bool:
        """Whether there is hope: neither calls of this kind nor all together have been recorded in vain too often."""
        if self.recordings >= 2 * VARIANTS + self.replays // SHARE:
            self._why(None, Unsupported("compile.why.never_settles", recordings=self.recordings))
            return False
        replays = sum(variant.replays for variant in self.variants if variant.kind == kind)
        tries, before = self._tries.get(kind, (0, 0))
        self._tries[kind] = (1, replays) if replays > before else (tries + 1, before)
        return self._tries[kind][0] <= TRIES

    def _recorded(self, inputs: Sequence[Any], given: Sequence[Any], arguments: Sequence[Any], names: tuple[str, ...],
                  kind: Any, mode: Mode) -> Any:
        """inputs: what the call was given; given: the same with tensors of the step's own; arguments: with arrays."""
        for t in self._tangled:
            t.array = t.array.view()
        self.recordings += 1
        newest = self.variants[:1]
        moved = next((p for v in self.variants if v.kind == kind for p in v.places if not p.same()), None)
        found = places(self.step, [x for x in arguments if not isinstance(x, np.ndarray)])
        why = _not_an_input(inputs, found)
        call = self._call(given if why is None else inputs, names)
        result, tape = run(call, [x for x in arguments if isinstance(x, np.ndarray)])
        changed = next((p.name for p in found if not p.same()), None)
        self.runs += 1
        self._tangled = list({id(t): t for t in (*self._tangled, *tape.tangled)}.values())
        self._touched.pop(kind, None)
        self._touched[kind] = [t for t, _ in tape.met.values()], [g for g, _ in tape.states.values()]
        while len(self._touched) > VARIANTS:
            del self._touched[next(iter(self._touched))]
        try:
            if why is not None:
                raise why
            if changed is not None:
                raise Unsupported("compile.why.changes", name=changed)
            self._consider(result, tape, arguments, names, kind, mode)
        except Unsupported as why:
            self._why(kind, why)
        else:
            if moved is not None:
                self._why(kind, Unsupported("compile.why.place", name=moved.name))
        result = mapped(Tensor.detach, result)
        del tape
        if self.variants[:1] != newest:
            give_back()
        return result

    def _consider(self, result: Any, tape: StepTape, arguments: Sequence[Any], names: tuple[str, ...], kind: Any,
                  mode: Mode) -> None:
        """Make a program of this run, if it did what one before did. Raises Unsupported where that will never be."""
        arrays: list[Any] = []
        structure = opened(result, arrays)
        recorded = Recorded(tape, arrays)
        if tape.tangled:
            return
        now = Pending(recorded, structure, kind)
        before = self._pending.pop(now.key, None) or next(
            (p for p in self._pending.values() if p.key[0] == kind and p.key != now.key), None)
        self._pending[now.key] = now
        while len(self._pending) > VARIANTS:
            del self._pending[next(iter(self._pending))]
        if before is None:
            return
        now.compare(before)
        if tape.drew:
            raise Unsupported("compile.why.random")
        made = build(recorded, self.kernels)
        objects = [*recorded.modules, *[x for x in arguments if not isinstance(x, np.ndarray)]]
        found = places(self.step, objects, recorded)
        enter = entry(made.program, recorded, arguments, names, structure, mode, found,
                      partial(_ended, self.reasons, kind))
        del self._pending[now.key]
        self._first(Variant(enter, kind, made, found, arguments, recorded))

    def _why(self, kind: Any, why: Unsupported) -> None:
        """Remember a reason, the last one for each kind of call."""
        self.reasons.pop(kind, None)
        self.reasons[kind] = why
        for old in list(self.reasons)[:-VARIANTS]:
            del self.reasons[old]


def _ended(reasons: dict[Any, Unsupported], kind: Any, error: Exception) -> None:
    """A replay ended with an error. What keeps the reasons keeps no program alive."""
    reasons[kind] = Unsupported("compile.why.replay", error=f"{type(error).__name__}: {error}")


@contextmanager
def _whole(tensors: Sequence[Tensor], generators: Sequence[np.random.Generator]) -> Iterator[None]:
    """If anything is raised within the block, these leaves, their gradients and generators are as before."""
    before = [(t, t.array, t.grad) for t in tensors]
    states = [(g, g.bit_generator.state) for g in {id(g): g for g in (default_generator(), *generators)}.values()]
    try:
        yield
    except BaseException:
        for t, array, gradient in before:
            t.array = array
            if t.requires_grad:
                t.grad = gradient
        for generator, state in states:
            generator.bit_generator.state = state
        raise


def _arguments(inputs: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """What the step is given, tensors of their own in the place of data; and the same with arrays for tensors."""
    arguments, arrays = [], []
    for i, x in enumerate(inputs):
        if isinstance(x, (Tensor, np.ndarray)):
            array = x.array if isinstance(x, Tensor) else x
            array = array.view() if isinstance(x, Tensor) or _is_data(array) else freeze(to_array(array))
            arguments.append(Tensor(array, None, getattr(x, "name", None)))
            arrays.append(array)
            continue
        x = plain(x)
        if type(x).__hash__ is None:
            raise TypeError(f"compile: argument {i} is a {type(x).__name__}; a compiled step takes arrays, tensors and "
                            "constants: make it an array with np.array(…)")
        arguments.append(x)
        arrays.append(x)
    return arguments, arrays


def _is_data(array: np.ndarray[Any, Any]) -> bool:
    """Whether an array can be a tensor's as it is."""
    return type(array) is np.ndarray and is_frozen(array) and array.dtype.isnative and array.dtype.kind in "fiub"


def _not_an_input(inputs: Iterable[Any], found: Sequence[Place]) -> Unsupported | None:
    """Why one of these tensors cannot be an input of a program: the step would give it a gradient, or may assign to it
    by another name."""
    tensors = [x for x in inputs if type(x) is Tensor]
    if any(x.requires_grad for x in tensors):
        return Unsupported("compile.why.argument_gradient")
    own = {id(place.value): place.name for place in found}
    return next((Unsupported("compile.why.argument_found", name=own[id(x)]) for x in tensors if id(x) in own), None)


def _kind(x: Any) -> Any:
    """What of an argument a program is made for."""
    return (x.shape, x.dtype, x.strides) if isinstance(x, np.ndarray) else (type(x), x)
