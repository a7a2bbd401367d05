"""Planted bugs: small ops and gradients with one thing wrong each, the inputs that show it, and the diagnosis.

Most retell a bug that shipped somewhere; the thread is named beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F


@dataclass(frozen=True)
class Bug:
    """`function` on `inputs` is to fail with a failure whose check and diagnosis are these."""

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    diagnosis: str
    order: int = 1

    def __str__(self) -> str:
        return self.name


BUGS: list[Bug] = []


def values(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def planted(diagnosis: str, *inputs: Any, order: int = 1, call: Callable[[Any], Any] = lambda op: op) -> Any:
    def add(op: Any) -> Any:
        BUGS.append(Bug(op.__name__, call(op), inputs, diagnosis, order))
        return op

    return add


# ---- wrong values


@planted("factor", values(3, 4))
class HalfTheSlope(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * x


@planted("factor", values(5))
class OneInAMillion(tz.Op):
    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return dy * np.cos(x) * (1 + 1e-6)


@planted("factor", values(4, 3))
class MeanForSum(tz.Op):
    def forward(x):
        return x.sum(axis=0)

    def backward(dy, x_shape):
        return np.broadcast_to(dy / x_shape[0], x_shape)


@planted("sign", values(2, 3))
class WrongSign(tz.Op):
    def forward(x):
        return -np.exp(x)

    def backward(dy, y):
        return -dy * y


@planted("sign", values(1000))
class WrongSignOfMany(tz.Op):
    """jax #3130: a tolerance that grows with the array passes this."""

    def forward(x):
        return np.cos(x)

    def backward(dy, x):
        return dy * np.sin(x)


@planted("signs", values(7))
class SignLost(tz.Op):
    def forward(x):
        return np.cosh(x)

    def backward(dy, x):
        return dy * np.sinh(np.abs(x))


@planted("zero", values(3, 4))
class SoftmaxOfZero(tz.Op):
    """A softmax whose backward is zero passes any checker whose upstream gradient is all ones."""

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return y * (dy.sum() - dy.sum())


@planted("zero", values(4), call=lambda op: lambda x: op(x).detach())
class Detached(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x


@planted("factor_missing", values(4))
class SigmoidForgotten(tz.Op):
    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy):
        return dy


@planted("factor_missing", values(6))
class TanhForgotten(tz.Op):
    def forward(x):
        return np.tanh(x)

    def backward(dy):
        return dy


@planted("factor_twice", values(6))
class ExpTwice(tz.Op):
    def forward(x):
        return np.exp(x)

    def backward(dy, y):
        return dy * y * y


@planted("only_one_sign", values(8))
class LeakForgotten(tz.Op):
    def forward(x):
        return np.where(x > 0, x, 0.1 * x)

    def backward(dy, x):
        return np.where(x > 0, dy, 0.01 * dy)


@planted("offset", values(5))
class RegularisedOnTheWay(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x + 0.01


@planted("elements", values(3, 4))
class SoftmaxDiagonal(tz.Op):
    """Only the diagonal of the Jacobian."""

    def forward(x):
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)

    def backward(dy, y):
        return dy * y * (1 - y)


@planted("elements", values(4, 3), values(3, seed=1))
class BiasOfOneRow(tz.Op):
    """pytorch #13669: what was broadcast is not summed."""

    def forward(x, b):
        return x + b

    def backward_x(dy):
        return dy

    def backward_b(dy):
        return dy[0]


@planted("elements", values(4, 3))
class BatchNormWithoutMean(tz.Op):
    """The statistics taken for constants; Odyssey #3174 tested it with a sum, whose gradient is 0."""

    def forward(x):
        return (x - x.mean(axis=0)) / x.std(axis=0)

    def backward(dy, x):
        return dy / x.std(axis=0)


# ---- right values in the wrong place


@planted("transposed", values(3, 3), values(3, 3, seed=1))
class SquareOnly(tz.Op):
    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ b.mT

    def backward_b(dy, a):
        return dy.mT @ a


