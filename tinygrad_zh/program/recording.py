"""One run of a function on a tape, after which everything is as it was before. 录制一次运行，之后恢复原状"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import nn
from tinygrad_zh.core import Tensor, tensor, using
from tinygrad_zh.core.tape import ENGINE, Line, Tape, name_of, recording
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.device import on_cuda
from tinygrad_zh.nn import Module
from tinygrad_zh.optim import Optimizer
from tinygrad_zh.program.living import living


class Recording(NamedTuple):
    """What a function did: the lines, what it gave, its arguments by the name of the parameter, what it is called, the
    optimizers that there are, the place in the user's program where it was asked for, in words what it is, and the
    gradients that it ended with."""

    tape: Tape
    result: Any
    arguments: dict[str, Any]
    title: str
    optimizers: tuple[Optimizer, ...] = ()
    asked: tuple[Any, int] | None = None
    about: str = ""
    gradients: Sequence[tuple[Any, Any]] = ()


class Watched(Tape):
    """A tape whose lines also know the calls around them, outermost first: each frame's code and instruction, of the
    user's program and of layers."""

    def forward(self, op: Any, inputs: Any, arrays: Any, attributes: Any, outputs: Any, before: Any) -> Line:
        line = super().forward(op, inputs, arrays, attributes, outputs, before)
        frame: Any = sys._getframe(1)
        calls: list[tuple[CodeType, int]] = []
        numbers = [x for x in arrays if type(x) is float and id(x) not in self.names]
        while frame is not None and frame.f_code is not _run.__code__:
            file = frame.f_code.co_filename
            layer = file.startswith(LAYERS) and frame.f_code is not nn.Module.__call__.__code__
            if layer or not file.startswith(ENGINE):
                calls.append((frame.f_code, frame.f_lasti))
            if numbers and not file.startswith(ENGINE):  # W - alpha * dW
                local = {id(value): name for name, value in reversed(frame.f_locals.items())}
                self.names |= {id(x): local[id(x)] for x in numbers if id(x) in local}
                numbers = []
            if layer:
                self._name(inputs, arrays, frame)
            frame = frame.f_back
        line.info["calls"] = calls[::-1]
        return line

    def _name(self, inputs: Any, arrays: Any, frame: Any) -> None:
        """What a layer calls an array of its own."""
        for x, array in zip(inputs, arrays, strict=True):
            if self.names.get(id(array)) == "":
                self.names[id(array)] = name_of(x, frame)


LAYERS = str(Path(nn.__file__).parent)


def recorded(function: Callable[..., Any], example: Sequence[Any]) -> Recording:
    """Run function(*example) on the formulas, go backward from what it returns unless it did so itself, and put
    parameters, gradients, states and generators back.

    Arrays and lists in the example become tensors. Raises TypeError for what is no function, ValueError for one that
    computes nothing with the engine; what it raises itself passes on.
    """
    if not callable(function):
        raise TypeError(f"unroll takes a function, a loss or a training step, not a {type(function).__name__}")
    arguments = _arguments(function, example)
    there = _everything()
    with kept(there):
        tape, result, gradients = copy_context().run(_run, function, arguments, there)
    if not tape.of("forward"):
        raise ValueError("this function computes nothing with the engine: no op ran; give it tensors, or a model")
    optimizers = tuple(o for o in there if isinstance(o, Optimizer))
    return Recording(tape, result, arguments, name_of_function(function), optimizers, _asked(),
                     gradients=gradients)


def _run(function: Callable[..., Any], arguments: dict[str, Any],
         there: Sequence[Any]) -> tuple[Tape, Any, list[tuple[Any, Any]]]:
    """The function's lines, result and gradients; from a loss that it has not gone backward from, this does."""
    tape = Watched()
    with using(kernels=None, grad=True), recording(tape):
        result = function(*arguments.values())
        root = scalar_of(result)
        if root is not None and root.requires_grad and not tape.of("seed"):
            for accumulator in there:
                if isinstance(accumulator, Accumulator):  # the gradients of this loss alone
                    accumulator.grad = None
            root.backward(retain_graph=True)
    return tape, result, [(a, a.grad.array) for a in there if isinstance(a, Accumulator) and a.grad is not None]


def _asked() -> tuple[Any, int] | None:
    """Code and instruction of the nearest frame outside the engine."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(ENGINE):
        frame = frame.f_back
    return None if frame is None else (frame.f_code, frame.f_lasti)


def scalar_of(result: Any) -> Tensor | None:
    """The loss among what a function returns: the first tensor, if it is one number."""
    first = result[0] if isinstance(result, (tuple, list)) and result else result
    return first if isinstance(first, Tensor) and first.size == 1 and first.dtype.kind == "f" else None


# ---- the example


def name_of_function(function: Callable[..., Any]) -> str:
    """How the function is called: its own name, the class of a model; a lambda is a loss."""
    while isinstance(function, partial):
        function = function.func
    name = getattr(function, "__name__", type(function).__name__)
    return f"{name}()" if name.isidentifier() else "loss"


def _arguments(function: Callable[..., Any], example: Sequence[Any]) -> dict[str, Any]:
    """The example by the names of the parameters; data become tensors."""
    try:
        parameters = inspect.signature(function.forward if isinstance(function, Module) else function).parameters
        positional = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        names = [p.name for p in positional]
    except (TypeError, ValueError):  # built in, without a signature
        names = []
    names += [f"x{i}" for i in range(len(names), len(example))]
    return {name: _tensor(value) for name, value in zip(names, example, strict=False)}


def _tensor(value: Any) -> Any:
    return tensor(value) if isinstance(value, (np.ndarray, list)) or on_cuda(value) else value


# ---- as it was before


@contextmanager
def kept(there: Sequence[Any]) -> Iterator[None]:
    """Whatever a training step changes in the block is undone: values, gradients, generators, modes, rates.

    That is, of every tensor and generator in `there`, and the attributes of modules and optimizers. What the block does
    to other objects of the user's stays.
    """
    tensors = [(t, t.array, t.source, t.name, t.retained) for t in there if type(t) is Tensor]
    gradients = [(a, a.grad, a.hooks, list(a.hooks or ())) for a in there if isinstance(a, Accumulator)]
    generators = [(g, g.bit_generator.state) for g in there if isinstance(g, np.random.Generator)]
    objects = [(o, dict(vars(o))) for o in there if isinstance(o, (Module, Optimizer))]
    try:
        yield
    finally:
        for t, *before in tensors:
            t.array, t.source, t.name, t.retained = before
        for a, gradient, hooks, before_hooks in gradients:
            a.grad, a.hooks = gradient, hooks
            if hooks is not None:
                hooks[:] = before_hooks
        for g, state in generators:
            g.bit_generator.state = state
        for o, attributes in objects:
            vars(o).clear()
            vars(o).update(attributes)


def _everything() -> list[Any]:
    """All that a training step may change, and the optimizers."""
    return living(Tensor, Accumulator, np.random.Generator, Module, Optimizer)
