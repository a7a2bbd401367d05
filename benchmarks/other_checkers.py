"""Other people's gradient checkers, and the classroom's, on ops of this engine: each op becomes a primitive of theirs.

A primitive is what all of them ask a user for: a function of arrays, and its backward. `Plain` is an op's own forward
and backward on bare NumPy arrays, bound by the names of their parameters as the engine binds them; `Traced` is any
function of tensors, differentiated by the engine; `Gradient` is the gradient of such a function as a function of its
own, for second order. Sums over what was broadcast are the engine's business and are done here; a gradient of any other
shape raises, as it does in those libraries.

A checker answers True (something is wrong), False (nothing found), or None where it cannot run the case. An exception
counts as True if it comes out of the backward; so does one that is the checker's verdict. Arrays are float64, as their
documentation asks, fresh for every check, and writable.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh.core.op import make_plan
from tinygrad_zh.core.walk import sum_to

Arrays = Sequence[Any]


def is_floating(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


class Primitive:
    """A function of the floating inputs, with what it kept for backward; the other inputs are constants."""

    def __init__(self, inputs: Arrays) -> None:
        self.inputs = inputs
        self.slots = [i for i, x in enumerate(inputs) if is_floating(x)]
        self.root = self  # whose backward it is: for a Gradient, the function's
        self.raised = False

    def arrays(self) -> list[Any]:
        return [np.array(self.inputs[i], np.float64) for i in self.slots]

    def complete(self, arrays: Arrays) -> list[Any]:
        given = dict(zip(self.slots, arrays, strict=True))
        return [given.get(i, x) for i, x in enumerate(self.inputs)]

    def value(self, arrays: Arrays) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """The outputs, and what backward will be given of them."""
        with np.errstate(all="ignore"):
            outputs, kept = self.forward(self.complete(arrays))
        return tuple(np.array(y, np.float64) for y in outputs), tuple(np.asarray(k) for k in kept)

    def pullback(self, arrays: Arrays, kept: Arrays, upstreams: Arrays) -> tuple[Any, ...]:
        """∂L/∂x of every floating input."""
        try:
            with np.errstate(all="ignore"):
                gradients = self.backward(self.complete(arrays), kept, [np.asarray(u, np.float64) for u in upstreams])
                return tuple(fitted(g, x.shape) for g, x in zip(gradients, arrays, strict=True))
        except Exception:
            self.root.raised = True
            raise

    def forward(self, inputs: Arrays) -> tuple[Arrays, Arrays]:
        raise NotImplementedError

    def backward(self, inputs: Arrays, kept: Arrays, upstreams: Arrays) -> Arrays:
        raise NotImplementedError


def fitted(gradient: Any, shape: tuple[int, ...]) -> Any:
    gradient = np.asarray(gradient, np.float64)
    if gradient.shape != shape:
        np.broadcast_to(np.empty(shape), gradient.shape)
        gradient = sum_to(gradient, shape)
    return gradient


class Plain(Primitive):
    """An op's own forward and backward."""

    def __init__(self, op: Any, inputs: Arrays) -> None:
        super().__init__(inputs)
        self.op = op
        self.plan = make_plan(op, sum(1 << i for i in self.slots), len(inputs))

    def forward(self, inputs):
        results = self.op.forward(*inputs, **self.op.defaults)
        results = results if isinstance(results, tuple) else (results,)
        return results if self.op.many else results[: len(self.op.outputs)], results

    def backward(self, inputs, kept, upstreams):
        upstreams = [tuple(upstreams)] if self.op.many else upstreams
        saved = self.plan.keep(inputs, kept)
        found = {}
        for partial in self.plan.partials:
            gradient = partial.run(partial.function, upstreams, saved, self.op.defaults)
            found |= dict(zip(partial.slots, gradient if partial.joint else [gradient], strict=True))
        return [found[i] for i in self.slots]


class Traced(Primitive):
    """A function of tensors, by the engine."""

    def __init__(self, function: Callable[..., Any], inputs: Arrays) -> None:
        super().__init__(inputs)
        self.function = function

    def traced(self, inputs):
        leaves = [tz.tensor(x, requires_grad=True) if i in self.slots else x for i, x in enumerate(inputs)]
        y = self.function(*leaves)
        return [leaves[i] for i in self.slots], y if isinstance(y, tuple) else (y,)

    def forward(self, inputs):
        return [y.numpy() for y in self.traced(inputs)[1]], ()

    def backward(self, inputs, kept, upstreams):
        leaves, outputs = self.traced(inputs)
        return [g.numpy() for g in gradients(outputs, leaves, upstreams)]


