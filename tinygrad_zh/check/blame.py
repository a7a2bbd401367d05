"""Whose fault is it? Every op of a recorded pass on its own, at the very numbers of that pass. 找出错的算子

If each op's backward were right at the upstream gradient that it was given, the chain rule would make the whole
gradient right. So where a gradient is wrong one of them is, and the tape has kept what each was given.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from tinygrad_zh.check.checking import check
from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.problem import RaisedError, TensorProblem
from tinygrad_zh.check.report import Failure
from tinygrad_zh.core import Tape, Tensor, record
from tinygrad_zh.core.tape import Line

ELEMENTS = 16  # of each input of an op; dense directions show the others

Layers = Mapping[int, str]
"""id(module) ↦ what to call it."""


def ops_to_blame(problem: TensorProblem, wrong: Collection[str], layers: Layers, seed: int,
                 dtype: np.dtype[Any]) -> list[Failure]:
    """What is wrong with the ops between the inputs whose gradients are `wrong` (all inputs, if none) and the output.

    First each kind of op where it ran last, then all the rest until one fails, both in backward order. Nothing found
    is a finding too: then the fault lies between the ops. dtype: of the inputs, before they were float64.
    """
    tape, arrays = recorded(problem)
    start = {id(x) for name, x in zip(problem.names, arrays, strict=True) if name in wrong or not wrong}
    suspects = list(between(tape, start))[::-1]
    last: dict[Any, tuple[Line, list[int]]] = {}
    for line, slots in suspects:
        last.setdefault(line.info["op"], (line, slots))
    found = [failure for line, slots in last.values() for failure in examined(tape, line, slots, layers, seed, dtype)]
    rest = (failures for line, slots in suspects if last[line.info["op"]][0] is not line
            and (failures := examined(tape, line, slots, layers, seed, dtype)))
    return found or next(rest, [Failure("op", "", "no_op")])


def recorded(problem: TensorProblem) -> tuple[Tape, list[Array]]:
    """One forward and backward pass, and the arrays that the inputs were in it."""
    arrays = [np.array(x) for x in problem.points]
    with record() as tape, suppress(RaisedError):
        outputs, pull = problem.forward(arrays)
        pull([np.ones(y.shape) for y in outputs])
    return tape, arrays


def between(tape: Tape, start: set[int]) -> Iterator[tuple[Line, list[int]]]:
    """The applications of ops that the arrays of these ids lead through, each with the inputs they arrive at."""
    live = set(start)
    backwards = {id(line.info["forward"]) for line in tape.of("backward")}
    raised = {line.info["op"] for line in tape.of("error")}
    for line in tape.of("forward"):
        slots = [i for i, x in enumerate(line.arguments) if id(x) in live]
        if slots:
            live |= {id(y) for y in line.outputs}
            if id(line) in backwards or line.info["op"] in raised:
                yield line, slots


def examined(tape: Tape, line: Line, slots: Sequence[int], layers: Layers, seed: int,
             dtype: np.dtype[Any]) -> list[Failure]:
    """What is wrong with an op at the inputs and the upstream gradient of one line."""
    op = line.info["op"]
    names = [f"{op.inputs[0]}[{i}]" if op.variadic else op.inputs[i] for i in slots]
    problem = TensorProblem(applied(line, slots), [line.arguments[i] for i in slots], op.__name__, names)
    problem.dtypes = [dtype] * len(slots)
    report = check(problem, upstream=upstream_of(tape, line), seed=seed, max_elements=ELEMENTS)
    return [replace(failure, op=op.__name__, layer=layer_of(line, layers)) for failure in report.failures]


def applied(line: Line, slots: Sequence[int]) -> Callable[..., Any]:
    """The op of a line as a function of some of its inputs; the others are what they were, and so are its draws."""

    def function(*moving: Tensor) -> Any:
        arguments = list(line.arguments)
        for i, x in zip(slots, moving, strict=True):
            arguments[i] = x
        return line.info["op"](*arguments, **line.keywords | rewound(line))

    return function


def rewound(line: Line) -> dict[str, np.random.Generator]:
    """The generators that an op drew from, in the state in which it found them."""
    generators = {name: copy.deepcopy(line.keywords[name]) for name in line.info["states"] or {}}
    for name, generator in generators.items():
        generator.bit_generator.state = line.info["states"][name]
    return generators


def upstream_of(tape: Tape, line: Line) -> Any:
    """The upstream gradient that an op's backward was given, one array an output; None where it was given none."""
    op = line.info["op"]
    given: dict[str, Any] = {}
    for backward in tape.of("backward"):
        if backward.info["forward"] is line:
            given |= dict(zip(inspect.signature(backward.function).parameters, backward.arguments, strict=False))
    if op.many:
        upstream = list(given.get(f"d{op.outputs[0]}", ()))
    else:
        upstream = [given.get(f"d{name}", np.zeros(y.shape))
                    for name, y, wanted in zip(op.outputs, line.outputs, op.upstream, strict=False) if wanted]
    return (upstream if len(upstream) > 1 else upstream[0]) if given else None


def layer_of(line: Line, layers: Layers) -> str:
    """The innermost module that has a name, or its class alone; "" outside of all."""
    modules = line.info["modules"][::-1]
    return next((layers[id(m)] for m in modules if id(m) in layers), type(modules[0]).__name__ if modules else "")
