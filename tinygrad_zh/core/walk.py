"""The walk: through the calls in reverse, one contribution at a time.

    Ā += Ȳ · ∂Y/∂A      for every op, for every input that needs a gradient

A contribution is one op × input. The engine undoes broadcasting, casts to the tensor's dtype and adds up, each
as a line of its own on the tape; nothing is written in place, since gradients may share memory.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from functools import partial as bound
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core.mode import MODE, Mode, using
from tinygrad_zh.core.op import Call, Partial, again
from tinygrad_zh.core.tensor import Accumulator, Tensor
from tinygrad_zh.device import freeze

Source = Accumulator | tuple[Call, int]


class Contribution(NamedTuple):
    """One step of the chain rule: upstream ⇒ raw ⇒ contribution; before + contribution = after.

    raw is what the formula gave; contribution is raw with broadcasting undone, in the input's dtype. before is
    None for the first contribution to this input. source is the input: an Accumulator or (call, index).
    """

    call: Call
    slot: int
    upstream: list[Any]
    raw: Any
    contribution: Any
    before: Any
    after: Any
    source: Source


# ---- the engine's own three formulas


def sum_to(gradient: Any, shape: tuple[int, ...]) -> Any:
    """Undo a broadcast: sum over the axes that were added, and over those stretched from 1. 中文：对广播的维度求和。"""
    lead = gradient.ndim - len(shape)
    summed = gradient.sum(axis=tuple(range(lead))) if lead else gradient
    stretched = tuple([i for i, n in enumerate(shape) if summed.shape[i] != n])
    return summed.sum(axis=stretched, keepdims=True) if stretched else summed


def cast(gradient: Any, dtype: Any) -> Any:
    """A gradient has its tensor's dtype."""
    return gradient.astype(dtype)


def add(before: Any, contribution: Any) -> Any:
    """Gradients of a value that is used more than once add up. 中文：多次使用时，梯度相加。"""
    return before + contribution


def keep(total: Any) -> Any:
    """A leaf's first gradient is the sum of its contributions."""
    return total


# ---- the walk


def reachable(roots: Iterable[Source]) -> list[Call]:
    """The calls below the roots, latest first: an op uses only what was there before it, so this is topological."""
    seen = {source[0] for source in roots if type(source) is tuple}
    calls = list(seen)
    for call in calls:  # which grows meanwhile
        if call.saved is None:
            raise RuntimeError(
                f"backward was already run through {call.op.__name__}, and what it kept is released; "
                "use backward(retain_graph=True) the first time, or add the losses up and go backward once")
        for source in call.sources:
            if type(source) is tuple and source[0] not in seen:
                seen.add(source[0])
                calls.append(source[0])
    calls.sort(key=attrgetter("serial"), reverse=True)
    return calls


def walk(roots: dict[Source, Any], totals: dict[Source, Any], *, create_graph: bool = False,
         retain_graph: bool = False) -> Generator[list[tuple[Any, ...]], None, None]:
    """Go backward from the roots and their gradients; the contributions of each call are yielded, once they are
    added up, as the fields of a Contribution.

    Ends with the gradient of each leaf in `totals`, and of each result that was a key of it. Nothing else changes.
    With create_graph the formulas run on Tensors, so that the gradients can be differentiated again.
    """
    wanted = frozenset(source for source in totals if type(source) is tuple)
    gradients = dict(roots)
    mode = Mode() if create_graph else MODE.get()
    for call in reachable(roots):
        upstream = _upstream(call, gradients, totals, wanted)
        if upstream is not None:
            if create_graph:
                with using(grad=True, tape=None, kernels=None):  # around each formula, never across a yield
                    steps = _contributions(call, upstream, lift(call), gradients, mode)
            else:
                steps = _contributions(call, upstream, call.saved, gradients, mode)
            yield steps
        if not retain_graph:
            call.saved = None
    for source, gradient in gradients.items():
        if type(source) is Accumulator:
            totals[source] = _hooked(source.hooks, gradient) if source.hooks else gradient


