"""Scaled dot-product attention: softmax(Q Kᵀ / √d) V, row by row of Q. 缩放点积注意力

    forward         Y = P V, P = softmax(Q Kᵀ / √d), and ln Σ e^scores of each row (lse)
    backward        dV = Pᵀ dY, dQ = S K / √d, dK = Sᵀ Q / √d, with S = P (dY Vᵀ − Σ dY Y), P = e^(scores − lse)
    masked_…        the same, with a score of −∞ where the mask is false; a row of −∞ alone gives zeros
    blocked_…       the same again for tinygrad_zh's blocked_attention; is_causal: j ≤ i alone

Q (…, n, d), K (…, m, d), V (…, m, e), the leading axes of all three alike. Covered on the CPU: all of that, in any
memory layout, since heads are mostly views. On CUDA: e = d ≤ 128. float32 and float64.

Work: forward makes 2 n m (d + e) operations for (n + m)(d + e) numbers; it is bound by arithmetic as soon as the rows
are longer than a few dozen. Backward makes 2 n m (3 d + 2 e), P being computed a second time: n m numbers that are
not kept. Nor need they ever lie in memory: a block of rows of Q meets K and V a block at a time, which fits in a
cache, or in the shared memory of a multiprocessor.

Easy to get wrong: the largest score is subtracted before the exponential; a block that raises it rescales what came
before. Lengths that are no multiple of a block; n ≠ m; rows that may attend to nothing; one key.

Not as in the formula: the blocked bodies do not read what is_causal hides, so a nan or ∞ there stays hidden, where the
formula multiplies it by 0 and has nan. A share of less than the smallest normal number is 0.

Milakov, Gimelshein 2018 (softmax online). Dao et al. 2022, Dao 2023 (FlashAttention).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_zh_kernels.kernel import Arguments, Kernel, Size

Rng = np.random.Generator
DType = np.dtype[Any]


def queries_keys_values(arrays: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Q, K and V among the arguments of forward, which begin with them, or of backward, after dY."""
    q, k, v = arrays[1:4] if len(arrays) > 4 else arrays[:3]
    return q, k, v


def covers(*arrays: Any, is_causal: bool = False, block: int = 0) -> bool:
    """Leading axes that are alike: nothing is broadcast."""
    q, k, v = queries_keys_values(arrays)
    return q.shape[:-2] == k.shape[:-2] == v.shape[:-2]


# ---- calls


def qkv(rng: Rng, dtype: DType, size: Size) -> tuple[Any, Any, Any]:
    """Q, K and V of a size (heads, n, m, d)."""
    heads, n, m, d = size
    return tuple(rng.standard_normal((heads, length, d)).astype(dtype) for length in (n, m, m))  # type: ignore[return-value]


def mask_of(rng: Rng, q: Any, k: Any) -> Any:
    """Half of the scores are allowed; the first row of each has none."""
    mask = rng.random((*q.shape[:-1], k.shape[-2])) < 0.5
    mask[..., :1, :] = False
    return mask


def lower(q: Any, k: Any) -> Any:
    """j ≤ i."""
    return np.tri(q.shape[-2], k.shape[-2], dtype=np.bool_)


def kept(q: Any, k: Any, v: Any, mask: Any = True) -> tuple[Any, Any]:
    """Y and lse as the forward formula gives them, computed in float64."""
    q, k, v = (x.astype(np.float64) for x in (q, k, v))
    s = np.where(mask, q @ k.mT / math.sqrt(q.shape[-1]), -np.inf)
    top = s.max(axis=-1, keepdims=True)
    top = np.where(top == -np.inf, 0, top)
    e = np.exp(s - top)
    z = e.sum(axis=-1, keepdims=True)
    z = np.where(z == 0, 1, z)
    return e / z @ v, top + np.log(z)


def backward_of(rng: Rng, arguments: Arguments) -> Arguments:
    """The call of backward that follows a call of forward."""
    q, k, v, *mask = arguments.arrays
    allowed = mask[0] if mask else lower(q, k) if arguments.keywords.get("is_causal") else True
    y, lse = (x.astype(q.dtype) for x in kept(q, k, v, allowed))
    dy = rng.standard_normal(y.shape).astype(q.dtype)
    return Arguments((dy, q, k, v, *mask, y, lse), arguments.keywords)


