"""Backward, and grad: a walk from a loss, whose gradients go to the leaves, or are returned."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.tensor import Accumulator, Tensor, beside
from tinygrad_zh.core.walk import Contribution, Source, add, keep, reachable, walk
from tinygrad_zh.device import freeze


def _root(tensor: Tensor, seed: Any, verb: str) -> Any:
    """The gradient that a backward pass starts from, checked."""
    if tensor.source is None:
        raise RuntimeError(f"{verb}: nothing to differentiate; this tensor of shape {tensor.shape} was not computed "
                           "from one with requires_grad=True (or it was computed under no_grad, or detached)")
    if seed is None:
        if tensor.size != 1:
            raise ValueError(f"{verb} starts from one number, this tensor has shape {tensor.shape}; "
                             "reduce it (sum, mean) or pass the upstream gradient as seed")
        seed = np.ones_like(tensor.array)
        tape = MODE.get().tape
        if tape is not None:
            tape.write("seed", np.ones_like, [tensor.array], {}, (seed,), tensor=tensor)
        return seed
    array = seed.array if isinstance(seed, Tensor) else beside(seed, tensor)
    if array.shape != tensor.shape:
        raise ValueError(f"{verb}: the seed is a gradient of shape {tensor.shape}, like the tensor, not {array.shape}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{verb}: the seed is a gradient, real numbers, not {array.dtype}")
    seed = seed if isinstance(seed, Tensor) and seed.dtype == tensor.dtype else freeze(array.astype(tensor.dtype))
    tape = MODE.get().tape
    if tape is not None:
        array = seed.array if isinstance(seed, Tensor) else seed
        tape.write("seed", keep, [array], {}, (array,), tensor=tensor)
    return seed


def backward_steps(root: Tensor, seed: Any = None, *,
                   retain_graph: bool = False) -> Generator[Contribution, None, None]:
    """`backward` as a generator of contributions. Leaves receive their gradients at the very end: a walk that is
    abandoned changes nothing. 中文：逐步反向传播。"""
    gradient = _root(root, seed, "backward")
    gradient = gradient.array if isinstance(gradient, Tensor) else gradient
    totals: dict[Source, Any] = {}
    for steps in walk({root.source: gradient}, totals, retain_graph=True):  # type: ignore[dict-item]
        for step in steps:
            yield Contribution(*step)
    commit(totals)
    if not retain_graph:
        release(root)


def backward(root: Tensor, seed: Any = None, retain_graph: bool = False) -> None:
    """∂L/∂w of every leaf w below L, added to its `grad`. 中文：反向传播。

    seed: the upstream gradient, needed unless the tensor has one element. After it the graph is released, unless
    retain_graph=True; leaves change only when the whole pass has succeeded.

    Raises RuntimeError where there is nothing to differentiate or the graph is released, ValueError for a
    missing seed or one of another shape. Source: documents 000 §4.2, 002 §4.2 (F05, F18 corrected).
    """
    gradient = _root(root, seed, "backward")
    gradient = gradient.array if isinstance(gradient, Tensor) else gradient
    totals: dict[Source, Any] = {}
    for _ in walk({root.source: gradient}, totals, retain_graph=retain_graph):  # type: ignore[dict-item]
        pass
    commit(totals)


def commit(totals: dict[Source, Any]) -> None:
    """Give the leaves their gradients, all together."""
    tape = MODE.get().tape
    new = []
    for source, total in totals.items():
        if type(source) is not Accumulator:
            continue
        before = source.grad
        after = freeze(total if before is None else add(before.array, total))
        if tape is not None:
            function, arguments = (keep, [total]) if before is None else (add, [before.array, total])
            tape.write("gradient", function, arguments, {}, (after,), source=source)
        new.append((source, Tensor(after)))
    for source, gradient in new:
        source.grad = gradient


def release(root: Tensor) -> None:
    """Let go of what the calls below this tensor kept."""
    for call in reachable([root.source]):  # type: ignore[list-item]
        call.saved = None


def grad(outputs: Tensor | Sequence[Tensor], inputs: Tensor | Sequence[Tensor], grad_outputs: Any = None, *,
         retain_graph: bool | None = None, create_graph: bool = False,
         allow_unused: bool = False) -> tuple[Tensor, ...]:
    """∂(Σ outputs)/∂inputs as a tuple, leaving every `.grad` alone. 中文：求梯度。

    grad_outputs: upstream gradients, needed for outputs of more than one element. create_graph: the gradients
    can be differentiated again. An input that the outputs do not depend on raises RuntimeError, or gives None
    with allow_unused=True.

    >>> import tinygrad_zh as tz
    >>> x = tz.tensor(2.0, requires_grad=True)
    >>> (g,) = tz.grad(x ** 3, x, create_graph=True)
    >>> (h,) = tz.grad(g, x)
    >>> g.item(), h.item()
    (12.0, 12.0)
    """
    outputs, inputs = _tensors("outputs", outputs), _tensors("inputs", inputs)
    seeds = [grad_outputs] if len(outputs) == 1 and not isinstance(grad_outputs, (list, tuple)) else grad_outputs
    seeds = [None] * len(outputs) if seeds is None else list(seeds)
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs need as many grad_outputs, not {len(seeds)}")
    for i, x in enumerate(inputs):
        if x.source is None:
            raise RuntimeError(f"grad: input {i} of shape {x.shape} does not require a gradient")
    roots: dict[Source, Any] = {}
    for y, seed in zip(outputs, seeds, strict=True):
        start = _root(y, seed, "grad")
        start = _as_tensor(start) if create_graph else start.array if isinstance(start, Tensor) else start
        roots[y.source] = roots[y.source] + start if y.source in roots else start  # type: ignore[index]
    totals: dict[Source, Any] = {x.source: None for x in inputs}  # type: ignore[misc]
    retain = create_graph if retain_graph is None else retain_graph
    tape = MODE.get().tape
    if create_graph and tape is not None:
        tape.complete = False
    for _ in walk(roots, totals, create_graph=create_graph, retain_graph=retain):
        pass
    found = [totals[x.source] for x in inputs]  # type: ignore[index]
    for i, g in enumerate(found):
        if g is None and not allow_unused:
            raise RuntimeError(f"grad: the outputs do not depend on input {i} of shape {inputs[i].shape}; "
                               "allow_unused=True gives None for it")
    return tuple([g if g is None else _as_tensor(g) for g in found])  # type: ignore[misc]


def _tensors(role: str, given: Any) -> list[Tensor]:
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    for x in several:
        if not isinstance(x, Tensor):
            raise TypeError(f"grad: the {role} are a tensor or a list of tensors, not {type(x).__name__}")
    return several


def _as_tensor(gradient: Any) -> Tensor:
    return gradient if isinstance(gradient, Tensor) else Tensor(freeze(gradient))


Tensor.backward = backward  # type: ignore[method-assign, assignment]