def _upstream(call: Call, gradients: dict[Source, Any], totals: dict[Source, Any],
              wanted: frozenset[Source]) -> list[Any] | None:
    """The complete gradients of a call's outputs, as its backward takes them; None if no output has one."""
    meta = call.meta
    if len(meta) == 1 and call.watches is None and not wanted:
        gradient = gradients.pop((call, 0), None)
        if gradient is None:
            return None
        if type(gradient) is np.ndarray:
            gradient.setflags(False)  # type: ignore[call-arg]
        return [gradient] if not call.op.many else [(gradient,)]
    count = len(meta) if call.op.many else len(call.op.outputs)
    upstream = [gradients.pop((call, i), None) for i in range(count)]
    for i, gradient in enumerate(upstream):
        if gradient is not None:
            upstream[i] = gradient = _observed(call, i, freeze(gradient), totals)
            if (call, i) in wanted:
                totals[call, i] = gradient
    if all(gradient is None for gradient in upstream):
        return None
    like = next(g for g in upstream if g is not None)
    filled = [np.zeros_like(like, shape=meta[i][0], dtype=meta[i][1]) if g is None else g
              for i, g in enumerate(upstream)]
    return [tuple(filled)] if call.op.many else filled


def _observed(call: Call, index: int, gradient: Any, totals: dict[Source, Any]) -> Any:
    watch = call.watches.get(index) if call.watches is not None else None
    if watch is None:
        return gradient
    gradient = _hooked(watch.hooks, gradient)
    if watch.retained is not None:
        totals[watch.retained] = gradient
    return gradient


def _hooked(hooks: Sequence[Any], gradient: Any) -> Any:
    """The gradient after each hook has seen it, and perhaps replaced it."""
    for hook in tuple(hooks):
        seen = gradient if type(gradient) is Tensor else Tensor(freeze(gradient))
        replaced = hook(seen)
        if replaced is None:
            continue
        if not isinstance(replaced, Tensor):
            raise TypeError(f"a gradient hook returns None or a tensor, not {type(replaced).__name__}")
        if replaced.shape != seen.shape:
            raise ValueError(f"a gradient hook was given a gradient of shape {seen.shape} and must return one of that "
                             f"shape, not {replaced.shape}")
        replaced = replaced if replaced.dtype == seen.dtype else replaced.astype(seen.dtype)
        tape = MODE.get().tape
        if tape is not None:
            tape.write("hook", hook, [seen.array], {}, (replaced.array,))
        gradient = replaced if type(gradient) is Tensor else replaced.array
    return gradient


def _contributions(call: Call, upstream: list[Any], saved: list[Any], gradients: dict[Source, Any],
                   mode: Mode) -> list[tuple[Any, ...]]:
    """Run a call's backward formulas and add what they give to the gradients of its inputs."""
    steps = []
    sources, tape, kernels = call.sources, mode.tape, mode.kernels
    for partial in call.plan.partials:
        function, slots, _, run, _, joint = partial
        body = function if kernels is None else kernels.get(function, function)
        try:
            raws = run(body, upstream, saved, call.attributes)
        except Exception as error:
            arguments, keywords = _bound(call, partial, upstream, saved)
            raws = again(call.op, function.__name__, bound(run, body, upstream, saved, call.attributes), arguments,
                         keywords, error, tape)
        if joint:
            raws = _all_of(call, raws, slots)
            pairs: Any = zip(slots, raws, strict=True)
        else:
            raws = raws if type(raws) is np.ndarray else _array(raws)
            pairs = ((slots[0], raws),)
        if tape is not None:
            arguments, keywords = _bound(call, partial, upstream, saved)
            tape.write("backward", function, arguments, keywords, raws if joint else (raws,),
                       op=call.op, slots=slots, forward=call.line)
        for slot, raw in pairs:
            source = sources[slot]
            if source is None:
                continue
            shape, dtype = source[0].meta[source[1]] if type(source) is tuple else source.meta
            if type(raw) is np.ndarray and raw.shape == shape and raw.dtype is dtype:
                contribution = raw
            else:
                contribution = _conform(call, slot, raw, shape, dtype, tape)
            before = gradients.get(source)
            after = contribution
            if before is not None:
                after = before + contribution
                if type(after) is not np.ndarray:
                    after = _array(after)
                if tape is not None:
                    tape.write("accumulate", add, [before, contribution], {}, (after,),
                               op=call.op, slot=slot, forward=call.line)
            gradients[source] = after
            steps.append((call, slot, upstream, raw, contribution, before, after, source))
    return steps