def plain(rng: Rng, dtype: DType, size: Size) -> Arguments:
    """A call of forward."""
    return Arguments(qkv(rng, dtype, size))


def masked(rng: Rng, dtype: DType, size: Size) -> Arguments:
    """A call of masked_forward."""
    q, k, v = qkv(rng, dtype, size)
    return Arguments((q, k, v, mask_of(rng, q, k)))


def blocked(rng: Rng, dtype: DType, size: Size) -> Arguments:
    """A call of blocked_forward."""
    return Arguments(qkv(rng, dtype, size), {"is_causal": True, "block": 32})


def heads_apart(rng: Rng, dtype: DType) -> tuple[Any, Any, Any]:
    """Q, K and V as multi-head attention cuts them out of (batch, length, width): views."""
    return tuple(rng.standard_normal((2, n, 3, 8)).astype(dtype).swapaxes(1, 2) for n in (9, 7, 7))  # type: ignore[return-value]


def large(rng: Rng, dtype: DType) -> tuple[Any, Any, Any]:
    """Scores up to 256, exact in float32, so that e^score overflows: rows whose weight is all on a few keys."""
    q, k, v = (rng.integers(-8, 9, (2, length, 4)).astype(dtype) for length in (9, 12, 12))
    return 2 * q, k, v


def far_below(rng: Rng, dtype: DType) -> tuple[Any, Any, Any]:
    """Scores from −256 to −512, exact in float32: every e^score is 0. In two heads one key is far above the others."""
    q, k, v = (rng.integers(8, 17, (3, length, 4)).astype(dtype) for length in (9, 140, 140))
    k[[0, 1], [139, 32]] = 0
    return np.full_like(q, 16), -k, v


def with_nan(rng: Rng, dtype: DType) -> tuple[Any, Any, Any]:
    """One nan in Q, which spoils one row of Y."""
    q, k, v = qkv(rng, dtype, (2, 5, 6, 4))
    q[0, 2, 1] = np.nan
    return q, k, v


LENGTHS = {  # (heads, n, m, d): where bodies change from one way to another
    "one key": (2, 3, 1, 4),
    "one query": (2, 1, 20, 16),
    "no query": (2, 0, 5, 4),
    "one column": (1, 5, 6, 1),
    "many queries": (1, 65, 9, 2),
    "many keys": (1, 3, 65, 2),
    "several blocks": (1, 34, 35, 1),
    "a width of 33": (1, 3, 10, 33),
    "a width of 128": (1, 2, 9, 128),
}
Call = Callable[[Rng, DType], Arguments]


def as_calls(make: Callable[[Rng, DType, Size], Arguments], *others: Any, **keywords: Any) -> dict[str, Call]:
    """The awkward lengths, and the awkward values, each with the further arrays that `others` make of Q and K."""
    def call(arrays: Callable[[Rng, DType], tuple[Any, Any, Any]]) -> Call:
        def made(rng: Rng, dtype: DType) -> Arguments:
            q, k, v = arrays(rng, dtype)
            return Arguments((q, k, v, *(other(rng, q, k) for other in others)), keywords)
        return made

    lengths = {name: lambda rng, dtype, size=size: make(rng, dtype, size) for name, size in LENGTHS.items()}
    return {
        **lengths,
        "no leading axis": call(lambda rng, dtype: tuple(x[0] for x in qkv(rng, dtype, (1, 20, 21, 8)))),
        "heads that are views": call(heads_apart),
        "large scores": call(large),
        "scores far below 0": call(far_below),
    }


ROUNDING = ("one key", "one query", "scores far below 0")


def then(cases: dict[str, Call]) -> dict[str, Call]:
    """Backward's cases: those of forward, a step on. With one key, or one that has all the weight, dQ and dK are 0, and
    all that is left is rounding.
    """
    def after(call: Call) -> Call:
        return lambda rng, dtype: backward_of(rng, call(rng, dtype))

    return {name: after(call) for name, call in cases.items() if name not in ROUNDING}