@planted("shape_raised", values(2, 3), values(3, 4, seed=1))
class SquareOnlyElsewhere(tz.Op):
    def forward(a, b):
        return a @ b

    def backward_a(dy, b):
        return dy @ b.mT

    def backward_b(dy, a):
        return dy.mT @ a


@planted("reversed", values(5))
class FlipForgotten(tz.Op):
    def forward(x):
        return x[::-1]

    def backward(dy):
        return dy


@planted("places", values(7))
class RollTheSameWay(tz.Op):
    def forward(x):
        return np.roll(x, 2)

    def backward(dy):
        return np.roll(dy, 2)


@planted("elements", values(5), np.array([0, 2, 2, 1]))
class RepeatedIndex(tz.Op):
    """pytorch #1631, Paddle #17662: += on a fancy index keeps one of the repeats."""

    def forward(x, i):
        return x[i]

    def backward_x(dy, i, x_shape):
        g = np.zeros(x_shape, dy.dtype)
        g[i] += dy
        return g


# ---- special values


@planted("not_finite_at_zero", np.array([0.0, 2.0, -1.0]))
class ProdByDivision(tz.Op):
    """pytorch #773, tensorflow #3862, tinygrad #17404: nan where x is 0."""

    def forward(x):
        return np.prod(x)

    def backward(dy, x, y):
        return dy * y / x


@planted("not_finite_at_zero", np.zeros(3))
class NormAtZero(tz.Op):
    """pytorch #2421, jax #3058."""

    def forward(x):
        return np.sqrt((x * x).sum())

    def backward(dy, x, y):
        return dy * x / y


@planted("not_finite", np.array([-800.0, 1.0]))
class SigmoidOverflows(tz.Op):
    def forward(x):
        return np.where(x > 0, 1, np.exp(np.minimum(x, 0))) / (1 + np.exp(-np.abs(x)))

    def backward(dy, x):
        return dy * np.exp(-x) / (1 + np.exp(-x)) ** 2


@planted("only_at_zeros", np.array([0.0, 1.0, -2.0, 0.0]))
class LogSigmoidAtZero(tz.Op):
    """jax #2140: 0 at 0."""

    def forward(x):
        return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))

    def backward(dy, x):
        return np.where(x == 0, 0, dy / (1 + np.exp(x)))


@planted("together", np.array([1.0, 3.0, 3.0, 2.0]))
class WholeToEveryTie(tz.Op):
    def forward(x):
        return x.max()

    def backward(dy, x, y):
        return np.where(x == y, dy, 0)


@planted("together", np.array([1.0, 3.0, 2.0]), np.array([1.0, 0.0, 2.0]))
class BothOfATie(tz.Op):
    def forward(a, b):
        return np.maximum(a, b)

    def backward_a(dy, a, b):
        return np.where(a >= b, dy, 0)

    def backward_b(dy, a, b):
        return np.where(b >= a, dy, 0)


@planted("kink", np.array([0.0, 1.0, -1.0]))
class OutsideTheKink(tz.Op):
    def forward(x):
        return np.abs(x)

    def backward(dy, x):
        return np.where(x == 0, 2 * dy, dy * np.sign(x))