class Gradient(Primitive):
    """u, x ↦ uᵀ ∂f/∂x, and its own backward: what second order is about. only: of one of the inputs."""

    def __init__(self, traced: Traced, only: int | None = None) -> None:
        self.first = traced
        self.only = slice(only, None if only is None else only + 1)
        self.outputs = len(traced.value(traced.arrays())[0])
        super().__init__([*(np.ones_like(y) for y in traced.value(traced.arrays())[0]), *traced.arrays()])
        self.root = traced

    def traced(self, arrays):
        upstreams = [tz.tensor(u, requires_grad=True) for u in arrays[: self.outputs]]
        leaves, ys = self.first.traced(self.first.complete(arrays[self.outputs :]))
        return [*upstreams, *leaves], gradients(ys, leaves, upstreams, create_graph=True)[self.only]

    def forward(self, inputs):
        return [g.numpy() for g in self.traced(inputs)[1]], ()

    def backward(self, inputs, kept, upstreams):
        leaves, outputs = self.traced(inputs)
        return [g.numpy() for g in gradients(outputs, leaves, upstreams)]


def gradients(outputs, leaves, upstreams, create_graph=False):
    """∂L/∂x of every leaf, zeros where the outputs do not depend on one."""
    pairs = [(y, u) for y, u in zip(outputs, upstreams, strict=True) if y.requires_grad]
    found = [None] * len(leaves)
    if pairs:
        ys, us = zip(*pairs, strict=True)
        found = tz.grad(list(ys), leaves, list(us), create_graph=create_graph, allow_unused=True)
    return [tz.tensor(np.zeros(x.shape)) if g is None else g for g, x in zip(found, leaves, strict=True)]


def primitive_of(function: Any, inputs: Arrays, order: int = 1) -> Primitive:
    """The op itself where the function is one; what is composed of several, or differentiated twice, by the engine."""
    if isinstance(function, type) and issubclass(function, tz.Op) and order == 1:
        return Plain(function, inputs)
    return Traced(function, inputs)


# ---- the classroom's loop


def classroom(primitive: Primitive, order: int) -> bool:
    """Central differences of the sum of the outputs, element by element, to a relative error of 10⁻⁵."""
    if order == 2:
        primitive = Gradient(primitive)
    arrays = primitive.arrays()
    outputs, kept = primitive.value(arrays)
    analytic = primitive.pullback(arrays, kept, [np.ones_like(y) for y in outputs])
    for x, gradient in zip(arrays, analytic, strict=True):
        for i in np.ndindex(x.shape):
            before, sums = x[i], []
            for step in (1e-5, -1e-5):
                x[i] = before + step
                sums.append(sum(y.sum() for y in primitive.value(arrays)[0]))
            x[i] = before
            numeric = (sums[0] - sums[1]) / 2e-5
            if not abs(gradient[i] - numeric) <= 1e-5 * max(abs(gradient[i]), abs(numeric), 1e-3):
                return True
    return False


# ---- PyTorch


def torch_slow(primitive: Primitive, order: int) -> bool:
    return torch_check(primitive, order, fast_mode=False)


def torch_fast(primitive: Primitive, order: int) -> bool:
    return torch_check(primitive, order, fast_mode=True)


def torch_check(primitive, order, fast_mode):
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    function = torch_function(primitive, torch_function(Gradient(primitive)) if order == 2 else None)
    leaves = [torch.tensor(x, requires_grad=True) for x in primitive.arrays()]
    check = torch.autograd.gradgradcheck if order == 2 else torch.autograd.gradcheck
    return not check(function, leaves, fast_mode=fast_mode, raise_exception=False)