def _bound(call: Call, partial: Partial, upstream: list[Any],
           saved: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments and keywords that a backward formula runs on."""
    return partial.bind(upstream, saved), {name: call.attributes[name] for name in partial.attributes}


def _all_of(call: Call, raws: Any, slots: tuple[int, ...]) -> Any:
    """What a backward for all inputs gave, if it is one partial for each."""
    if type(raws) is not tuple or len(raws) != len(slots):
        given = f"{len(raws)} of them" if type(raws) is tuple else f"a {type(raws).__name__}"
        raise ValueError(f"the backward of {call.op.__name__} returns a tuple of {len(slots)} gradients, one for each "
                         f"of {', '.join(call.op.inputs)}, not {given}")
    return tuple([_array(raw) for raw in raws])


def _array(value: Any) -> Any:
    """NumPy's scalar as the 0-d array that it stands for: formulas and kernels see arrays alone."""
    return np.asarray(value) if isinstance(value, np.generic) else value


def _conform(call: Call, slot: int, raw: Any, shape: tuple[int, ...], dtype: Any, tape: Any) -> Any:
    """The partial with broadcasting undone and in its tensor's dtype."""
    if not hasattr(raw, "dtype") or raw.dtype.kind not in "fiub":
        raise TypeError(f"the backward of {call.op.__name__} gave {getattr(raw, 'dtype', type(raw).__name__)} as the "
                        f"gradient of input {_input(call, slot)} of shape {shape}; "
                        "it returns an array of real numbers of that shape")
    gradient = raw
    if gradient.shape != shape:
        if not _broadcasts(shape, gradient.shape):
            raise ValueError(f"the backward of {call.op.__name__} gave a gradient of shape {gradient.shape} for input "
                             f"{_input(call, slot)} of shape {shape}; it has that shape, or one broadcast from it")
        gradient = _array(sum_to(raw, shape))
        if tape is not None:
            tape.write("sum_to", sum_to, [raw, shape], {}, (gradient,), op=call.op, slot=slot, forward=call.line)
    if gradient.dtype != dtype:
        uncast, gradient = gradient, cast(gradient, dtype)
        if tape is not None:
            tape.write("cast", cast, [uncast, dtype], {}, (gradient,), op=call.op, slot=slot, forward=call.line)
    return gradient


def _input(call: Call, slot: int) -> str:
    return f"{call.op.inputs[0]}[{slot}]" if call.op.variadic else call.op.inputs[slot]


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    tail = to[len(to) - len(shape):]
    return tail == shape or (len(shape) <= len(to) and all(n in (1, m) for n, m in zip(shape, tail, strict=True)))


def lift(call: Call) -> list[Any]:
    """What a call kept, as Tensors: inputs and outputs lead on into the graph they came from.

    A real auxiliary is recomputed by the op's own forward on Tensors, so that its gradient is known too;
    integer and boolean ones are constants.
    """
    plan, op = call.plan, call.op
    inputs = call.saved[len(plan.saved):]
    again: Any = None
    lifted = []
    for (kind, index), value in zip(plan.saved, call.saved, strict=False):
        if kind == "input":
            value = _linked(value, call.sources[index])
        elif kind == "inputs":
            value = tuple(map(_linked, value, call.sources))
        elif kind == "output" and value.dtype.kind == "f":
            if index < len(op.outputs):
                value = Tensor(value, (call, index))
            else:
                if again is None:
                    with using(grad=True, tape=None, kernels=None):
                        again = op.forward(*map(_linked, inputs, call.sources), **call.attributes)
                value = again[index]
        lifted.append(value)
    return lifted


def _linked(value: Any, source: Source | None) -> Any:
    return Tensor(value, source) if source is not None else value