A_NAN = {"a nan": lambda rng, dtype: Arguments(with_nan(rng, dtype))}
WIDER_VALUES = {"wider values": lambda rng, dtype: Arguments(
    (*qkv(rng, dtype, (2, 9, 11, 4))[:2], rng.standard_normal((2, 11, 6)).astype(dtype)))}
PADDING = {"one mask row for all queries": lambda rng, dtype: Arguments(
    (*qkv(rng, dtype, (2, 9, 11, 4)), np.arange(11) < np.array([[[4]], [[11]]])))}
NOT_CAUSAL = {"not causal": lambda rng, dtype: Arguments(
    qkv(rng, dtype, (2, 20, 17, 3)), {"is_causal": False, "block": 16})}
PLAIN_CASES = {**as_calls(plain), **A_NAN, **WIDER_VALUES}
MASKED_CASES = {**as_calls(masked, mask_of), **PADDING}
BLOCKED_CASES = {**as_calls(blocked, is_causal=True, block=16), **NOT_CAUSAL}


# ---- contracts


def pairs(arguments: Arguments, q: Any, k: Any) -> int:
    """How many scores count, in all heads."""
    n, m = q.shape[-2], k.shape[-2]
    one = sum(min(i + 1, m) for i in range(n)) if arguments.keywords.get("is_causal") else n * m
    return math.prod(q.shape[:-2]) * one


def forward_flops(arguments: Arguments) -> int:
    """Two products; the softmax between them is left out, as is usual."""
    q, k, v = arguments.arrays[:3]
    return 2 * pairs(arguments, q, k) * (q.shape[-1] + v.shape[-1])


def backward_flops(arguments: Arguments) -> int:
    """Five products: the scores once more, dY Vᵀ, and one for each gradient."""
    q, k, v = arguments.arrays[1:4]
    return 2 * pairs(arguments, q, k) * (3 * q.shape[-1] + 2 * v.shape[-1])


LIMITS = ((0, 2), (0, 4), (1, 9), (1, 5))
BACKWARD_LIMITS = ((0, 2), (2, 4), (8, 9), (1, 5))
SIZES = ((128, 100, 100, 32), (16, 512, 512, 64), (8, 2048, 2048, 64))
TOLERANCE = {"float32": 1e-5, "float64": 2e-14}
"""An error of a score is a relative one of e^score: scores of 30 lose a digit and a half."""

forward = Kernel(
    "attention.forward",
    formula="Attention.forward",
    arguments=plain,
    limits=LIMITS,
    cases=PLAIN_CASES,
    sizes=SIZES,
    flops=forward_flops,
    tolerance=TOLERANCE,
)

backward = Kernel(
    "attention.backward",
    formula="Attention.backward",
    arguments=lambda rng, dtype, size: backward_of(rng, plain(rng, dtype, size)),
    limits=BACKWARD_LIMITS,
    cases=then(PLAIN_CASES),
    sizes=SIZES,
    flops=backward_flops,
    tolerance=TOLERANCE,
)

masked_forward = Kernel(
    "attention.masked_forward",
    formula="MaskedAttention.forward",
    arguments=masked,
    limits=LIMITS,
    cases=MASKED_CASES,
    sizes=SIZES,
    flops=forward_flops,
    tolerance=TOLERANCE,
)

masked_backward = Kernel(
    "attention.masked_backward",
    formula="MaskedAttention.backward",
    arguments=lambda rng, dtype, size: backward_of(rng, masked(rng, dtype, size)),
    limits=BACKWARD_LIMITS,
    cases=then(MASKED_CASES),
    sizes=SIZES,
    flops=backward_flops,
    tolerance=TOLERANCE,
)

blocked_forward = Kernel(
    "attention.blocked_forward",
    formula="BlockedAttention.forward",
    arguments=blocked,
    limits=LIMITS,
    cases=BLOCKED_CASES,
    sizes=SIZES,
    flops=forward_flops,
    tolerance=TOLERANCE,
)

blocked_backward = Kernel(
    "attention.blocked_backward",
    formula="BlockedAttention.backward",
    arguments=lambda rng, dtype, size: backward_of(rng, blocked(rng, dtype, size)),
    limits=BACKWARD_LIMITS,
    cases=then(BLOCKED_CASES),
    sizes=SIZES,
    flops=backward_flops,
    tolerance=TOLERANCE,
)