def torch_function(primitive, gradient=None):
    import torch

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *xs):
            outputs, ctx.kept = primitive.value([x.detach().numpy() for x in xs])
            ctx.save_for_backward(*xs)
            ys = tuple(torch.from_numpy(y) for y in outputs)
            return ys if len(ys) > 1 else ys[0]

        @staticmethod
        def backward(ctx, *upstreams):
            if gradient is not None:
                return gradient(*upstreams, *ctx.saved_tensors)
            arrays = [x.detach().numpy() for x in ctx.saved_tensors]
            found = primitive.pullback(arrays, ctx.kept, [u.detach().numpy() for u in upstreams])
            return tuple(torch.from_numpy(g.copy()) for g in found)  # no negative strides in PyTorch

    return Function.apply


# ---- JAX


def jax_check(primitive: Primitive, order: int) -> bool:
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)  # it logs what a backward raises
    function = jax_function(primitive, jax_function(Gradient(primitive)) if order == 2 else None)
    try:
        check_grads(function, primitive.arrays(), order=order, modes=["rev"])
    except AssertionError:
        return True
    return False


def jax_function(primitive, gradient=None):
    import jax

    def shapes(arrays):
        return tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays)

    def writable(arrays):
        return [np.array(a) for a in arrays]

    def value(*xs):
        return sum(primitive.value(writable(xs)), ())

    def pullback(xs, kept, upstreams):
        return primitive.pullback(writable(xs), writable(kept), writable(upstreams))

    outputs, kept = primitive.value(primitive.arrays())
    count = len(outputs)

    def call(*xs):
        both = jax.pure_callback(value, shapes((*outputs, *kept)), *xs)
        return both[:count] if count > 1 else both[0], (xs, both[count:])

    @jax.custom_vjp
    def function(*xs):
        return call(*xs)[0]

    def forward(*xs):  # for second order itself something that JAX can differentiate
        return call(*xs) if gradient is None else (function(*xs), (xs, ()))

    def backward(residuals, upstream):
        xs, kept = residuals
        upstreams = upstream if count > 1 else (upstream,)
        if gradient is not None:
            found = gradient(*upstreams, *xs)
            return found if isinstance(found, tuple) else (found,)
        return jax.pure_callback(pullback, shapes(primitive.arrays()), xs, kept, upstreams)

    function.defvjp(forward, backward)
    return function


# ---- HIPS autograd


def autograd_check(primitive: Primitive, order: int) -> bool | None:
    from autograd.test_util import check_grads

    if len(primitive.value(primitive.arrays())[0]) > 1:
        return None  # a primitive of autograd has one output
    np.random.seed(0)  # noqa: NPY002, its directions come from there
    arrays = primitive.arrays()
    second = [autograd_function(Gradient(primitive, i)) for i in range(len(arrays))] if order == 2 else None
    function = autograd_function(primitive, second)
    try:
        check_grads(function, tuple(range(len(arrays))), modes=["rev"], order=order)(*arrays)
    except AssertionError:
        return True
    return False


def autograd_function(primitive, second=None):
    from autograd.extend import defvjp
    from autograd.extend import primitive as extend

    kept = {}

    @extend
    def function(*xs):
        outputs, saved = primitive.value(xs)
        kept[id(outputs[0])] = outputs[0], saved
        return outputs[0]

    def vjp(i):
        def maker(y, *xs):
            if second is not None:
                return lambda u: second[i](u, *xs)
            return lambda u: primitive.pullback(xs, kept[id(y)][1], [u])[i]

        return maker

    defvjp(function, *map(vjp, range(len(primitive.slots))))
    return function


# ---- all of them

CHECKERS: dict[str, tuple[str | None, Callable[[Primitive, int], bool | None]]] = {
    "torch-slow": ("torch", torch_slow),
    "torch-fast": ("torch", torch_fast),
    "jax": ("jax", jax_check),
    "autograd": ("autograd", autograd_check),
    "classroom": (None, classroom),
}
"""{name: the library it needs, whether it finds something wrong}."""


def missing() -> dict[str, str]:
    """The checkers that cannot run here, and the library that each would need."""
    return {name: library for name, (library, _) in CHECKERS.items() if library and find_spec(library) is None}


def finds(checker: str, function: Any, inputs: Arrays, order: int = 1) -> bool | None:
    """Whether a checker finds a function's gradient wrong; None where it cannot run the case."""
    try:
        primitive = primitive_of(function, inputs, order)
    except Exception:
        return None
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = CHECKERS[checker][1](primitive, order)
        except Exception:
            found = None
    return True if primitive.raised else found
