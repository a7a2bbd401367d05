"""What is checked: a function at a point, and the gradient it claims there.

All kinds look alike to the checker. `points` are the inputs that are differentiated, in float64; `forward(points)`
runs f and returns its outputs and a `pull`: upstream gradients ↦ the claimed gradients of all inputs.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np

from tinygrad_zh import core
from tinygrad_zh.check.differences import Array
from tinygrad_zh.check.repeatable import Repeatable
from tinygrad_zh.check.special import repeated
from tinygrad_zh.core import Op, Tensor
from tinygrad_zh.core.mode import using
from tinygrad_zh.core.tensor import leaf


class RaisedError(Exception):
    """A backward raised `error`, which is a finding and not the checker's own failure."""

    def __init__(self, error: Exception):
        super().__init__(str(error))
        self.error = error


Pull = Callable[[Sequence[Array]], list[Any]]


def largest(arrays: Sequence[Array]) -> float:
    """The largest finite |value| of all."""
    return max((float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in arrays), default=0.0)


class Problem:
    """A function f, a point, and the gradient claimed there. dtypes are what the user gave, before float64."""

    title: str
    names: list[str]
    points: list[Array]
    dtypes: list[np.dtype[Any]]
    fixed = False  # whether the claim is for one upstream gradient only
    scale = 0.0  # of what may cancel inside f, beyond the size of its outputs
    analytic = True  # as far as is known, so that complex steps measure slopes
    tolerance = 0.0  # relative, where the claimed gradient itself is of low precision

    @property
    def given(self) -> list[Array]:
        """Those of the points that are the user's inputs."""
        return self.points

    @property
    def indices(self) -> list[Array]:
        """The integer constants."""
        return []

    def at(self, inputs: Sequence[Array]) -> Self:
        """The same problem with other inputs."""
        other = copy.copy(self)
        other.points = [np.asarray(x) for x in inputs]
        return other

    def with_repeats(self) -> Self | None:
        """The same problem with integer constants whose entries are all equal; None if they are so already."""
        return None

    def forward(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        """The outputs of f, and the claimed gradients as a function of the upstream gradients."""
        raise NotImplementedError

    def value(self, points: Sequence[Array]) -> list[Array]:
        """The outputs of f alone, in a mode without gradients."""
        raise NotImplementedError


# ---- functions of tensors


class TensorProblem(Problem):
    """A function of tensors, or an op, whose gradient is the engine's backward pass.

    inputs: arrays; the floating ones are differentiated, the others are constants.
    """

    def __init__(self, function: Callable[..., Any], inputs: Sequence[Array], title: str, names: Sequence[str]):
        self.title = title
        self.function = Repeatable(function)
        self.constants = [None if x.dtype.kind == "f" else leaf(x.copy()) for x in inputs]
        self.names = [name for name, x in zip(names, inputs, strict=True) if x.dtype.kind == "f"]
        self.points = [x.astype(np.float64) for x in inputs if x.dtype.kind == "f"]
        self.dtypes = [x.dtype for x in inputs if x.dtype.kind == "f"]
        self.differentiated: list[int] | None = None

    @property
    def indices(self) -> list[Array]:
        return [c.array for c in self.constants if c is not None and c.dtype.kind in "iu"]

    def with_repeats(self) -> Self | None:
        constants = repeated([None if c is None else c.array for c in self.constants], self.points)
        if constants is None:
            return None
        other = copy.copy(self)
        other.constants = [None if c is None else leaf(c) for c in constants]
        return other

    def outputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        """The floating outputs without those that are constants by design, as batch norm's running statistics."""
        given = iter(leaves)
        result = self.function(*(next(given) if c is None else c for c in self.constants))
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for y in outputs:
            if not isinstance(y, Tensor):
                raise TypeError(f"gradcheck: {self.title} must return a tensor or a tuple of tensors, not "
                                f"{type(y).__name__}; for a plain NumPy function pass its gradient as grad=")
        floating = [y for y in outputs if y.dtype.kind in "fc"]
        if not floating:
            raise TypeError(f"gradcheck: {self.title} returns {outputs[0].dtype if outputs else 'nothing'}; only a "
                            "function with a floating output has a gradient")
        if self.differentiated is None:
            reached = [i for i, y in enumerate(floating) if y.requires_grad]
            self.differentiated = reached or list(range(len(floating)))
        return [floating[i] for i in self.differentiated]

    def forward(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        with using(grad=True, kernels=None):
            leaves = [leaf(x, True) for x in points]
            try:
                outputs = self.outputs(leaves)
            except ValueError as error:
                if "read-only" in str(error):
                    raise RaisedError(error) from error
                raise

        def pull(upstream: Sequence[Array]) -> list[Any]:
            with using(grad=True, kernels=None):
                try:
                    return [g.array for g in gradients(outputs, leaves, [Tensor(u) for u in upstream])]
                except Exception as error:
                    raise RaisedError(error) from error

        return [y.array for y in outputs], pull

    def value(self, points: Sequence[Array]) -> list[Array]:
        return [y.array for y in self.outputs([Tensor(x) for x in points])]


class SecondOrder(TensorProblem):
    """The gradient of a function of tensors as a function of the inputs and of the upstream gradients.

    Its values are first backward passes as always; its own gradient is the backward pass of that pass.
    """

    def __init__(self, first: TensorProblem, outputs: Sequence[Array], upstream: Sequence[Array]):
        self.first = first
        self.scale = largest(outputs) * largest(upstream) / max(1.0, largest(first.points))  # 1 − y² has tails
        self.title = first.title
        self.upstream = upstream
        self.points = [*first.points, *(np.array(u) for u in upstream)]
        self.names = [*first.names, *(f"dy{i}" if len(upstream) > 1 else "dy" for i in range(len(upstream)))]
        self.dtypes = [np.dtype(np.float64)] * len(self.points)

    @property
    def given(self) -> list[Array]:
        return self.first.points

    @property
    def indices(self) -> list[Array]:
        return self.first.indices

    def at(self, inputs: Sequence[Array]) -> Self:
        first = self.first.at(inputs)
        return type(self)(first, first.value(inputs), self.upstream)

    def with_repeats(self) -> Self | None:
        first = self.first.with_repeats()
        return None if first is None else type(self)(first, first.value(first.points), self.upstream)

    def outputs(self, leaves: Sequence[Tensor]) -> list[Tensor]:
        count = len(self.first.points)
        inputs, upstream = leaves[:count], leaves[count:]
        return gradients(self.first.outputs(inputs), inputs, upstream, create_graph=True)

    def value(self, points: Sequence[Array]) -> list[Array]:
        count = len(self.first.points)
        return self.first.forward([np.array(x) for x in points[:count]])[1](points[count:])


def gradients(outputs: Sequence[Tensor], leaves: Sequence[Tensor], upstream: Sequence[Tensor],
              create_graph: bool = False) -> list[Tensor]:
    """∂(Σ upstream · outputs)/∂leaves; zeros where nothing leads there."""
    roots = [(y, u) for y, u in zip(outputs, upstream, strict=True) if y.requires_grad]
    if not roots:
        return [Tensor(np.zeros_like(x.array)) for x in leaves]
    found = core.grad([y for y, _ in roots], leaves, [u for _, u in roots], retain_graph=True,
                      create_graph=create_graph, allow_unused=True)
    return [Tensor(np.zeros_like(x.array)) if g is None else g for g, x in zip(found, leaves, strict=True)]


# ---- plain NumPy


class ArrayProblem(Problem):
    """A NumPy function with the gradient someone wrote for it: an array, one an input, or a function giving them."""

    def __init__(self, function: Callable[..., Any], grad: Any, inputs: Sequence[Array], title: str,
                 names: Sequence[str], upstream: Any):
        self.title = title
        self.function = function
        self.grad = grad
        self.constants = [x if x.dtype.kind != "f" else None for x in inputs]
        self.points = [x.astype(np.float64) for x in inputs if x.dtype.kind == "f"]
        self.names = [name for name, x in zip(names, inputs, strict=True) if x.dtype.kind == "f"]
        self.dtypes = [x.dtype for x in inputs if x.dtype.kind == "f"]
        self.shape = self.value(self.points)[0].shape
        if self.shape and upstream is None and not callable(grad):
            raise ValueError(f"gradcheck: {title} returns an array of shape {self.shape}, so a gradient needs the "
                             "upstream gradient it was computed with; pass upstream= "
                             f"(np.ones({self.shape}) for that of the sum)")
        self.fixed = not callable(grad)
        given = [] if callable(grad) else listed(grad, len(self.points))
        low = [g.dtype for g, d in zip(given, self.dtypes, strict=False) if g.dtype == d and d != np.float64]
        self.tolerance = 1e3 * max([float(np.finfo(d).eps) for d in low], default=0.0)

    @property
    def indices(self) -> list[Array]:
        return [c for c in self.constants if c is not None and c.dtype.kind in "iu"]

    def with_repeats(self) -> Self | None:
        constants = repeated(self.constants, self.points)
        if constants is None:
            return None
        other = copy.copy(self)
        other.constants = constants
        return other

    def _all(self, points: Sequence[Array]) -> list[Array]:
        given = iter(points)
        return [next(given) if c is None else c for c in self.constants]

    def forward(self, points: Sequence[Array]) -> tuple[list[Array], Pull]:
        outputs = [self._call(points)]

        def pull(upstream: Sequence[Array]) -> list[Any]:
            if not callable(self.grad):
                return listed(self.grad, len(self.points))
            if not self.shape:
                return [float(upstream[0]) * g for g in self._claimed(*self._all(points))]
            arguments = [upstream[0], *self._all(points)]
            try:
                inspect.signature(self.grad).bind(*arguments)
            except TypeError as error:
                raise TypeError(f"gradcheck: {self.title} returns an array, so grad is called as "
                                f"grad(upstream, *inputs), like an op's backward: {error}") from None
            return self._claimed(*arguments)

        return outputs, pull

    def _claimed(self, *arguments: Array) -> list[Array]:
        with using(grad=True):  # the user's function may itself ask the engine
            return listed(self.grad(*arguments), len(self.points))

    def value(self, points: Sequence[Array]) -> list[Array]:
        return [self._call([np.array(x) for x in points])]

    def _call(self, points: Sequence[Array]) -> Array:
        y = self.function(*self._all(points))
        if isinstance(y, Tensor):
            raise TypeError(f"gradcheck: {self.title} returns a Tensor, whose gradient the engine computes; drop grad=")
        array = np.array(y) if y is not None else np.array(None)
        if array.dtype.kind not in "fc":
            kind = type(y).__name__ if array.dtype.kind not in "iub" else str(array.dtype)
            raise TypeError(f"gradcheck: {self.title} returns {kind}; a function with a gradient returns a float or a "
                            "floating array")
        return array


def listed(gradients: Any, count: int) -> list[Array]:
    """The gradients of all inputs as arrays; with one input it may stand alone."""
    several = isinstance(gradients, (tuple, list)) and (count > 1 or isinstance(gradients, tuple))
    arrays = [np.asarray(g.array if isinstance(g, Tensor) else g) for g in (gradients if several else [gradients])]
    if len(arrays) != count:
        raise ValueError(f"gradcheck: {count} inputs have {count} gradients, grad gives {len(arrays)}")
    for i, g in enumerate(arrays):
        if g.dtype.kind not in "fiu":
            raise TypeError(f"gradcheck: the gradient of input {i} is {g.dtype}, not real numbers")
    return arrays


# ---- from what the user wrote


def title_of(function: Any) -> str:
    """What to call the function in the report."""
    return str(getattr(function, "__name__", type(function).__name__)).replace("<lambda>", "f")


def names_of(function: Any, inputs: Sequence[Any]) -> list[str]:
    """The inputs' names: of the tensor, of the parameter, or x0, x1, …"""
    count = len(inputs)
    try:
        if isinstance(function, type) and issubclass(function, Op):
            function = function.forward
        parameters = inspect.signature(function).parameters.values()
        names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        names = []
    names = names[:count] + [f"x{i}" for i in range(len(names), count)]
    return [getattr(x, "name", None) or name for x, name in zip(inputs, names, strict=True)]


def arrays_of(inputs: Sequence[Any]) -> list[Array]:
    """The inputs as arrays. Raises TypeError where there is nothing to differentiate."""
    if not inputs:
        raise TypeError("gradcheck needs at least one input: gradcheck(f, x, …)")
    arrays = [_array(i, x) for i, x in enumerate(inputs)]
    if all(x.dtype.kind != "f" for x in arrays):
        kinds = ", ".join(str(x.dtype) for x in arrays)
        raise TypeError(f"gradcheck: the inputs are {kinds}, and only floating ones have a gradient; "
                        "write 1.0 for 1, or convert with .astype(np.float64)")
    return arrays


def _array(i: int, value: Any) -> Array:
    try:
        x = value.numpy() if isinstance(value, Tensor) else np.asarray(value)
    except ValueError as error:
        raise TypeError(f"gradcheck: input {i} is no array of numbers: {error}") from None
    if x.dtype.kind not in "fiub" or x.dtype.itemsize > 8:
        precise = "; differences are taken in float64" if x.dtype.kind == "f" else ""
        raise TypeError(f"gradcheck: input {i} holds {x.dtype}; inputs are real numbers{precise}")
    if not np.isfinite(x).all():
        element = np.argwhere(~np.isfinite(x))[0].tolist()
        raise ValueError(f"gradcheck: input {i} is {x[tuple(element)]} at {element}; differences need numbers on both "
                         "sides of it")
    return x
