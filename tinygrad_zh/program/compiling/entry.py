"""The way into a program: does it fit this call? 程序的入口

Around a step of some microseconds every look counts. So the questions are written out for one variant, with the answers
as literals, and a call passes through one function:

    [x0, x1] = inputs
    if type(x0) is Tensor: …
    if type(x0) is not ndarray or x0.shape != (32, 784) or …: return MISS
    if k4.cell_contents is not k5 or k6.training is not True or …: return MISS
    [o0] = program([x0, x1])
    return Tensor(o0)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core.mode import Mode
from tinygrad_zh.core.random import default_generator
from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.program.compiling.guards import PLAIN, Place, plain, same
from tinygrad_zh.program.compiling.recorded import Changed, Recorded
from tinygrad_zh.program.compiling.replay import defined
from tinygrad_zh.program.compiling.structure import written

MISS = object()
"""What an entry returns for a call that its program was not made for, or that it could not finish."""
_COMPARED = (*PLAIN, list, tuple, set, frozenset)
"""What may be another object and the same: new numbers of old values."""

Entry = Callable[[tuple[Any, ...], tuple[str, ...], Mode], Any]


def entry(program: Any, recorded: Recorded, arguments: Sequence[Any],
          names: tuple[str, ...], structure: Any, mode: Mode, places: Sequence[Place],
          note: Callable[[Exception], None]) -> Entry:
    """enter(inputs, names, mode) → what the step returns, or MISS.

    program: program(arrays) → arrays, and program.finished(), which counts them.
    arguments: those of the recording, as arrays where they are tensors; names: of the last ones, given as keywords.
    note: is told of an error that ended a replay. The step itself then runs, and raises what there is to raise.
    """
    namespace: dict[str, Any] = {"Tensor": Tensor, "ndarray": np.ndarray, "MISS": MISS, "same": same, "plain": plain,
                                 "program": program, "default_generator": default_generator, "Changed": Changed,
                                 "note": note, "finished": program.finished, "taken": program.finished()}
    serial = itertools.count()

    def bound(x: Any) -> str:
        if x is None or type(x) is bool:
            return repr(x)
        name = f"k{next(serial)}"
        namespace[name] = x
        return name

    body = [
        f"if names != {names!r}: return MISS" if names else "if names: return MISS",
        "try:", f"    [{', '.join(f'x{i}' for i in range(len(arguments)))}] = inputs",
        "except ValueError: return MISS",
        f"if mode is not {bound(mode)}:",
        f"    if mode.kernels is not {bound(mode.kernels)} or mode.grad is not {mode.grad}: return MISS",
    ]
    for i, x in enumerate(arguments):
        body += _argument(f"x{i}", x, bound, [t for t, array in recorded.assigned if _fits(array, x)])
    body += _look(places, bound)
    given = ", ".join(f"x{i}" for i, x in enumerate(arguments) if isinstance(x, np.ndarray))
    taken = ", ".join(f"o{i}" for i in range(len(recorded.outputs)))
    body += _run(f"[{taken}] = program([{given}])", recorded, bound)
    body.append(f"return {written(structure, bound)}")
    text = "def enter(inputs, names, mode):\n    global taken\n" + "".join(f"    {line}\n" for line in body)
    return defined("enter", text, namespace)


def _argument(name: str, x: Any, bound: Callable[[Any], str], assigned: Sequence[Tensor]) -> list[str]:
    """assigned: the leaves that the step assigns to, and that could be given: then both are one."""
    if not isinstance(x, np.ndarray):
        return [f"if {name} is not {bound(x)} and not same(plain({name}), {bound(x)}): return MISS"]
    dtype = bound(x.dtype)
    not_this = " or ".join([f"{name}.source is not None", *[f"{name} is {bound(t)}" for t in assigned]])
    return [
        f"if type({name}) is Tensor:",
        f"    if {not_this}: return MISS",
        f"    {name} = {name}.array",
        f"if type({name}) is not ndarray or {name}.shape != {x.shape} or {name}.strides != {x.strides} "
        f"or ({name}.dtype is not {dtype} and {name}.dtype != {dtype}): return MISS",
    ]


def _fits(array: Any, x: Any) -> bool:
    return isinstance(x, np.ndarray) and (array.shape, array.dtype) == (x.shape, x.dtype)


def _look(places: Sequence[Place], bound: Callable[[Any], str]) -> list[str]:
    """The guards. A variable or an element that is gone is a miss, too."""
    if not places:
        return []
    holders: dict[int, str] = {}
    lines = []
    for place in places:
        holder = holders.setdefault(id(place.holder), "") or bound(place.holder)
        holders[id(place.holder)] = holder
        now, then = f"({place.before}{holder}{place.path})", bound(place.value)
        equal = f" and not same({now}, {then})" if isinstance(place.value, _COMPARED) else ""
        lines.append(f"    if {now} is not {then}{equal}: return MISS")
    return ["try:", *lines, "except (AttributeError, LookupError, ValueError):", "    return MISS"]


def _run(call: str, recorded: Recorded, bound: Callable[[Any], str]) -> list[str]:
    """The call of the program. If it cannot be finished, no generator has drawn. An error that comes when it is
    finished, as Ctrl-C may, is nothing of the program's."""
    drawing = {id(x): x for line in recorded.lines for x in line.keywords.values()
               if isinstance(x, np.random.Generator)}
    sources = ["default_generator()" if x is default_generator() else bound(x) for x in drawing.values()]
    states = [f"state{i} = generator{i}.bit_generator.state" for i in range(len(sources))]
    rewind = [f"    generator{i}.bit_generator.state = state{i}" for i in range(len(sources))]
    return [
        *[f"generator{i} = {source}" for i, source in enumerate(sources)], *states,
        "try:", f"    {call}",
        "except Changed:", *rewind, "    return MISS",
        "except BaseException as error:",
        "    if finished() != taken:", "        taken = finished()", "        raise",
        *rewind, "    if not isinstance(error, Exception): raise", "    note(error)", "    return MISS",
        "taken += 1",
    ]