@planted("only_at_ties", np.array([1.5, 2.0, 2.0, -1.0]))
class DuplicatesIgnored(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        twins = (x[:, None] == x).sum(axis=1)
        return dy * 2 * x / twins


@planted("only_in_slice", values(4, 3))
class LastRowForgotten(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return np.where(np.arange(4)[:, None] < 3, dy * 2 * x, 0)


# ---- manners


@planted("writes_raised", values(4))
class WritesItsUpstream(tz.Op):
    def forward(x):
        return np.maximum(x, 0)

    def backward(dy, x):
        dy[x <= 0] = 0
        return dy


@planted("writes_raised", values(4))
class WritesItsInput(tz.Op):
    def forward(x):
        x *= 2
        return x

    def backward(dy):
        return 2 * dy


@planted("writes_input", values(4))
class UnlocksItsInput(tz.Op):
    def forward(x):
        if x.flags.owndata:
            x.setflags(write=True)
            x[0] = 1.0
        return x * x

    def backward(dy, x):
        return dy * 2 * x


@planted("state", values(3, 4))
class StateOnTheOp(tz.Op):
    """The same op called twice before backward."""

    kept: Any = None

    def forward(x):
        StateOnTheOp.kept = x
        return np.sin(x)

    def backward(dy):
        return dy * np.cos(StateOnTheOp.kept)


@planted("repeat", values(5))
class EveryCallMore(tz.Op):
    """micrograd #63, tinygrad #6145: the second backward."""

    calls = 0

    def forward(x):
        EveryCallMore.calls = 0
        return x * x

    def backward(dy, x):
        EveryCallMore.calls += 1
        return dy * 2 * x * EveryCallMore.calls


@planted("layout_upstream", values(3, 4))
class InMemoryOrder(tz.Op):
    """pytorch #30303, #139740: right for contiguous gradients."""

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy.ravel(order="K").reshape(x.shape) * 2 * x


@planted("layout_input", values(3, 4))
class InputInMemoryOrder(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * 2 * x.ravel(order="K").reshape(x.shape)


@planted("zero_upstream", np.array([0.5, 2.0]))
class SomethingOfNothing(tz.Op):
    def forward(x):
        return np.log(x)

    def backward(dy, x):
        return dy / x + np.where((dy == 0).all(), 1e-3, 0.0)


@planted("dtype_forward", values(3))
class PromotedByAScalar(tz.Op):
    """A NumPy scalar makes float64 of float32."""

    def forward(x):
        return x / np.sqrt(2)

    def backward(dy):
        return dy / 2**0.5


@planted("dtype_backward", values(3))
class PromotedGradient(tz.Op):
    def forward(x):
        return x / 2**0.5

    def backward(dy):
        return dy / np.sqrt(2)


@planted("float32_output", values(3))
class Float32Inside(tz.Op):
    def forward(x):
        return x.astype(np.float32) * 2

    def backward(dy):
        return dy * 2


@planted("precision", (values(6) + 1e5).astype(np.float32))
class CancelsInFloat32(tz.Op):
    """x − c as (x² − c²) / (x + c): exact enough in float64."""

    def forward(x):
        return (x - 1e5) ** 2

    def backward(dy, x):
        return dy * 2 * ((x * x - 1e10) / (x + 1e5))


@planted("raised", values(3))
class Raises(tz.Op):
    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * x.undefined


# ---- functions of ops


@planted("random", values(4))
def unseeded(x):
    return x * np.random.default_rng().random(4)


@planted("inconsistent", values(4))
def another_with_grad(x):
    return 2 * x if tz.is_grad_enabled() else 3 * x


@planted("not_measured", np.array([1.0]))
class DefinedAtOneAlone(tz.Op):
    def forward(x):
        return np.where(x == 1, x, np.nan)

    def backward(dy):
        return dy


@planted("value_not_finite", np.array([-1.0, 2.0]))
def nan_forward(x):
    return F.log(x)


# ---- second order only


@planted("factor", values(4), order=2)
class SecondOrderHalf(tz.Op):
    """pytorch #186256: the gradient is right and its gradient is not."""

    def forward(x):
        return x * x * x

    def backward(dy, x):
        return CubeSlope(dy, x)


class CubeSlope(tz.Op):
    def forward(u, x):
        return u * 3 * x * x

    def backward(dy, u, x):
        return dy * 3 * x * x, dy * u * 3 * x


@planted("zero", values(4), order=2)
class SecondOrderCut(tz.Op):
    def forward(x):
        return np.sin(x)

    def backward(dy, x):
        return dy * np.cos(x.array if isinstance(x, tz.Tensor) else x)
